#include <tapir/ops/elementwise.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

namespace tapir {
namespace {

struct ReduceAttrs {
  Shape axes;
  bool keepdims;
  template <class V> void visit(V&& v) { v("axes", axes), v("keepdims", keepdims); }
};

Shape reduced(const Shape& s, const ReduceAttrs& a) {
  bool gone[Shape::max_rank] = {};
  for (auto i : a.axes) gone[i] = true;
  Shape r;
  for (int i = 0; i < s.rank(); ++i)
    if (!gone[i]) r.push_back(s[i]);
    else if (a.keepdims) r.push_back(1);
  return r;
}

// dy with the reduced axes back, size 1.
Tensor with_axes(const Tensor& dy, const Node& n) {
  const auto& a = n.attrs.as<ReduceAttrs>();
  if (a.keepdims) return dy;
  return reshape(dy, reduced(n.in(0).shape(), {a.axes, true}));
}

const OpDef sum_op = {
    .name = "sum",
    .infer = [](Inputs in, Attrs a, Specs& out) {
      out.push_back({reduced(in[0].shape(), a.as<ReduceAttrs>()),
                     in[0].dtype() == DType::boolean ? DType::i64 : in[0].dtype()});
    },
    .kernel = {cpu::sum},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {broadcast_to(with_axes(dy[0], n), n.in(0).shape())};
    },
    .needs_contiguous = true,
    .half_via_f32 = true,
    .attrs = &attrs_type<ReduceAttrs>,
};

}  // namespace

Tensor sum(const Tensor& x, ReduceOptions o, Where w) {
  CallSite site(w);
  return apply(sum_op, {x}, ReduceAttrs{check_axes("sum", o.axis, x.rank()), o.keepdims}, w);
}

Tensor mean(const Tensor& x, ReduceOptions o, Where w) {
  CallSite site(w);
  if (!is_floating(x.dtype()))
    throw DTypeError(fmt::format("mean: needs a floating dtype, got {}. Cast it first: x.astype(DType::f32).",
                                 name_of(x.dtype())));
  Axes axes = check_axes("mean", o.axis, x.rank());
  double n = 1;
  for (auto a : axes) n *= double(x.shape()[int(a)]);
  return sum(x, {axes, o.keepdims}, w) * (1.0 / n);
}

void list_reduce(std::vector<const OpDef*>& out) { out.push_back(&sum_op); }

}  // namespace tapir
