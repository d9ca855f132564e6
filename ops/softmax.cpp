#include <tapir/ops/elementwise.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/reduce_attrs.h>
#include <tapir/ops/shaping.h>
#include <tapir/ops/softmax.h>
#include <tapir/ops/tile.h>

#include <fmt/format.h>

#include <cmath>

namespace tapir {
namespace {

void infer_same(Inputs in, Attrs, Specs& out) { out.push_back({in[0].shape(), in[0].dtype()}); }

constexpr OpDef row(const char* name, Kernel kernel, Gradient gradient, Saves saves) {
  return dense_row(name, infer_same, kernel, gradient, saves, &attrs_type<AxisAttrs>);
}

Axes axis_of(const void* attrs) { return static_cast<const AxisAttrs*>(attrs)->axis; }

// The gradients as public ops, from which theirs are taken. in: y, dy.
Tensor softmax_grad_text(Inputs in, const void* attrs) {
  const Tensor &y = in[0], &dy = in[1];
  return y * (dy - sum(y * dy, {.axis = axis_of(attrs), .keepdims = true}));
}
Tensor log_softmax_grad_text(Inputs in, const void* attrs) {
  const Tensor &y = in[0], &dy = in[1];
  return dy - exp(y) * sum(dy, {.axis = axis_of(attrs), .keepdims = true});
}

constinit const OpDef softmax_grad_op = row(
    "softmax_grad", cpu::softmax_grad,
    [](const Node& n, std::span<const Tensor> dy) -> Tensors { return pullback(softmax_grad_text, n, dy[0]); },
    Saves::inputs);
constinit const OpDef log_softmax_grad_op = row(
    "log_softmax_grad", cpu::log_softmax_grad,
    [](const Node& n, std::span<const Tensor> dy) -> Tensors { return pullback(log_softmax_grad_text, n, dy[0]); },
    Saves::inputs);

constinit const OpDef softmax_op = row(
    "softmax", cpu::softmax,
    [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {apply(softmax_grad_op, {n.out(), dy[0]}, n.attrs, Where::current())};
    },
    Saves::output);
constinit const OpDef log_softmax_op = row(
    "log_softmax", cpu::log_softmax,
    [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {apply(log_softmax_grad_op, {n.out(), dy[0]}, n.attrs, Where::current())};
    },
    Saves::output);

// Over the last axis, which it drops.
constinit const OpDef logsumexp_op = [] {
  OpDef d = row(
      "logsumexp", cpu::logsumexp,
      [](const Node& n, std::span<const Tensor> dy) -> Tensors {
        Shape s = n.out().shape();
        s.push_back(1);
        Tensor y = reshape(n.out(), s);
        return {reshape(dy[0], s) * exp(n.in(0) - where(equal(abs(y), INFINITY), 0.0, y))};
      },
      Saves::both);
  d.infer = [](Inputs in, Attrs, Specs& out) { out.push_back({in[0].shape().first(in[0].rank() - 1), in[0].dtype()}); };
  return d;
}();

void check_floating(const char* op, const Tensor& x) {
  if (!is_floating(x.dtype()))
    throw DTypeError(fmt::format("{}: needs a floating dtype, got {}. Cast it first: x.astype(DType::f32).", op,
                                 name_of(x.dtype())));
}

Tensor along(const OpDef& op, const Tensor& x, std::int64_t axis, const Where& w) {
  CallSite site(w);
  check_floating(op.name, x);
  return apply(op, {x}, AxisAttrs{check_axis(op.name, axis, x.shape())}, w);
}

}  // namespace

Tensor softmax(const Tensor& x, std::int64_t axis, Where w) { return along(softmax_op, x, axis, w); }
Tensor log_softmax(const Tensor& x, std::int64_t axis, Where w) { return along(log_softmax_op, x, axis, w); }

Tensor logsumexp(const Tensor& x, ReduceOptions o, Where w) {
  CallSite site(w);
  check_floating("logsumexp", x);
  const Axes axes = check_axes("logsumexp", o.axis, x.shape());
  const AxesLast last(x.shape(), axes);
  Tensor rows = x.rank() ? reshape(permute_dims(x, last.order), last.flat) : reshape(x, {1});
  Tensor y = apply(logsumexp_op, {rows}, AxisAttrs{rows.rank() - 1}, w);
  if (!o.keepdims) return y;
  Shape s = x.shape();
  for (auto a : axes) s[int(a)] = 1;
  return reshape(y, s);
}

void list_softmax(std::vector<const OpDef*>& out) {
  for (auto* o : {&softmax_op, &softmax_grad_op, &log_softmax_op, &log_softmax_grad_op, &logsumexp_op})
    out.push_back(o);
}

}  // namespace tapir
