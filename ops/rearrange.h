// Other orders and shapes of the same elements, diagonals and triangles; every dtype. Views where strides allow. They
// throw ShapeError for an axis out of range or named twice, and for ranks and sizes that do not fit.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {

/// Moves dimensions `from` to the places `to`; the others keep their order.
Tensor moveaxis(const Tensor& x, const Axes& from, const Axes& to, Where where = Where::current());
/// Exchanges two dimensions.
Tensor swapaxes(const Tensor& x, std::int64_t a, std::int64_t b, Where where = Where::current());
/// Exchanges the last two dimensions.
Tensor matrix_transpose(const Tensor& x, Where where = Where::current());
/// A new dimension of size 1 at `axis`; -1 puts it last.
Tensor expand_dims(const Tensor& x, std::int64_t axis, Where where = Where::current());
/// Without the named dimensions, which must have size 1; without all such if none is named.
Tensor squeeze(const Tensor& x, const Axes& axis = {}, Where where = Where::current());
/// All elements in row-major order: [size].
Tensor flatten(const Tensor& x, Where where = Where::current());
/// As flatten, by NumPy's name.
Tensor ravel(const Tensor& x, Where where = Where::current());
/// [N, H, W, C] to [N, H/b, W/b, b*b*C], as tf.nn.space_to_depth.
Tensor space_to_depth(const Tensor& x, std::int64_t block_size, Where where = Where::current());
/// [N, H, W, b*b*C] to [N, H*b, W*b, C], as tf.nn.depth_to_space.
Tensor depth_to_space(const Tensor& x, std::int64_t block_size, Where where = Where::current());

/// A vector as the k-th diagonal of a square matrix; of a matrix, its k-th diagonal. As np.diag.
Tensor diag(const Tensor& x, std::int64_t k = 0, Where where = Where::current());
/// The k-th diagonals of the last two dimensions: [..., n, m] to [..., d]. A view.
Tensor diagonal(const Tensor& x, std::int64_t k = 0, Where where = Where::current());
/// The last dimension as the k-th diagonal of matrices of zeros: [..., n] to [..., n + |k|, n + |k|].
Tensor diag_embed(const Tensor& x, std::int64_t k = 0, Where where = Where::current());
/// The last two dimensions with zeros above the k-th diagonal.
Tensor tril(const Tensor& x, std::int64_t k = 0, Where where = Where::current());
/// The last two dimensions with zeros below the k-th diagonal.
Tensor triu(const Tensor& x, std::int64_t k = 0, Where where = Where::current());

}  // namespace tapir
