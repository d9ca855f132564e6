#include <tapir/backends/cpu/isa.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace tapir::cpu {

const char* name_of(Isa isa) { return isa == Isa::v4 ? "v4" : isa == Isa::v3 ? "v3" : "v2"; }

static Isa decide() {
  __builtin_cpu_init();
  Isa best = __builtin_cpu_supports("x86-64-v4") ? Isa::v4 : __builtin_cpu_supports("x86-64-v3") ? Isa::v3 : Isa::v2;
  best = std::min(best, Isa(TAPIR_TOP_ISA - 2));
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
