// The rows of optimizer updates. Inputs: (parameter, state...)..., gradients, learning rate, step; outputs: (parameter,
// state...)...
#include <tapir/ops/kernels.h>
#include <tapir/ops/optimizer_update.h>

#include <fmt/format.h>

namespace tapir {
namespace {

template <class F>
void infer_update(Inputs in, Attrs attrs, Specs& out) {
  const auto states = std::size_t(attrs.as<F>().states());
  const std::size_t n = in.size() < 2 ? 0 : (in.size() - 2) / (2 + states);
  if (n == 0 || in.size() != n * (2 + states) + 2)
    throw UsageError(fmt::format("{}: needs a gradient and {} tensors of state for each parameter, got {} tensors.",
                                 F::name, states, in.size()));
  const DType dtype = in[0].dtype();
  if (!is_floating(dtype))
    throw DTypeError(fmt::format("{}: needs a floating dtype, got {}.", F::name, name_of(dtype)));
  auto check = [&](const Tensor& t, const Shape& shape, auto what) {
    if (t.shape() != shape)
      throw ShapeError(
          fmt::format("{}: the parameter has shape {}, {} has {}.", F::name, shape.str(), what(), t.shape().str()));
    if (t.dtype() != dtype)
      throw DTypeError(
          fmt::format("{}: the parameter is {}, {} is {}.", F::name, name_of(dtype), what(), name_of(t.dtype())));
  };
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t at = i * (1 + states);
    const Shape& shape = in[at].shape();
    for (std::size_t k = 0; k <= states; ++k) {
      check(in[at + k], shape,
            [&] { return k == 0 ? fmt::format("parameter {}", i) : fmt::format("state {}", k - 1); });
      out.push_back({shape, dtype});
    }
    check(in[n * (1 + states) + i], shape, [] { return "the gradient"; });
  }
  for (std::size_t k : {in.size() - 2, in.size() - 1})
    if (in[k].size() != 1)
      throw ShapeError(fmt::format("{}: the {} must be a scalar, got {}.", F::name,
                                   k == in.size() - 2 ? "learning rate" : "step", in[k].shape().str()));
}

template <class F>
constexpr OpDef update_row(Kernel kernel) {
  OpDef d;
  d.name = F::name;
  d.infer = infer_update<F>;
  d.kernel[int(Backend::cpu)] = kernel;
  d.needs_contiguous = d.half_via_f32 = d.in_place = true;
  d.attrs = &attrs_type<F>;
  return d;
}

const OpDef sgd_op = update_row<SGDUpdate>(cpu::sgd_update);
const OpDef adam_op = update_row<AdamUpdate>(cpu::adam_update);
const OpDef rmsprop_op = update_row<RMSpropUpdate>(cpu::rmsprop_update);
const OpDef adagrad_op = update_row<AdagradUpdate>(cpu::adagrad_update);

template <class F>
Tensors update(const OpDef& op, const F& rule, std::span<const ParameterUpdate> updates, const Tensor& learning_rate,
               const Tensor& step, const Where& where) {
  std::vector<Inputs::Ref> refs;
  refs.reserve(updates.size() * std::size_t(2 + rule.states()) + 2);
  for (auto& u : updates) {
    if (u.state.size() != std::size_t(rule.states())) {
      CallSite site(where);
      throw UsageError(fmt::format("{}: needs {} tensors of state, got {}.", F::name, rule.states(), u.state.size()));
    }
    refs.push_back(u.parameter);
    refs.insert(refs.end(), u.state.begin(), u.state.end());
  }
  for (auto& u : updates) refs.push_back(u.gradient);
  refs.insert(refs.end(), {learning_rate, step});
  return apply_all(op, Inputs(refs), rule, where);
}

}  // namespace

Tensors optimizer_update(const SGDUpdate& rule, std::span<const ParameterUpdate> updates, const Tensor& learning_rate,
                         const Tensor& step, Where where) {
  return update(sgd_op, rule, updates, learning_rate, step, where);
}
Tensors optimizer_update(const AdamUpdate& rule, std::span<const ParameterUpdate> updates, const Tensor& learning_rate,
                         const Tensor& step, Where where) {
  return update(adam_op, rule, updates, learning_rate, step, where);
}
Tensors optimizer_update(const RMSpropUpdate& rule, std::span<const ParameterUpdate> updates,
                         const Tensor& learning_rate, const Tensor& step, Where where) {
  return update(rmsprop_op, rule, updates, learning_rate, step, where);
}
Tensors optimizer_update(const AdagradUpdate& rule, std::span<const ParameterUpdate> updates,
                         const Tensor& learning_rate, const Tensor& step, Where where) {
  return update(adagrad_op, rule, updates, learning_rate, step, where);
}

void list_optimizer_update(std::vector<const OpDef*>& out) {
  for (auto* op : {&sgd_op, &adam_op, &rmsprop_op, &adagrad_op}) out.push_back(op);
}

}  // namespace tapir
