// Kernels at run time without a GPU: the machine's C++ compiler makes a library of the same text, in which blocks and
// threads are loops. TAPIR_DOUBLE_COMPILER names it; without it there is none. Where NVRTC is installed and
// TAPIR_DOUBLE_NVRTC is set, every text must also become a CUBIN for sm_80 and sm_90.
#include <tapir/backends/cuda/compiler.h>
#include <tapir/backends/cuda/nvrtc.h>
#include <tapir/backends/cuda/runtime.h>
#include <tapir/tensor/error.h>

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>

namespace tapir::cuda {
namespace {

namespace fs = std::filesystem;

// What NVRTC knows of itself, in place of <cmath>, which would take longer to compile than the kernel.
const char* const math_of_host = R"(
#define ONE(F) extern "C" double F(double); inline float F(float x) { return __builtin_##F##f(x); }
#define TWO(F) extern "C" double F(double, double); inline float F(float x, float y) { return __builtin_##F##f(x, y); }
ONE(fabs) ONE(floor) ONE(ceil) ONE(rint) ONE(round) ONE(trunc) ONE(sqrt) ONE(exp) ONE(exp2) ONE(expm1) ONE(log)
ONE(log2) ONE(log10) ONE(log1p) ONE(sin) ONE(cos) ONE(tan) ONE(asin) ONE(acos) ONE(atan) ONE(sinh) ONE(cosh)
ONE(tanh) ONE(asinh) ONE(acosh) ONE(atanh) ONE(erf) ONE(erfc) ONE(tgamma)
TWO(copysign) TWO(nextafter) TWO(atan2) TWO(hypot) TWO(pow) TWO(fmod)
extern "C" double lgamma_r(double, int*);
inline bool isfinite(double x) { return __builtin_isfinite(x); }
inline double __longlong_as_double(long long bits) { return __builtin_bit_cast(double, bits); }
)";

// A folder that is gone at the end of the scope.
struct Folder {
  fs::path path;
  Folder() {
    std::string name = (fs::temp_directory_path() / "tapir_double_XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

void write(const fs::path& file, const std::string& bytes) { std::ofstream(file, std::ios::binary) << bytes; }
std::string read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool nvrtc_takes(const std::string& text, std::string& log) {
  if (!std::getenv("TAPIR_DOUBLE_NVRTC") || nvrtc_missing()) return true;
  std::string image;
  for (int major : {8, 9})
    if (!nvrtc_compile(text, nvrtc_target(major, 0), image, log)) return false;
  return true;
}

}  // namespace

const char* compiler_missing() { return std::getenv("TAPIR_DOUBLE_COMPILER") ? nullptr : "there is none"; }
std::string compiler_target() { return "the host"; }

bool compile(const std::string& text, std::string& image, std::string& log) {
  std::string nvrtc_log;
  std::future<bool> by_nvrtc = std::async(std::launch::async, [&] { return nvrtc_takes(text, nvrtc_log); });
  const Folder at;
  write(at.path / "fused.cpp", math_of_host + text);
  const std::string command = std::string(std::getenv("TAPIR_DOUBLE_COMPILER")) + " -std=c++20 -w -shared -fPIC -o '" +
                              (at.path / "fused.so").string() + "' '" + (at.path / "fused.cpp").string() + "' 2> '" +
                              (at.path / "log").string() + "'";
  const bool good = std::system(command.c_str()) == 0;
  if (good) image = read(at.path / "fused.so");
  else log = read(at.path / "log");
  if (by_nvrtc.get()) return good;
  log = nvrtc_log;
  return false;
}

void* load_image(const std::string& image) {
  const Folder at;
  write(at.path / "fused.so", image);
  void* library = dlopen((at.path / "fused.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  return library ? dlsym(library, "tapir_fused") : nullptr;
}

void launch_fused(void* kernel, unsigned blocks, const FusedArgs& args) {
  if (blocks == 0 || blocks > 1 << 16) throw DeviceError("launch: CUDA says: invalid configuration argument.");
  struct Work {
    void (*run)(const FusedArgs&);
    FusedArgs args;  // a GPU gets a copy
  } work{reinterpret_cast<void (*)(const FusedArgs&)>(kernel), args};
  runtime().on_device([](void* p) { static_cast<Work*>(p)->run(static_cast<Work*>(p)->args); }, &work, sizeof work,
                      stream());
}

}  // namespace tapir::cuda
