// Memory of CUDA devices: a caching allocator for each, copies, and waiting. All work of a device is given to one
// stream, so a block that is given back may be used again at once: the next user works later in that stream.
#pragma once
#include <tapir/tensor/allocator.h>
#include <tapir/tensor/storage.h>

#include <string>

namespace tapir::cuda {

int device_count(std::string* why);
/// Makes it the device of this thread.
void use(Device device);
tapir::detail::Storage* new_storage(std::size_t bytes, Device device);
void copy(void* to, Device to_device, const void* from, Device from_device, std::size_t bytes);
void synchronize(Device device);
MemoryStats stats(Device device);
void set_limit(Device device, std::size_t bytes);
void release_cached(Device device);

}  // namespace tapir::cuda
