// Reductions over axes. They throw ShapeError if an axis is out of range or named twice. Halves are computed in f32,
// and no result depends on the number of threads.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {

struct ReduceOptions {
  Axes axis = {};         ///< empty: all axes
  bool keepdims = false;  ///< keep reduced axes with size 1
};
struct VarianceOptions {
  Axes axis = {};
  bool keepdims = false;
  double correction = 0;  ///< divides by n - correction: 0 for a population, 1 for a sample
};
struct NormOptions {
  Axes axis = {};
  bool keepdims = false;
  double ord = 2;  ///< 1, 2, any p > 0, or plus or minus infinity
};

/// Sums `x` over `axis`; 0 where there is nothing. f32 accumulates in blocks that join in f64. Integers keep their
/// dtype and wrap around, as in TensorFlow (widen first: `sum(x.astype(DType::i64))`); bool counts in i64.
Tensor sum(const Tensor& x, ReduceOptions options = {}, Where where = Where::current());
/// Multiplies over `axis`; 1 where there is nothing. dtypes as `sum`. The gradient is right where elements are zero.
Tensor prod(const Tensor& x, ReduceOptions options = {}, Where where = Where::current());
/// The arithmetic mean over `axis`; floating dtypes. NaN over an empty axis.
Tensor mean(const Tensor& x, ReduceOptions options = {}, Where where = Where::current());
/// The mean squared distance from the mean over `axis`; floating dtypes. NaN or infinite if n <= correction.
Tensor var(const Tensor& x, VarianceOptions options = {}, Where where = Where::current());
/// The square root of `var` (`std` of the array API, whose name C++ has taken). Its gradient is 0 where the variance
/// is.
Tensor stddev(const Tensor& x, VarianceOptions options = {}, Where where = Where::current());
/// The smallest element over `axis`; numeric dtypes; NaN if any is NaN. Elements that are equally small share the
/// gradient equally, as in TensorFlow. Throws ShapeError over an empty axis.
Tensor min(const Tensor& x, ReduceOptions options = {}, Where where = Where::current());
/// The largest element over `axis`; otherwise as `min`.
Tensor max(const Tensor& x, ReduceOptions options = {}, Where where = Where::current());
/// The index, i64, of the first smallest element along one axis, or of the flattened tensor if no axis is given. The
/// first NaN counts as smallest, as in NumPy. Throws ShapeError if there is nothing to choose from.
Tensor argmin(const Tensor& x, ReduceOptions options = {}, Where where = Where::current());
/// The index, i64, of the first largest element; otherwise as `argmin`.
Tensor argmax(const Tensor& x, ReduceOptions options = {}, Where where = Where::current());
/// Is any element over `axis` not zero? Every dtype, NaN is not zero; the result is bool, false where there is nothing.
Tensor any(const Tensor& x, ReduceOptions options = {}, Where where = Where::current());
/// Are all elements over `axis` not zero? True where there is nothing.
Tensor all(const Tensor& x, ReduceOptions options = {}, Where where = Where::current());
/// How many elements over `axis` are not zero, i64; every dtype.
Tensor count_nonzero(const Tensor& x, ReduceOptions options = {}, Where where = Where::current());
/// The vector norm (sum |x|^ord)^(1/ord) over `axis`, the flattened tensor if none is given; floating dtypes. The
/// gradient is 0 at x = 0. Throws UsageError unless ord > 0 or -infinity.
Tensor norm(const Tensor& x, NormOptions options = {}, Where where = Where::current());

}  // namespace tapir
