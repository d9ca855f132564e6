// One step of an optimizer on one parameter, as one op: what would be a dozen small ones. Not differentiable.
#pragma once
#include <tapir/ops/functors/optimizer.h>
#include <tapir/ops/op.h>

namespace tapir {

using vmath::fn::AdagradUpdate;
using vmath::fn::AdamUpdate;
using vmath::fn::RMSpropUpdate;
using vmath::fn::SGDUpdate;

/// What an update reads besides its state. `learning_rate` and `step` (counted from 1) are scalars, so that a traced
/// step follows them.
struct UpdateInputs {
  const Tensor &parameter, &gradient, &learning_rate, &step;
};

/// The new parameter, then the new state: as many tensors of the parameter's shape as `rule.states()`. Throws
/// ShapeError or DTypeError unless gradient and state have the parameter's shape and (floating) dtype, UsageError for a
/// wrong count.
Tensors optimizer_update(const SGDUpdate& rule, const UpdateInputs& in, std::span<const Tensor> state,
                         Where where = Where::current());
Tensors optimizer_update(const AdamUpdate& rule, const UpdateInputs& in, std::span<const Tensor> state,
                         Where where = Where::current());
Tensors optimizer_update(const RMSpropUpdate& rule, const UpdateInputs& in, std::span<const Tensor> state,
                         Where where = Where::current());
Tensors optimizer_update(const AdagradUpdate& rule, const UpdateInputs& in, std::span<const Tensor> state,
                         Where where = Where::current());

}  // namespace tapir
