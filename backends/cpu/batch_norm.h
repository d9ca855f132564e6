// Loops over [rows, columns] with one statistic a column, which each instruction set provides.
#pragma once
#include <cstdint>

namespace tapir::cpu {

/// Sums are taken in f32 over 64 rows and join in f64. All arrays are dense; coefficients have `columns` elements.
template <class T>
struct BatchNormLoopsOf {
  /// The mean, and the sum of squared distances from it, of each column. Reads x once.
  void (*moments)(const T* x, std::int64_t rows, std::int64_t columns, double* mean, double* squares);
  /// Adds the moments of m more rows to those of n rows (Chan et al. 1979).
  void (*merge)(double* mean, double* squares, std::int64_t n, const double* mean_m, const double* squares_m,
                std::int64_t m, std::int64_t columns);
  /// y = (x - centre) * factor + offset
  void (*scale)(const T* x, const T* centre, const T* factor, const T* offset, std::int64_t rows, std::int64_t columns,
                T* y);
  /// Of each column: the sums of dy and of dy * (x - centre).
  void (*sums)(const T* x, const T* dy, const T* centre, std::int64_t rows, std::int64_t columns, double* dy_sum,
               double* product_sum);
  /// dx = dy * of_dy + (x - centre) * of_x + offset
  void (*mix)(const T* x, const T* dy, const T* centre, const T* of_dy, const T* of_x, const T* offset,
              std::int64_t rows, std::int64_t columns, T* dx);
};
struct BatchNormLoops {
  BatchNormLoopsOf<float> f32;
  BatchNormLoopsOf<double> f64;
};

namespace v2 {
extern const BatchNormLoops batch_norm_loops;
}
namespace v3 {
extern const BatchNormLoops batch_norm_loops;
}
namespace v4 {
extern const BatchNormLoops batch_norm_loops;
}

}  // namespace tapir::cpu
