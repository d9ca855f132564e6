// Rows of layer and root mean square normalisation, which each instruction set provides.
#pragma once
#include <cstdint>

namespace tapir::cpu {

/// x, y, dy, dx: [rows, n], dense; scale, offset: [n]. A row stays in cache between its passes. An rms norm has no
/// offset, nor its gradient.
template <class T>
struct LayerNormRowsOf {
  void (*layer)(const T* x, const T* scale, const T* offset, double epsilon, std::int64_t rows, std::int64_t n, T* y);
  void (*rms)(const T* x, const T* scale, const T* offset, double epsilon, std::int64_t rows, std::int64_t n, T* y);
  /// dscale, doffset: the sums over the rows; `work` has room for 2 n.
  using Grad = void (*)(const T* x, const T* scale, const T* dy, double epsilon, std::int64_t rows, std::int64_t n,
                        T* dx, double* dscale, double* doffset, T* work);
  Grad layer_grad, rms_grad;
};
struct LayerNormRows {
  LayerNormRowsOf<float> f32;
  LayerNormRowsOf<double> f64;
};

namespace v2 {
extern const LayerNormRows layer_norm_rows;
}
namespace v3 {
extern const LayerNormRows layer_norm_rows;
}
namespace v4 {
extern const LayerNormRows layer_norm_rows;
}

}  // namespace tapir::cpu
