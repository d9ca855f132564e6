#include <tapir/graph/control_flow.h>
#include <tapir/nn/optimizer_impl.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

namespace tapir::optim {
namespace {

struct Scaled final : Optimizer::Impl {
  std::shared_ptr<Impl> inner;
  Variable steps;  // since the scale changed
  std::int64_t growth_steps;

  Scaled(std::shared_ptr<Impl> wrapped, const LossScaleOptions& o)
      : inner(std::move(wrapped)), growth_steps(o.dynamic_growth_steps) {
    name = o.name;
    text = fmt::format("LossScaleOptimizer({}, initial_scale={}, dynamic_growth_steps={})", inner->text,
                       o.initial_scale, growth_steps);
    iterations = inner->iterations, rate = inner->rate, learning_rate = inner->learning_rate;
    slot_names = inner->slot_names;
    loss_scale = Variable(full({}, o.initial_scale, DType::f32), name + "/dynamic_scale", {.trainable = false});
    steps = Variable(zeros({}, DType::i64), name + "/step_counter", {.trainable = false});
    shared = inner->shared, shared_start = inner->shared_start;
    shared.insert(shared.end(), {loss_scale, steps});
    shared_start.insert(shared_start.end(), {o.initial_scale, 0});
  }

  Impl& core() override { return *inner; }

  // In a graph one of two branches, so that a step that is skipped costs nothing.
  void apply(const std::vector<Tensor>& gradients, const std::vector<Variable>& variables) override {
    std::vector<Tensor> finite;
    for (std::size_t i = 0; i < gradients.size(); ++i)
      if (gradients[i].defined()) {
        inner->slot_of(variables[i], i);  // made outside of the branch
        finite.push_back(all(isfinite(gradients[i])));
      }
    auto step = [&] {
      std::vector<Tensor> unscaled = gradients;
      const Tensor scale = loss_scale;
      for (auto& g : unscaled)
        if (g.defined()) g = g / astype(scale, g.dtype());
      inner->apply(unscaled, variables);
      const Tensor grows = equal(steps, growth_steps - 1);
      loss_scale.assign(where(grows, scale * 2, scale));
      steps.assign(where(grows, 0, steps + 1));
      return loss_scale.value();
    };
    auto skip = [&] {
      loss_scale.assign(loss_scale * 0.5);
      steps.assign(zeros({}, DType::i64));
      return loss_scale.value();
    };
    cond(all(stack(finite)), step, skip);
  }
};

}  // namespace

LossScaleOptimizer::LossScaleOptimizer(const Optimizer& inner, const LossScaleOptions& o, Where where)
    : Optimizer(inner) {
  CallSite site(where);
  if (inner.scales_loss()) throw UsageError("LossScaleOptimizer: the inner optimizer is one already.");
  if (!(o.initial_scale > 0))
    throw UsageError(fmt::format("LossScaleOptimizer: initial_scale must be positive, got {}.", o.initial_scale));
  if (o.dynamic_growth_steps < 1)
    throw UsageError(
        fmt::format("LossScaleOptimizer: dynamic_growth_steps must be 1 or more, got {}.", o.dynamic_growth_steps));
  impl_ = std::make_shared<Scaled>(impl_, o);
}
Variable LossScaleOptimizer::dynamic_scale() const { return impl_->loss_scale; }

}  // namespace tapir::optim
