// Reductions over axes.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {

struct ReduceOptions {
  Axes axis = {};          ///< empty: all axes
  bool keepdims = false;   ///< keep reduced axes with size 1
};

/// Sums `x` over `axis`. Accumulates in f32 for f16 and bf16, blocked for f32; integers keep their dtype and wrap
/// around, bool counts in i64. Throws ShapeError if an axis is out of range or named twice.
Tensor sum(const Tensor& x, ReduceOptions options = {}, Where where = Where::current());
/// The arithmetic mean over `axis`; floating dtypes. NaN over an empty axis.
Tensor mean(const Tensor& x, ReduceOptions options = {}, Where where = Where::current());

}  // namespace tapir
