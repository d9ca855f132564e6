// The inner loops of random numbers, compiled for each instruction set.
#pragma once
#include <tapir/ops/philox.h>

namespace tapir::cpu {

struct RandomFns {
  /// The words of `groups` groups of 64, in the order of ops/philox.h.
  void (*words)(const random::PhiloxKey& key, std::uint64_t first_group, std::int64_t groups, std::uint32_t* out);
  /// Box and Muller: 64 normals from each group of 64 words.
  void (*normals)(const std::uint32_t* words, std::int64_t groups, float mean, float stddev, float* out);
  /// Uniform in [low, high).
  void (*uniforms)(const std::uint32_t* words, std::int64_t n, float low, float high, float below, float* out);
  /// x * scale where the word is at least `threshold`, else 0.
  void (*keep)(const std::uint32_t* words, const float* x, std::int64_t n, std::uint32_t threshold, float scale,
               float* out);
};

namespace v2 {
extern const RandomFns random_fns;
}
namespace v3 {
extern const RandomFns random_fns;
}
namespace v4 {
extern const RandomFns random_fns;
}

}  // namespace tapir::cpu
