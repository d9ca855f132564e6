// Work that is noted and replayed: CUDA graphs. One thread captures at a time, in a stream of its own, so what other
// threads do meanwhile is not noted.
#pragma once
#include <tapir/tensor/device.h>

#include <cstddef>
#include <map>
#include <vector>

namespace tapir::cuda {

struct Capture {
  int device;
  void *stream, *exec = nullptr;  // exec: what can be replayed
  bool broken = false, faults = false;
  std::map<void*, std::size_t> taken;                    // since it began, by rounded size
  std::map<std::size_t, std::vector<void*>> given_back;  // of those: kept for the notes
};
/// Of this thread; null if it does not capture.
Capture*& capturing();
/// Throws DeviceError if this thread captures: `what` needs the host.
void refuse_in_capture(const char* what);

/// See tensor/cuda_module.h.
void* begin_capture(Device device);
bool end_capture(void* capture, bool keep);
void replay(void* capture);
void drop_capture(void* capture);

}  // namespace tapir::cuda
