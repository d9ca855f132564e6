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
  /// The largest of each window of `rows` by `columns` pixels of y[rows, pixels, width], and its number in the window:
  /// the first of equals, and NaN over all others. Pooled pixel p is at best[p * ld] and winner[p * ld]; `winner` may
  /// be null.
  void (*max_pool)(const T* y, std::int64_t pixels, int rows, int columns, std::int64_t pooled, int vectors, T* best,
                   std::uint8_t* winner, std::int64_t ld);
  /// `forward` of two rows, a and b, and `max_pool` of their 2x2 windows at once.
  void (*forward_pooled)(const ConvRow& row, const T* a, const T* b, const T* panel, int vectors, std::int64_t pooled,
                         T* best, std::uint8_t* winner, std::int64_t ld);
  /// sum[t * width + j] += sum over pooled pixels p of table[(p * taps + t) * 4 + winner[p * ld + j]] * d[p * ld + j]:
  /// the kernel's gradient through 2x2 windows, where `table` holds the four inputs that a tap sees. Null where there
  /// is no such instruction.
  void (*pooled_gradient)(std::int64_t taps, std::int64_t pooled, const T* table, const T* d,
                          const std::uint8_t* winner, std::int64_t ld, int vectors, T* sum);
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
