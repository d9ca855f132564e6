// Storage: a block of bytes that tensors share. Counts its owners.
#pragma once
#include <tapir/tensor/device.h>

#include <atomic>
#include <cstddef>

namespace tapir::detail {

struct Storage {
  std::atomic<int> owners{1};
  std::byte* data = nullptr;
  std::size_t bytes = 0;
  Device device;
  void (*release)(Storage*) noexcept = nullptr;  // gives `data` back; then the Storage itself is deleted
  void* context = nullptr;                       // for `release`
};

/// Fresh, uninitialised CPU memory from the caching allocator. Throws OutOfMemoryError.
Storage* new_storage(std::size_t bytes);
void delete_storage(Storage* s) noexcept;

inline void retain(Storage* s) { s->owners.fetch_add(1, std::memory_order_relaxed); }
inline void drop(Storage* s) {
  if (s->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) delete_storage(s);
}

}  // namespace tapir::detail
