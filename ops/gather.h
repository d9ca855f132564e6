// Picking elements by index, and putting them back: take, gather_nd, scatter_nd, boolean_mask, one_hot, nonzero.
// Elements are of any dtype. Indices are any integer dtype; negative ones count from the end. They throw UsageError for
// an index out of range, DTypeError for indices that are no integers, ShapeError for shapes that do not fit.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {

/// Rows of x along `axis`: result shape x.shape[:axis] + indices.shape + x.shape[axis+1:].
Tensor take(const Tensor& x, const Tensor& indices, int axis = 0, Where where = Where::current());
/// out[i][j][k] = x[i][indices[i][j][k]][k] for axis 1: as NumPy. Other dimensions broadcast.
Tensor take_along_axis(const Tensor& x, const Tensor& indices, int axis = -1, Where where = Where::current());
/// x at the places that the last dimension of `indices` names: indices [..., k] -> [..., x.shape[k:]]. As tf.gather_nd.
Tensor gather_nd(const Tensor& x, const Tensor& indices, Where where = Where::current());
/// Zeros of `shape` with `updates` added at `indices` [..., k]; duplicates add up. As tf.scatter_nd.
Tensor scatter_nd(const Tensor& indices, const Tensor& updates, const Shape& shape, Where where = Where::current());
/// x with `updates` added at `indices`; duplicates add up.
Tensor tensor_scatter_add(const Tensor& x, const Tensor& indices, const Tensor& updates,
                          Where where = Where::current());
/// x with `updates` put at `indices`; of duplicates the last one stays (each gets its gradient).
Tensor tensor_scatter_update(const Tensor& x, const Tensor& indices, const Tensor& updates,
                             Where where = Where::current());
/// The smaller of x and `updates` at `indices`. Values that tie share the gradient.
Tensor tensor_scatter_min(const Tensor& x, const Tensor& indices, const Tensor& updates,
                          Where where = Where::current());
/// The larger of x and `updates` at `indices`; otherwise as tensor_scatter_min.
Tensor tensor_scatter_max(const Tensor& x, const Tensor& indices, const Tensor& updates,
                          Where where = Where::current());
/// The elements of x where `mask` (bool, the shape of x's first dimensions) is true: [count, x.shape[mask.rank:]].
/// The result's shape depends on the data, so it cannot be traced.
Tensor boolean_mask(const Tensor& x, const Tensor& mask, Where where = Where::current());
/// For each dimension of x the i64 indices of its elements that are not zero, row-major. Cannot be traced.
std::vector<Tensor> nonzero(const Tensor& x, Where where = Where::current());

struct OneHotOptions {
  double on_value = 1, off_value = 0;
  int axis = -1;  ///< where the new dimension goes
  DType dtype = DType::f32;
};
/// A new dimension of size `depth` that is `on_value` at the index and `off_value` elsewhere, as everywhere for an
/// index out of range.
Tensor one_hot(const Tensor& indices, std::int64_t depth, OneHotOptions options = {}, Where where = Where::current());
/// Rows of `table` [n, ...] by integer `ids` of any shape: take(table, ids, 0), except that an id below 0 throws too.
Tensor embedding_lookup(const Tensor& table, const Tensor& ids, Where where = Where::current());

// For operations and backends.

/// The row-major place of `indices` [..., dims.rank()] in a tensor of shape `dims`, i64 [...]. Checks ranges.
Tensor flat_index(const Tensor& indices, const Shape& dims, Where where = Where::current());

}  // namespace tapir
