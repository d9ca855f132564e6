// Cumulative sums and products along one axis.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {

struct ScanOptions {
  std::int64_t axis = 0;
  bool include_initial = false;  ///< start with the empty sum or product: the axis gets one longer
  bool exclusive = false;        ///< element i does not take part in result i: as include_initial, without the last
  bool reverse = false;          ///< from the end of the axis
};

/// result[i] = x[0] + ... + x[i] along the axis, as in TensorFlow and, with include_initial, the array API. dtypes as
/// `sum`; f32 accumulates in f64. Throws ShapeError if the axis is out of range, UsageError if both include_initial and
/// exclusive are set.
Tensor cumulative_sum(const Tensor& x, ScanOptions options = {}, Where where = Where::current());
/// result[i] = x[0] * ... * x[i] along the axis; otherwise as `cumulative_sum`. The gradient is right where elements
/// are zero.
Tensor cumulative_prod(const Tensor& x, ScanOptions options = {}, Where where = Where::current());

}  // namespace tapir
