#include <tapir/backends/cpu/roof_loops.h>

namespace tapir::cpu::TAPIR_ISA {

static float multiply_adds(std::int64_t rounds, float seed) {
  float acc[RoofLoops::chains][RoofLoops::lanes];
  for (auto& chain : acc)
    for (auto& v : chain) v = seed;
  for (std::int64_t r = 0; r < rounds; ++r)
    for (auto& chain : acc)
      for (auto& v : chain) v = v * 0.999f + seed;
  float sum = 0;
  for (auto& chain : acc)
    for (float v : chain) sum += v;
  return sum;
}

static void triad(float* a, const float* b, const float* c, std::int64_t n) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) a[i] = b[i] + 0.5f * c[i];
}

const RoofLoops roof_loops = {multiply_adds, triad};

}  // namespace tapir::cpu::TAPIR_ISA
