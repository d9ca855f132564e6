// Joining and cutting: concat, stack, split, unstack, narrow, tile, repeat; every dtype. They throw ShapeError for an
// axis out of range and for sizes that do not fit.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {

struct AxisOptions {
  std::int64_t axis = 0;  ///< negative counts from the end
};

/// Joins tensors along an axis that they have: `concat({a, b}, {.axis = 1})`. All other sizes must be equal. Dtypes are
/// promoted. Throws ShapeError, DTypeError, UsageError for an empty list.
Tensor concat(const std::vector<Tensor>& xs, AxisOptions options = {}, Where where = Where::current());
/// Joins tensors of one shape along a new axis: k of [d0, d1] give [k, d0, d1] for axis 0, [d0, d1, k] for axis -1.
/// Dtypes are promoted. Throws ShapeError, DTypeError, UsageError for an empty list.
Tensor stack(const std::vector<Tensor>& xs, AxisOptions options = {}, Where where = Where::current());
/// The inverse of stack: the slices along an axis, without it.
std::vector<Tensor> unstack(const Tensor& x, AxisOptions options = {}, Where where = Where::current());
/// `parts` equal parts along an axis. Throws ShapeError if the size is no multiple of it.
std::vector<Tensor> split(const Tensor& x, std::int64_t parts, AxisOptions options = {},
                          Where where = Where::current());
/// Parts of the given sizes along an axis; one may be -1 and takes the rest. Throws ShapeError unless they fill the
/// axis.
std::vector<Tensor> split(const Tensor& x, const std::vector<std::int64_t>& sizes, AxisOptions options = {},
                          Where where = Where::current());
/// Elements [start, start + length) along an axis: a view. A negative start counts from the end. Throws ShapeError.
Tensor narrow(const Tensor& x, std::int64_t axis, std::int64_t start, std::int64_t length,
              Where where = Where::current());
/// x repeated reps[i] times along dimension i, as np.tile: the shorter of x.shape and reps is filled up with ones in
/// front.
Tensor tile(const Tensor& x, const Shape& reps, Where where = Where::current());
/// Each element `n` times in a row along an axis: [1, 2] gives [1, 1, 2, 2] for n = 2.
Tensor repeat(const Tensor& x, std::int64_t n, AxisOptions options = {}, Where where = Where::current());

}  // namespace tapir
