// Sorting along an axis, every dtype. Always stable; NaN counts as larger than everything; -0 and 0 are equal.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {

struct SortOptions {
  std::int64_t axis = -1;
  bool descending = false;  ///< largest first; equal elements keep their order all the same
};

/// The elements of x in order along one axis. Throws ShapeError if the axis is out of range.
Tensor sort(const Tensor& x, SortOptions options = {}, Where where = Where::current());
/// The indices, i64, that sort x along one axis.
Tensor argsort(const Tensor& x, SortOptions options = {}, Where where = Where::current());

struct TopK {
  Tensor values;   ///< [..., k], largest first
  Tensor indices;  ///< [..., k], i64: where in the last dimension
};
/// The k largest along the last dimension, as tf.math.top_k: of equal elements the first. Gradients flow through
/// `values`. Throws ShapeError for a scalar or unless 0 <= k <= the last size.
TopK top_k(const Tensor& x, std::int64_t k, Where where = Where::current());

enum class Side : std::uint8_t { left, right };
struct SearchOptions {
  Side side = Side::left;  ///< left: sorted[i-1] < v <= sorted[i]; right: sorted[i-1] <= v < sorted[i]
};
/// For each of `values` the index, i64, at which it would go into `sorted` (rank 1, ascending) to keep the order.
/// Throws ShapeError unless `sorted` has rank 1, DTypeError unless the dtypes are the same.
Tensor searchsorted(const Tensor& sorted, const Tensor& values, SearchOptions options = {},
                    Where where = Where::current());

}  // namespace tapir
