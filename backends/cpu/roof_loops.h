// What machine_roof() times, compiled once for each instruction set.
#pragma once
#include <cstdint>

namespace tapir::cpu {

struct RoofLoops {
  static constexpr int lanes = 16, chains = 10;
  /// `rounds` multiply-adds on each lane of each chain, in registers. Gives their sum, so that none is left out.
  float (*multiply_adds)(std::int64_t rounds, float seed);
  /// a = b + 0.5 * c
  void (*triad)(float* a, const float* b, const float* c, std::int64_t n);
};

namespace v2 {
extern const RoofLoops roof_loops;
}
namespace v3 {
extern const RoofLoops roof_loops;
}
namespace v4 {
extern const RoofLoops roof_loops;
}

}  // namespace tapir::cpu
