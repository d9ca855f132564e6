// The real one: NVRTC makes images, the driver loads and launches them. libcuda.so.1 is loaded at the first use, for
// machines without a driver have none.
#include <tapir/backends/cuda/compiler.h>
#include <tapir/backends/cuda/nvrtc.h>
#include <tapir/backends/cuda/runtime.h>
#include <tapir/backends/cuda/scratch.h>
#include <tapir/tensor/error.h>

#include <cuda.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>

namespace tapir::cuda {
namespace {

struct Driver {
  decltype(&cuModuleLoadData) load = nullptr;
  decltype(&cuModuleGetFunction) function = nullptr;
  decltype(&cuLaunchKernel) launch = nullptr;
  decltype(&cuGetErrorString) error = nullptr;
  std::string why;

  Driver() {
    void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      why = "libcuda.so.1 could not be loaded";
      return;
    }
    auto find = [&](auto& to, const char* symbol) {
      to = reinterpret_cast<std::remove_reference_t<decltype(to)>>(dlsym(library, symbol));
      if (!to) why = std::string("libcuda.so.1 has no ") + symbol;
    };
    find(load, "cuModuleLoadData"), find(function, "cuModuleGetFunction"), find(launch, "cuLaunchKernel");
    find(error, "cuGetErrorString");
  }
};
const Driver& driver() {
  static const auto* d = new Driver;
  return *d;
}

std::string target() {
  int major = 0, minor = 0;
  const int device = current_device();
  check(int(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device)), "device");
  check(int(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device)), "device");
  return nvrtc_target(major, minor);
}

}  // namespace

const char* compiler_missing() {
  if (const char* why = nvrtc_missing()) return why;
  return driver().why.empty() ? nullptr : driver().why.c_str();
}

std::string compiler_target() { return nvrtc_version() + ", " + target(); }

bool compile(const std::string& text, std::string& image, std::string& log) {
  const std::string t = target();
  if (t.empty()) return log = "it knows no architecture as old as this device", false;
  return nvrtc_compile(text, t, image, log);
}

void* load_image(const std::string& image) {
  stream();  // the runtime makes the device's context the current one
  CUmodule module = nullptr;
  CUfunction function = nullptr;
  if (driver().load(&module, image.c_str()) != CUDA_SUCCESS) return nullptr;
  if (driver().function(&function, module, "tapir_fused") != CUDA_SUCCESS) return nullptr;
  return function;
}

void launch_fused(void* kernel, unsigned blocks, const FusedArgs& args) {
  void* parameters[] = {const_cast<FusedArgs*>(&args)};
  const CUresult error = driver().launch(static_cast<CUfunction>(kernel), blocks, 1, 1, kFusedThreads, 1, 1, 0,
                                         static_cast<CUstream>(stream()), parameters, nullptr);
  if (error == CUDA_SUCCESS) return;
  const char* text = nullptr;
  driver().error(error, &text);
  throw DeviceError(std::string("launch: CUDA says: ") + (text ? text : "unknown error") + ".");
}

}  // namespace tapir::cuda
