// Comparing whole tensors.
#pragma once
#include <tapir/ops/operand.h>

namespace tapir {

struct CloseOptions {
  double rtol = 1e-5;
  double atol = 1e-8;
  bool equal_nan = false;  ///< does NaN equal NaN?
};
/// Is |a - b| <= atol + rtol * |b| everywhere? As np.allclose: broadcasts, infinities equal those of the same sign.
/// Computes in f64. Throws ShapeError if shapes do not broadcast, UsageError in a trace.
bool allclose(const Operand& a, const Operand& b, CloseOptions options = {});
/// Have a and b the same shape and equal values? The dtype may differ; NaN equals nothing.
bool array_equal(const Operand& a, const Operand& b);

}  // namespace tapir
