// The inner loops of depthwise convolutions: channels lie in SIMD lanes. One set for each instruction set.
#pragma once
#include <cstdint>

namespace tapir::cpu {

/// Where a tap reads: pixel p reads source[offset + p * step], with the weights (or sums) at `weight`.
struct DepthwiseTap {
  std::int64_t offset, weight;
};

template <class T>
struct DepthwiseKernels {
  /// out[p * out_step + c] = sum over taps of in[offset + p * in_step + c] * w[weight + c], for p < pixels, c <
  /// channels.
  void (*apply)(const DepthwiseTap* taps, std::int64_t count, std::int64_t pixels, std::int64_t channels, const T* in,
                std::int64_t in_step, const T* w, T* out, std::int64_t out_step);
  /// sum[weight + c] += sum over p of x[offset + p * x_step + c] * dy[p * dy_step + c], for each tap.
  void (*sum)(const DepthwiseTap* taps, std::int64_t count, std::int64_t pixels, std::int64_t channels, const T* x,
              std::int64_t x_step, const T* dy, std::int64_t dy_step, T* sum);
};
struct DepthwiseTable {
  DepthwiseKernels<float> f32;
  DepthwiseKernels<double> f64;
};
namespace v2 {
extern const DepthwiseTable depthwise_loops;
}
namespace v3 {
extern const DepthwiseTable depthwise_loops;
}
namespace v4 {
extern const DepthwiseTable depthwise_loops;
}

}  // namespace tapir::cpu
