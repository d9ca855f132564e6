#include <tapir/autograd/functional.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>

#include <fmt/format.h>

namespace tapir::detail {

std::vector<Tensor> scalar_gradient(GradientTape& tape, const Tensor& y, const std::vector<Tensor>& x,
                                    const char* what) {
  if (y.size() != 1)
    throw ShapeError(fmt::format("{}: the function must return a scalar, got shape {}. Sum it, or use tape.jacobian().",
                                 what, y.shape().str()));
  if (!is_floating(y.dtype()))
    throw DTypeError(fmt::format("{}: the function must return a floating scalar, got {}.", what, name_of(y.dtype())));
  if (tape.recorded(y)) return tape.gradient(y, x, {.unconnected = UnconnectedGradients::zero});
  std::vector<Tensor> zero;
  for (auto& t : x) zero.push_back(zeros_like(t));
  return zero;
}

Tensor scalar_gradient(GradientTape& tape, const Tensor& y, const Tensor& x, const char* what) {
  return scalar_gradient(tape, y, std::vector<Tensor>{x}, what)[0];
}

void check_tangents(const std::vector<Tensor>& x, const std::vector<Tensor>& tangents) {
  if (x.size() != tangents.size())
    throw ShapeError(fmt::format("jvp: {} inputs but {} tangents.", x.size(), tangents.size()));
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i].shape() != tangents[i].shape())
      throw ShapeError(
          fmt::format("jvp: input {} has shape {}, its tangent {}.", i, x[i].shape().str(), tangents[i].shape().str()));
    if (x[i].dtype() != tangents[i].dtype())
      throw DTypeError(
          fmt::format("jvp: input {} is {}, its tangent {}.", i, name_of(x[i].dtype()), name_of(tangents[i].dtype())));
  }
}

// x -> y has the pullback u -> u J, which is linear in u; the pullback of that in direction `tangent` is J tangent.
Tensor push_forward(GradientTape& tape, const Tensor& y, const std::vector<Tensor>& x,
                    const std::vector<Tensor>& tangents, const Where& where) {
  if (!tape.recorded(y)) return zeros_like(y);
  GradientTape outer({.persistent = true, .watch_accessed_variables = false});
  Tensor u = zeros_like(y);
  outer.watch(u);
  std::vector<Tensor> pulled = tape.gradient(Operand(y, where), x, {.output_gradients = u});
  Tensor total;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!pulled[i].defined() || !outer.recorded(pulled[i])) continue;
    Tensor part = outer.stop_recording(
        [&] { return outer.gradient(Operand(pulled[i], where), u, {.output_gradients = tangents[i]}); });
    if (part.defined()) total = total.defined() ? total + part : part;
  }
  return total.defined() ? total : zeros_like(y);
}

}  // namespace tapir::detail
