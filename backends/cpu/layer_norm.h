// Rows of layer and root mean square normalisation, which each instruction set provides.
#pragma once
#include <cmath>
#include <cstdint>

namespace tapir::cpu {

/// What normalises a row: (x - centre) * factor + rest.
template <class T>
struct RowNormal {
  T centre, factor, rest;
};
/// The mean of a row, or of a piece of one, and the sum of squared distances from it. An rms norm has mean 0.
struct RowMoments {
  double mean, squares;
};
// static, so that no instruction set's version serves another's.
template <class T>
static inline RowNormal<T> row_normal(const RowMoments& m, std::int64_t n, double epsilon) {
  const T centre = T(m.mean);
  const double factor = 1 / std::sqrt(m.squares / double(n) + epsilon);
  return {centre, T(factor), T((double(centre) - m.mean) * factor)};
}
/// The sums of d * normed x and of d over a row, where d = dy * scale.
struct RowProducts {
  double normed, plain;
};

/// x, y, dy, dx: [rows, n], dense; scale, offset: [groups, n], of which row r has part r % groups. An rms norm has no
/// offset, nor its gradient.
template <class T>
struct LayerNormLoopsOf {
  /// `rows` rows from number `first` on. A row stays in cache between its passes.
  void (*forward)(const T* x, const T* scale, const T* offset, double epsilon, std::int64_t first, std::int64_t rows,
                  std::int64_t n, std::int64_t groups, T* y);
  /// dscale, doffset: the sums over the rows are added; `work` has room for 2 n groups.
  void (*gradient)(const T* x, const T* scale, const T* dy, double epsilon, std::int64_t first, std::int64_t rows,
                   std::int64_t n, std::int64_t groups, T* dx, double* dscale, double* doffset, T* work);

  // The passes of these over a piece of n elements, for rows that threads share.
  RowMoments (*moments)(const T* x, std::int64_t n);
  void (*apply)(const T* x, const T* scale, const T* offset, const RowNormal<T>& normal, std::int64_t n, T* y);
  RowProducts (*products)(const T* x, const T* scale, const T* dy, const RowNormal<T>& normal, std::int64_t n);
  /// `means`: the products divided by the size of the row. Adds to of_scale and of_offset, [n].
  void (*mix)(const T* x, const T* scale, const T* dy, const RowNormal<T>& normal, RowProducts means, std::int64_t n,
              T* dx, T* of_scale, T* of_offset);
};
struct LayerNormLoops {
  LayerNormLoopsOf<float> layer_f32, rms_f32;
  LayerNormLoopsOf<double> layer_f64, rms_f64;
};

namespace v2 {
extern const LayerNormLoops layer_norm_loops;
}
namespace v3 {
extern const LayerNormLoops layer_norm_loops;
}
namespace v4 {
extern const LayerNormLoops layer_norm_loops;
}

}  // namespace tapir::cpu
