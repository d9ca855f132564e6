// The inner loops of own convolutions along one row of output pixels, one set for each instruction set. Output channels
// lie in SIMD lanes: a panel is `lanes` or 2 * `lanes` of them; input values are broadcast. What surrounds the rows
// (padding, threads, sums of sums) is in conv_small_channels.cpp.
#pragma once
#include <cstdint>

namespace tapir::cpu {

/// One row: pixel p reads x[offsets[t] + p * step] for each tap t (taps are [KH, KW, C]).
struct ConvRow {
  std::int64_t taps, pixels, step;
  const std::int64_t* offsets;
};

template <class T>
struct ConvRowKernels {
  std::int64_t lanes;
  /// y[p * ldy + j] = sum over t of x(p, t) * panel[t * width + j], width = vectors * lanes, vectors 1 or 2.
  void (*forward)(const ConvRow& row, const T* x, const T* panel, int vectors, T* y, std::int64_t ldy);
  /// sum[t * width + j] += sum over p of x(p, t) * dy[p * ldy + j].
  void (*kernel_gradient)(const ConvRow& row, const T* x, const T* dy, std::int64_t ldy, int vectors, T* sum);
};
struct ConvRowTable {
  ConvRowKernels<float> f32;
  ConvRowKernels<double> f64;
};
namespace v2 {
extern const ConvRowTable conv_rows;
}
namespace v3 {
extern const ConvRowTable conv_rows;
}
namespace v4 {
extern const ConvRowTable conv_rows;
}

}  // namespace tapir::cpu
