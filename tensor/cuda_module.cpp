#include <tapir/tensor/cuda.h>
#include <tapir/tensor/cuda_module.h>
#include <tapir/tensor/device_scope.h>

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>

namespace tapir {
namespace detail {

const char cuda_module_anchor = 0;

namespace {

struct Loaded {
  const CudaModule* module = nullptr;
  std::string why;  // there is none
};

// Beside this library, else wherever the system looks. TAPIR_CUDA_LIBRARY names another file: the host double of the
// tests is one.
std::string path_of_module() {
  if (const char* named = std::getenv("TAPIR_CUDA_LIBRARY"); named && *named) return named;
  Dl_info here;
  if (dladdr(&cuda_module_anchor, &here) && here.dli_fname) {
    std::string path = here.dli_fname;
    path.erase(path.rfind('/') == std::string::npos ? 0 : path.rfind('/') + 1);
    path += "libtapir_cuda.so";
    if (access(path.c_str(), R_OK) == 0) return path;
  }
  return "libtapir_cuda.so";
}

Loaded load() {
  const std::string path = path_of_module();
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);  // never closed: tensors may outlive everything
  if (!library) {
    const char* error = dlerror();
    return {nullptr, "the CUDA backend could not be loaded (" + std::string(error ? error : path) +
                         "). Build with -Dcuda=enabled, or use Device::cpu()"};
  }
  auto entry = reinterpret_cast<const CudaModule* (*)()>(dlsym(library, cuda_module_entry));
  const CudaModule* module = entry ? entry() : nullptr;
  if (!module) return {nullptr, path + " is not tapir's CUDA backend. Unset TAPIR_CUDA_LIBRARY, or use Device::cpu()"};
  if (module->belongs_to != &cuda_module_anchor)
    return {nullptr, path +
                         " is linked with another libtapir than this program, perhaps the program links the archive. "
                         "Link the shared library, or use Device::cpu()"};
  return {module, ""};
}

const Loaded& loaded() {
  static const Loaded once = load();
  return once;
}

}  // namespace

const CudaModule& cuda_module(Device device, const char* op) {
  const Loaded& l = loaded();
  std::string why = l.why;
  const int count = l.module ? l.module->device_count(&why) : 0;
  if (device.index >= 0 && device.index < count) return *l.module;
  const std::string start = std::string(op) + ": " + device.str() + " is not there; ";
  if (count == 0) throw DeviceError(start + why + ".");
  throw DeviceError(start + "this machine has " + std::to_string(count) + " CUDA device" + (count > 1 ? "s" : "") +
                    ". Use " + Device::cuda(count - 1).str() + " or lower.");
}

Storage* new_storage(std::size_t bytes, Device device) {
  if (device.backend == Backend::cpu) return new_storage(bytes);
  return cuda_module(device, "allocate").new_storage(bytes, device);
}

}  // namespace detail

namespace {

[[gnu::tls_model("initial-exec")]] thread_local constinit Device innermost{};

}  // namespace

Device default_device() { return innermost; }
DeviceScope::DeviceScope(Device device, Where where) : outer_(innermost) {
  CallSite site(where);
  if (device.backend != Backend::cpu) detail::cuda_module(device, "DeviceScope");
  innermost = device;
}
DeviceScope::~DeviceScope() { innermost = outer_; }

int cuda_device_count() {
  std::string why;
  const detail::Loaded& l = detail::loaded();
  return l.module ? l.module->device_count(&why) : 0;
}
std::string cuda_missing() {
  std::string why = detail::loaded().why;
  if (detail::loaded().module) detail::loaded().module->device_count(&why);
  return why;
}

MemoryStats memory_stats(Device device, Where where) {
  CallSite site(where);
  return device.backend == Backend::cpu ? memory_stats() : detail::cuda_module(device, "memory_stats").stats(device);
}
void set_memory_limit(std::size_t bytes, Device device, Where where) {
  CallSite site(where);
  if (device.backend == Backend::cpu) return set_memory_limit(bytes);
  detail::cuda_module(device, "set_memory_limit").set_limit(device, bytes);
}
void release_cached_memory(Device device, Where where) {
  CallSite site(where);
  if (device.backend == Backend::cpu) return release_cached_memory();
  detail::cuda_module(device, "release_cached_memory").release_cached(device);
}
void synchronize(Device device, Where where) {
  CallSite site(where);
  if (device.backend != Backend::cpu) detail::cuda_module(device, "synchronize").synchronize(device);
}

}  // namespace tapir
