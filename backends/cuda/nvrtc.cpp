#include <tapir/backends/cuda/nvrtc.h>

#include <dlfcn.h>

#include <type_traits>
#include <vector>

namespace tapir::cuda {
namespace {

// The functions of nvrtc.h that are needed here; 0 is success.
using Program = void*;
struct Nvrtc {
  int (*version)(int* major, int* minor) = nullptr;
  int (*arch_count)(int* count) = nullptr;
  int (*archs)(int* list) = nullptr;
  int (*create)(Program*, const char* source, const char* name, int headers, const char* const* texts,
                const char* const* names) = nullptr;
  int (*compile)(Program, int count, const char* const* options) = nullptr;
  int (*log_size)(Program, std::size_t*) = nullptr;
  int (*log)(Program, char*) = nullptr;
  int (*cubin_size)(Program, std::size_t*) = nullptr;
  int (*cubin)(Program, char*) = nullptr;
  int (*ptx_size)(Program, std::size_t*) = nullptr;
  int (*ptx)(Program, char*) = nullptr;
  int (*destroy)(Program*) = nullptr;
  std::string why;

  Nvrtc() {
    void* library = nullptr;
    for (const char* path : {"libnvrtc.so.13", "libnvrtc.so.12", "/usr/local/cuda/lib64/libnvrtc.so"})
      if (!library) library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      why = "libnvrtc could not be loaded";
      return;
    }
    auto find = [&](auto& to, const char* symbol) {
      to = reinterpret_cast<std::remove_reference_t<decltype(to)>>(dlsym(library, symbol));
      if (!to) why = std::string("libnvrtc has no ") + symbol;
    };
    find(version, "nvrtcVersion"), find(arch_count, "nvrtcGetNumSupportedArchs");
    find(archs, "nvrtcGetSupportedArchs"), find(create, "nvrtcCreateProgram"), find(compile, "nvrtcCompileProgram");
    find(log_size, "nvrtcGetProgramLogSize"), find(log, "nvrtcGetProgramLog"), find(cubin_size, "nvrtcGetCUBINSize");
    find(cubin, "nvrtcGetCUBIN"), find(ptx_size, "nvrtcGetPTXSize"), find(ptx, "nvrtcGetPTX");
    find(destroy, "nvrtcDestroyProgram");
  }
};
const Nvrtc& nvrtc() {
  static const auto* n = new Nvrtc;
  return *n;
}

// What the pair of functions (size, bytes) gives.
std::string bytes_of(Program p, int (*size_of)(Program, std::size_t*), int (*get)(Program, char*)) {
  std::size_t size = 0;
  if (size_of(p, &size) != 0 || size == 0) return "";
  std::string bytes(size, '\0');
  if (get(p, bytes.data()) != 0) bytes.clear();
  return bytes;
}

}  // namespace

const char* nvrtc_missing() { return nvrtc().why.empty() ? nullptr : nvrtc().why.c_str(); }

std::string nvrtc_version() {
  int major = 0, minor = 0;
  nvrtc().version(&major, &minor);
  return "NVRTC " + std::to_string(major) + "." + std::to_string(minor);
}

std::string nvrtc_target(int major, int minor) {
  int count = 0, best = 0;
  if (nvrtc().arch_count(&count) != 0 || count <= 0) return "";
  std::vector<int> known(static_cast<std::size_t>(count));
  if (nvrtc().archs(known.data()) != 0) return "";
  const int wanted = 10 * major + minor;
  for (int a : known)
    if (a <= wanted && a > best) best = a;
  if (best == 0) return "";
  return (best == wanted ? "sm_" : "compute_") + std::to_string(best);
}

bool nvrtc_compile(const std::string& text, const std::string& target, std::string& image, std::string& log) {
  const Nvrtc& n = nvrtc();
  Program p = nullptr;
  if (n.create(&p, text.c_str(), "fused.cu", 0, nullptr, nullptr) != 0) {
    log = "nvrtcCreateProgram failed";
    return false;
  }
  const std::string arch = "-arch=" + target;
  const char* options[] = {arch.c_str(), "-std=c++20", "-default-device", "-w"};
  const bool good = n.compile(p, 4, options) == 0;
  if (!good) log = bytes_of(p, n.log_size, n.log);
  else if (target.starts_with("sm_")) image = bytes_of(p, n.cubin_size, n.cubin);
  else image = bytes_of(p, n.ptx_size, n.ptx);
  n.destroy(&p);
  return good && !image.empty();
}

}  // namespace tapir::cuda
