// Working memory of one kernel on the current device, from the caching allocator. It may be given back while the GPU
// still works: who gets it next works later in the same stream.
#pragma once
#include <cstddef>

namespace tapir::cuda {

/// The allocator of memory on the current device (memory.cpp). Throws OutOfMemoryError.
void* allocate(std::size_t bytes);
void free(void* block, std::size_t bytes, int device) noexcept;
int current_device();

class Scratch {
 public:
  explicit Scratch(std::size_t bytes)
      : bytes_(bytes), device_(current_device()), data_(bytes ? allocate(bytes) : nullptr) {}
  ~Scratch() {
    if (data_) free(data_, bytes_, device_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  void* data() const { return data_; }

 private:
  std::size_t bytes_;
  int device_;
  void* data_;
};

}  // namespace tapir::cuda
