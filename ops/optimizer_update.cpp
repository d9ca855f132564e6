// The rows of optimizer updates. Inputs: parameter, state..., gradient, learning rate, step; outputs: parameter,
// state...
#include <tapir/ops/kernels.h>
#include <tapir/ops/optimizer_update.h>

#include <fmt/format.h>

namespace tapir {
namespace {

template <class F>
void infer_update(Inputs in, Attrs attrs, Specs& out) {
  const auto states = std::size_t(attrs.as<F>().states());
  if (in.size() != 4 + states)
    throw UsageError(fmt::format("{}: needs {} tensors of state, got {}.", F::name, states, int(in.size()) - 4));
  const Tensor& p = in[0];
  if (!is_floating(p.dtype()))
    throw DTypeError(fmt::format("{}: needs a floating dtype, got {}.", F::name, name_of(p.dtype())));
  for (std::size_t i = 1; i < in.size(); ++i) {
    if (i > states + 1) {
      if (in[i].size() != 1)
        throw ShapeError(fmt::format("{}: the {} must be a scalar, got {}.", F::name,
                                     i == states + 2 ? "learning rate" : "step", in[i].shape().str()));
      continue;
    }
    const std::string what = i > states ? "the gradient" : fmt::format("state {}", i - 1);
    if (in[i].shape() != p.shape())
      throw ShapeError(fmt::format("{}: the parameter has shape {}, {} has {}.", F::name, p.shape().str(), what,
                                   in[i].shape().str()));
    if (in[i].dtype() != p.dtype())
      throw DTypeError(
          fmt::format("{}: the parameter is {}, {} is {}.", F::name, name_of(p.dtype()), what, name_of(in[i].dtype())));
  }
  for (std::size_t i = 0; i <= states; ++i) out.push_back({p.shape(), p.dtype()});
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

Tensors update(const OpDef& op, Attrs attrs, const UpdateInputs& in, std::span<const Tensor> state,
               const Where& where) {
  std::vector<Inputs::Ref> refs{in.parameter};
  refs.insert(refs.end(), state.begin(), state.end());
  refs.insert(refs.end(), {in.gradient, in.learning_rate, in.step});
  return apply_all(op, Inputs(refs), attrs, where);
}

}  // namespace

Tensors optimizer_update(const SGDUpdate& rule, const UpdateInputs& in, std::span<const Tensor> state, Where where) {
  return update(sgd_op, rule, in, state, where);
}
Tensors optimizer_update(const AdamUpdate& rule, const UpdateInputs& in, std::span<const Tensor> state, Where where) {
  return update(adam_op, rule, in, state, where);
}
Tensors optimizer_update(const RMSpropUpdate& rule, const UpdateInputs& in, std::span<const Tensor> state,
                         Where where) {
  return update(rmsprop_op, rule, in, state, where);
}
Tensors optimizer_update(const AdagradUpdate& rule, const UpdateInputs& in, std::span<const Tensor> state,
                         Where where) {
  return update(adagrad_op, rule, in, state, where);
}

void list_optimizer_update(std::vector<const OpDef*>& out) {
  for (auto* op : {&sgd_op, &adam_op, &rmsprop_op, &adagrad_op}) out.push_back(op);
}

}  // namespace tapir
