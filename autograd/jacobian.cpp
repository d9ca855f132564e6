// Jacobians: one backward pass per element of the target.
#include <tapir/autograd/gradient_tape.h>
#include <tapir/ops/create.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

namespace tapir {

static Tensor zeros_of(const GradientSource& s) {
  return s.tensor() ? zeros_like(*s.tensor()) : zeros(s.variable()->shape(), s.variable()->dtype());
}

Tensor GradientTape::rows(const char* what, const Operand& target, const GradientSource& source, JacobianOptions o,
                          bool batch) {
  CallSite site(target.where());
  const Tensor& y = target.tensor();
  const std::uint32_t slot = start(y, what);
  check_sources(what, {&source, 1});
  const Shape from = source.tensor() ? source.tensor()->shape() : source.variable()->shape();
  if (batch && (y.rank() < 1 || from.rank() < 1 || y.shape()[0] != from[0]))
    throw ShapeError(fmt::format("{}: target {} and source {} must have the same first dimension.", what,
                                 y.shape().str(), from.str()));
  const std::int64_t examples = batch ? y.shape()[0] : 1, n = examples ? y.size() / examples : 0;
  std::vector<Tensor> rows;
  bool connected = false;
  {
    Paused paused(*this, !options_.persistent);
    for (std::int64_t i = 0; i < n; ++i) {
      std::vector<std::uint8_t> hit(static_cast<std::size_t>(y.size()), 0);
      for (std::int64_t b = 0; b < examples; ++b) hit[std::size_t(b * n + i)] = 1;
      const Seed seed{slot, astype(Tensor::from_vector(hit, y.shape()), y.dtype())};
      Tensor g = backward({&seed, 1}, {&source, 1})[0];
      connected |= g.defined();
      rows.push_back(g.defined() ? g : zeros_of(source));
    }
  }
  if (!options_.persistent) use_up();
  if (!connected && o.unconnected == UnconnectedGradients::none) return {};
  if (!batch) {
    const Shape shape = y.shape().concat(from);
    return rows.empty() ? zeros(shape, y.dtype()) : reshape(stack(rows, {.axis = 0}), shape);
  }
  const Shape shape = y.shape().concat(from.last(from.rank() - 1));
  return rows.empty() ? zeros(shape, y.dtype()) : reshape(stack(rows, {.axis = 1}), shape);
}

Tensor GradientTape::jacobian(const Operand& target, const GradientSource& source, JacobianOptions o) {
  return rows("jacobian", target, source, o, false);
}

Tensor GradientTape::batch_jacobian(const Operand& target, const GradientSource& source, JacobianOptions o) {
  return rows("batch_jacobian", target, source, o, true);
}

}  // namespace tapir
