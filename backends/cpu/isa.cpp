#include <tapir/backends/cpu/isa.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <initializer_list>

namespace tapir::cpu {

const char* name_of(Isa isa) { return isa == Isa::v4 ? "v4" : isa == Isa::v3 ? "v3" : "v2"; }

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0)
      if (auto at = line.find(": "); at != std::string::npos) return line.substr(at + 2);
  return "unknown CPU";
}

// clang knows levels by name from 18 on; processors with these features have the rest of a level too.
#if defined(__clang__) && __clang_major__ < 18
#define TAPIR_HAS(feature) (__builtin_cpu_supports(feature) != 0)
static bool has_v3() { return TAPIR_HAS("avx2") && TAPIR_HAS("fma") && TAPIR_HAS("bmi") && TAPIR_HAS("bmi2"); }
static bool has_v4() {
  return has_v3() && TAPIR_HAS("avx512f") && TAPIR_HAS("avx512bw") && TAPIR_HAS("avx512cd") && TAPIR_HAS("avx512dq") &&
         TAPIR_HAS("avx512vl");
}
#else
static bool has_v3() { return __builtin_cpu_supports("x86-64-v3"); }
static bool has_v4() { return __builtin_cpu_supports("x86-64-v4"); }
#endif

Isa processor_isa() {
  __builtin_cpu_init();
  return has_v4() ? Isa::v4 : has_v3() ? Isa::v3 : Isa::v2;
}

static Isa decide() {
  const Isa best = std::min(processor_isa(), Isa(TAPIR_TOP_ISA - 2));
  const char* asked = std::getenv("TAPIR_ISA");
  if (!asked || !*asked) return best;
  for (Isa i : {Isa::v2, Isa::v3, Isa::v4})
    if (!std::strcmp(asked, name_of(i)) && i <= best) return i;
  std::fprintf(stderr, "tapir: TAPIR_ISA=%s is not to be had here; using %s (v2, v3 and v4 are known).\n", asked,
               name_of(best));
  return best;
}

Isa isa() {
  static const Isa chosen = decide();
  return chosen;
}

}  // namespace tapir::cpu
