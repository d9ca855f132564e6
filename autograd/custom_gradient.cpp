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
      Tensors dx = (*n.in(0).data<Pullback>())(dy[0]);
      if (dx.size() + 1 != n.inputs.size())
        throw UsageError(fmt::format("custom_gradient: the gradient function returned {} gradients for {} inputs.",
                                     dx.size(), n.inputs.size() - 1));
      Tensors out(1);
      for (std::size_t i = 0; i < dx.size(); ++i) {
        const Tensor& x = n.inputs[i + 1];
        if (dx[i].defined() && dx[i].shape() != x.shape())
          throw ShapeError(fmt::format("custom_gradient: input {} has shape {}, the gradient returned for it {}.", i,
                                       x.shape().str(), dx[i].shape().str()));
        out.push_back(dx[i].defined() && dx[i].dtype() != x.dtype() ? astype(dx[i], x.dtype()) : dx[i]);
      }
      return out;
    },
    .saves = Saves::inputs,
};

}  // namespace

Tensor with_pullback(const Tensor& y, std::span<const Tensor> inputs, Pullback* pullback, const Where& where) {
  auto release = [](void* p) { delete static_cast<Pullback*>(p); };
  Tensor holder = Tensor::from_external(pullback, {1}, DType::u8, release, pullback, where);
  Tensor out = stop_gradient(y, where);  // a name of its own, known to traces
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
