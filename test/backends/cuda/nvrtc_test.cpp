// The texts of all elementwise functors and their derivatives, compiled by NVRTC to PTX: what a fused kernel will be
// made of. NVRTC needs no GPU. Without libnvrtc the test is skipped (77), and counted so.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <vector>

namespace {

// The functions of nvrtc.h that are needed here.
using Program = void*;
struct Nvrtc {
  int (*create)(Program*, const char* source, const char* name, int headers, const char* const* texts,
                const char* const* names) = nullptr;
  int (*add_name)(Program, const char* expression) = nullptr;
  int (*compile)(Program, int count, const char* const* options) = nullptr;
  int (*log_size)(Program, std::size_t*) = nullptr;
  int (*log)(Program, char*) = nullptr;
  int (*ptx_size)(Program, std::size_t*) = nullptr;
  int (*ptx)(Program, char*) = nullptr;
  int (*lowered)(Program, const char* expression, const char** name) = nullptr;
  int (*destroy)(Program*) = nullptr;

  bool load() {
    void* library = nullptr;
    for (const char* path : {"libnvrtc.so.13", "libnvrtc.so.12", "/usr/local/cuda/lib64/libnvrtc.so"})
      if (!library) library = dlopen(path, RTLD_NOW);
    if (!library) return false;
    auto find = [&](auto& to, const char* symbol) {
      to = reinterpret_cast<std::remove_reference_t<decltype(to)>>(dlsym(library, symbol));
      return to != nullptr;
    };
    return find(create, "nvrtcCreateProgram") && find(add_name, "nvrtcAddNameExpression") &&
           find(compile, "nvrtcCompileProgram") && find(log_size, "nvrtcGetProgramLogSize") &&
           find(log, "nvrtcGetProgramLog") && find(ptx_size, "nvrtcGetPTXSize") && find(ptx, "nvrtcGetPTX") &&
           find(lowered, "nvrtcGetLoweredName") && find(destroy, "nvrtcDestroyProgram");
  }
};

std::string read(const std::string& path) {
  std::ifstream in(path);
  if (!in) std::fprintf(stderr, "%s cannot be read\n", path.c_str()), std::exit(1);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A header without its includes; they follow one another in the right order.
std::string text_of(const std::string& path) {
  return std::regex_replace(read(path), std::regex("#(include[^\n]*|pragma once|define TAPIR_ISA[^\n]*)\n"), "\n");
}

// The functors that `using NameOps = TypeList<...>` lists.
std::vector<std::string> listed(const std::string& text) {
  std::vector<std::string> names;
  const std::regex list("using (\\w+Ops) =\\s*TypeList<([^;]*)>;"), word("\\w+");
  for (std::sregex_iterator l(text.begin(), text.end(), list), end; l != end; ++l) {
    const std::string inside = (*l)[2];
    for (std::sregex_iterator w(inside.begin(), inside.end(), word); w != end; ++w) names.push_back(w->str());
  }
  return names;
}

constexpr const char* kKernel = R"(
namespace tapir {
class Tensor {};
template <class F, class T>
__global__ void each(F f, const T* a, const T* b, const T* c, const T* d, const T* e, void* out, long n) {
  using L = cpu::gpu::Lane<T>;
  const long i = long(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= n) return;
  auto put = [&](auto v) {
    if constexpr (std::is_same_v<decltype(v), bool>) static_cast<bool*>(out)[i] = v;
    else static_cast<T*>(out)[i] = v.v;
  };
  if constexpr (F::first_is_bool) put(f.value(cpu::gpu::Lane<bool>(a[i] != T(0)), L(b[i]), L(c[i])));
  else if constexpr (F::arity == 1) put(f.value(L(a[i])));
  else if constexpr (F::arity == 2) put(f.value(L(a[i]), L(b[i])));
  else if constexpr (F::arity == 3) put(f.value(L(a[i]), L(b[i]), L(c[i])));
  else if constexpr (F::arity == 4) put(f.value(L(a[i]), L(b[i]), L(c[i]), L(d[i])));
  else put(f.value(L(a[i]), L(b[i]), L(c[i]), L(d[i]), L(e[i])));
}
}
)";

bool compiles(const Nvrtc& rtc, const std::string& source, const std::vector<std::string>& kernels, const char* arch) {
  Program program = nullptr;
  if (rtc.create(&program, source.c_str(), "functors.cu", 0, nullptr, nullptr) != 0) return false;
  for (auto& k : kernels) rtc.add_name(program, k.c_str());
  const char* options[] = {arch, "-std=c++20", "-default-device"};
  const int status = rtc.compile(program, 3, options);
  std::size_t size = 0;
  if (status != 0 && rtc.log_size(program, &size) == 0) {
    std::string log(size, ' ');
    rtc.log(program, log.data());
    std::fprintf(stderr, "%s: %.6000s\n", arch, log.c_str());
  }
  bool good = status == 0;
  std::string ptx;
  if (good && rtc.ptx_size(program, &size) == 0) {
    ptx.resize(size);
    rtc.ptx(program, ptx.data());
  }
  for (auto& k : kernels) {
    const char* name = nullptr;
    const bool there = good && rtc.lowered(program, k.c_str(), &name) == 0 && ptx.find(name) != std::string::npos;
    if (good && !there) std::fprintf(stderr, "%s: no PTX for %s\n", arch, k.c_str());
    good &= there;
  }
  rtc.destroy(&program);
  return good;
}

}  // namespace

int main() {
  Nvrtc rtc;
  if (!rtc.load()) {
    std::puts("skipped: there is no libnvrtc");
    return 77;
  }
  const char* root = std::getenv("TAPIR_SOURCE_DIR");
  const std::string base = root ? std::string(root) + "/" : "";
  std::string source = read(base + "backends/cuda/nvrtc_prelude.h");
  for (const char* header : {"tensor/host_device.h", "ops/saves.h", "ops/functors/scalar_math.h", "backends/cpu/lane.h",
                             "backends/cuda/number.h", "ops/functors/functor.h"})
    source += text_of(base + header);
  std::vector<std::string> floats, integers;
  for (const char* family : {"arithmetic", "activation", "math", "compare"}) {
    const std::string text = text_of(base + "ops/functors/" + family + ".h");
    source += text;
    for (auto& name : listed(text)) {
      const std::string f = "tapir::vmath::fn::" + name;
      const bool bits = name.starts_with("Logical") || name.starts_with("Bitwise");
      (bits ? integers : floats).push_back(f);
      const std::size_t at = text.find("struct " + name + " "), end = text.find("\n};", at);
      const std::string body = text.substr(at, end - at);
      for (auto [method, wrapper] : {std::pair{" grad(", "Grad"}, std::pair{" grad_a(", "GradA"},
                                     std::pair{" grad_b(", "GradB"}, std::pair{" grad_c(", "GradC"}})
        if (body.find(method) != std::string::npos)
          floats.push_back("tapir::vmath::fn::" + std::string(wrapper) + "<" + f + ">");
    }
  }
  source += kKernel;
  std::vector<std::string> kernels;
  for (auto& f : floats)
    for (const char* t : {"float", "double"}) kernels.push_back("tapir::each<" + f + ", " + t + ">");
  for (auto& f : integers)
    kernels.push_back("tapir::each<" + f + (f.find("Logical") != std::string::npos ? ", bool>" : ", int>"));
  if (floats.size() < 100 || integers.size() < 10) {
    std::fprintf(stderr, "only %zu and %zu functors were found\n", floats.size(), integers.size());
    return 1;
  }
  for (const char* arch : {"-arch=compute_80", "-arch=compute_90"})
    if (!compiles(rtc, source, kernels, arch)) return 1;
  std::printf("%zu kernels for compute_80 and compute_90\n", kernels.size());
}
