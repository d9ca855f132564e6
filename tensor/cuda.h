// What there is of NVIDIA GPUs, and their memory. Every function may be called in any build, on any machine.
#pragma once
#include <tapir/tensor/allocator.h>
#include <tapir/tensor/device.h>
#include <tapir/tensor/error.h>

#include <string>

namespace tapir {

/// How many GPUs `Device::cuda(index)` may name. 0 where something is missing; `cuda_missing()` says what.
int cuda_device_count();
/// Why there is no GPU: a build without CUDA, no driver, no device. Empty if there is one.
std::string cuda_missing();

/// As for the CPU (tensor/allocator.h), for one device. Throws DeviceError if it is not there.
MemoryStats memory_stats(Device device, Where where = Where::current());
/// Lets tensors on `device` use at most `bytes` (0: no limit). Throws DeviceError.
void set_memory_limit(std::size_t bytes, Device device, Where where = Where::current());
/// Gives the cached blocks of `device` back to its driver. Throws DeviceError.
void release_cached_memory(Device device, Where where = Where::current());
/// Waits until all work that was given to `device` is done; errors that kernels found are thrown here too. Nothing to
/// do on the CPU. Throws DeviceError.
void synchronize(Device device, Where where = Where::current());

}  // namespace tapir
