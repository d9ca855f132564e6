// libFuzzer's program: TAPIR_FUZZ names the target. `./dev fuzz NAME` builds and runs it.
#include <tapir/tensor/allocator.h>
#include <tapir/test/fuzz/targets.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

const fuzz::Target& chosen() {
  static const std::vector<fuzz::Target> all = fuzz::targets();
  const char* name = std::getenv("TAPIR_FUZZ");
  for (auto& t : all)
    if (name && t.name == std::string(name)) return t;
  std::fprintf(stderr, "TAPIR_FUZZ must name one of:");
  for (auto& t : all) std::fprintf(stderr, " %s", t.name);
  std::fprintf(stderr, "\n");
  std::exit(2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::Target& target = chosen();
  static const bool limited = (tapir::set_memory_limit(std::size_t(1) << 30), true);
  (void)limited;
  target.run({reinterpret_cast<const char*>(data), size});
  return 0;
}

// HDF5 reads in a process of its own because it is known to crash: what it does wrong there is no finding, what our own
// code does is.
extern "C" const char* __asan_default_suppressions() { return "interceptor_via_lib:libhdf5"; }
