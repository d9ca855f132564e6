// Changing shape, order and dtype, of every dtype. What can be a view is one: no data moves, no memory is taken.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {

/// The same elements in row-major order as `shape`; one size may be -1 and is worked out. A view where strides allow,
/// else a copy. Throws ShapeError if the counts differ.
Tensor reshape(const Tensor& x, const Shape& shape, Where where = Where::current());
/// Reorders the dimensions: result dimension i is dimension axes[i] of x. A view. Throws ShapeError unless each
/// dimension is named once.
Tensor permute_dims(const Tensor& x, const Axes& axes, Where where = Where::current());
/// x broadcast to `shape` as NumPy does. A view. Throws ShapeError if it does not fit.
Tensor broadcast_to(const Tensor& x, const Shape& shape, Where where = Where::current());
/// x itself if it is dense and row-major, else a dense copy.
Tensor contiguous(const Tensor& x, Where where = Where::current());
/// x cast to `dtype`; x itself if it has it. To floats it rounds to nearest even, once; floats to integers truncate
/// toward zero and saturate (NaN to 0); integers keep their low bits; anything to bool is `!= 0`. The gradient between
/// floating dtypes is cast back.
Tensor astype(const Tensor& x, DType dtype, Where where = Where::current());
/// x as a constant: no gradient flows through.
Tensor stop_gradient(const Tensor& x, Where where = Where::current());

// For operations and backends.

/// An axis counted from the end if negative. Throws ShapeError naming `op`.
int check_axis(const char* op, std::int64_t axis, int rank);
/// As check_axis for each; no axis may be named twice; empty gives all.
Axes check_axes(const char* op, const Axes& axes, int rank);
/// The same for axes of a tensor, whose shape the message then names.
int check_axis(const char* op, std::int64_t axis, const Shape& shape);
Axes check_axes(const char* op, const Axes& axes, const Shape& shape);
/// Throws DTypeError naming `op` unless x is of floats.
void check_floats(const char* op, const Tensor& x);

/// Casts the elements of `from` into the memory of `to`, which has the same shape and is not yet seen by anyone.
void cast_into(const Tensor& from, const Tensor& to);

}  // namespace tapir
