// The door to the CUDA backend, a library of its own (libtapir_cuda.so) that is loaded when a CUDA device is first
// named: nothing of CUDA is part of this library, of its size or of its start.
#pragma once
#include <tapir/tensor/tensor.h>

#include <string>

namespace tapir {

struct Call;

namespace detail {

/// What the loaded library gives: `extern "C" const tapir::detail::CudaModule* tapir_cuda_module()`.
struct CudaModule {
  const void* belongs_to;                 // &cuda_module_anchor of the libtapir that it was linked with
  int (*device_count)(std::string* why);  // why there is none
  Storage* (*new_storage)(std::size_t bytes, Device device);
  /// Bytes from one place to another, in the order of the device's work. Over when it returns if `to` is the CPU's.
  void (*copy)(void* to, Device to_device, const void* from, Device from_device, std::size_t bytes);
  void (*synchronize)(Device device);
  MemoryStats (*stats)(Device device);
  void (*set_limit)(Device device, std::size_t bytes);
  void (*release_cached)(Device device);
  void (*use)(Device device);  // makes it this thread's: kernels run there
  /// What this thread gives to `device` from here on is noted, not done; memory that it takes and gives back is kept
  /// for the notes. What needs the host (a copy up or down, waiting) throws. Null if another capture is under way.
  void* (*begin_capture)(Device device);
  /// Ends it. False: nothing can be replayed, `capture` is gone.
  bool (*end_capture)(void* capture, bool keep);
  /// Does what was noted, in the order of the device's work.
  void (*replay)(void* capture);
  void (*drop_capture)(void* capture);
  /// The kernel of an op by its row's name; null if there is none.
  void (*(*kernel)(const char* op))(const Call& call);
  const char* (*why_not)(const char* op);  // why there is none: "cuSOLVER is not used yet"
};
extern const char cuda_module_anchor;
inline constexpr const char* cuda_module_entry = "tapir_cuda_module";

/// Loads it. Throws DeviceError, which says what is missing, if `device` is not there. `op`: who asks.
const CudaModule& cuda_module(Device device, const char* op);
/// Fresh, uninitialised memory of `device`.
Storage* new_storage(std::size_t bytes, Device device);
/// The same value on `device`, with the same strides. Nothing is recorded.
Tensor copied_to(const Tensor& t, Device device);

}  // namespace detail
}  // namespace tapir
