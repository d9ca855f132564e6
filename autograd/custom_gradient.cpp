#include <tapir/autograd/custom_gradient.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <memory>

namespace tapir::detail {
namespace {

// Input 0 is a tensor whose memory is the Pullback; the function's inputs follow.
const OpDef custom_gradient_op = {
    .name = "custom_gradient",
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      Tensors dx(1);
      for (auto& g : pulled_back(*n.in(0).data<Pullback>(), dy[0], std::span<const Tensor>(n.inputs).subspan(1)))
        dx.push_back(g);
      return dx;
    },
    .saves = Saves::inputs,
};

}  // namespace

Tensors pulled_back(const Pullback& pullback, const Tensor& dy, std::span<const Tensor> inputs) {
  const PrecisionScope scope(pullback.precision);
  Tensors dx = pullback(dy);
  if (dx.size() != inputs.size())
    throw UsageError(fmt::format("custom_gradient: the gradient function returned {} gradients for {} inputs.",
                                 dx.size(), inputs.size()));
  for (std::size_t i = 0; i < dx.size(); ++i) {
    if (!dx[i].defined()) continue;
    if (dx[i].shape() != inputs[i].shape())
      throw ShapeError(fmt::format("custom_gradient: input {} has shape {}, the gradient returned for it {}.", i,
                                   inputs[i].shape().str(), dx[i].shape().str()));
    if (dx[i].dtype() != inputs[i].dtype()) dx[i] = astype(dx[i], inputs[i].dtype());
  }
  return dx;
}

Tensor with_pullback(const Tensor& y, std::span<const Tensor> inputs, std::unique_ptr<Pullback> pullback,
                     const Where& where) {
  if (intercepted()) return traced_pullback(y, inputs, *pullback, where);
  auto release = [](void* p) { delete static_cast<Pullback*>(p); };
  Pullback* own = pullback.release();
  Tensor holder = Tensor::from_external(own, {1}, DType::u8, release, own, where);
  Tensor out = stop_gradient(y, where);
  std::vector<Inputs::Ref> in{holder};
  for (auto& x : inputs) in.emplace_back(x);
  for (Recorder* r = recorder(); r; r = r->previous) r->record(custom_gradient_op, Inputs(in), {&out, 1}, {});
  return out;
}

VariablesRead::VariablesRead() { previous = std::exchange(variable_observer(), static_cast<VariableObserver*>(this)); }
VariablesRead::~VariablesRead() { variable_observer() = previous; }

void VariablesRead::on_read(const Variable& variable, const Tensor& value) {
  for (auto& v : values)
    if (v.id() == value.id()) return;
  variables.push_back(variable);
  values.push_back(value);
}

Tensors rerun(ListFunction call, const void* f, std::span<const Tensor> x, const std::vector<Variable>& variables,
              const Tensor& dy) {
  Tensors mine(x.size());
  const bool in_trace = intercepted();
  for (std::size_t i = 0; i < x.size(); ++i) mine[i] = in_trace ? traced_again(x[i]) : x[i];
  x = {mine.data(), mine.size()};
  GradientTape tape;
  for (auto& t : x)
    if (is_floating(t.dtype())) tape.watch(t);
  Tensor y = call(f, x);
  Tensors dx(x.size() + variables.size());
  if (!tape.recorded(y)) return dx;
  std::vector<GradientSource> sources(x.begin(), x.end());
  sources.insert(sources.end(), variables.begin(), variables.end());
  std::vector<Tensor> g = tape.gradient(y, std::span<const GradientSource>(sources), {.output_gradients = dy});
  for (std::size_t i = 0; i < g.size(); ++i) dx[i] = g[i];
  return dx;
}

}  // namespace tapir::detail
