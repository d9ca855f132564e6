// One step of an optimizer on all parameters, as one op: what would be a dozen small ones for each. Not differentiable.
#pragma once
#include <tapir/ops/functors/optimizer.h>
#include <tapir/ops/op.h>

namespace tapir {

using vmath::fn::AdagradUpdate;
using vmath::fn::AdamUpdate;
using vmath::fn::RMSpropUpdate;
using vmath::fn::SGDUpdate;

/// A parameter, its gradient, and as many tensors of state as the rule has; all of one shape and dtype.
struct ParameterUpdate {
  Tensor parameter, gradient;
  std::vector<Tensor> state;
};

/// The next value of each parameter, followed by its next state. `learning_rate` and `step` (counted from 1) are
/// scalars, so that a traced step follows them. Throws ShapeError or DTypeError unless gradient and state have their
/// parameter's shape and all have one floating dtype, UsageError for no parameter or a wrong count of states.
Tensors optimizer_update(const SGDUpdate& rule, std::span<const ParameterUpdate> updates, const Tensor& learning_rate,
                         const Tensor& step, Where where = Where::current());
Tensors optimizer_update(const AdamUpdate& rule, std::span<const ParameterUpdate> updates, const Tensor& learning_rate,
                         const Tensor& step, Where where = Where::current());
Tensors optimizer_update(const RMSpropUpdate& rule, std::span<const ParameterUpdate> updates,
                         const Tensor& learning_rate, const Tensor& step, Where where = Where::current());
Tensors optimizer_update(const AdagradUpdate& rule, std::span<const ParameterUpdate> updates,
                         const Tensor& learning_rate, const Tensor& step, Where where = Where::current());

}  // namespace tapir
