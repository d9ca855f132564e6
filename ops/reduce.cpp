#include <tapir/ops/elementwise.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/reduce_attrs.h>
#include <tapir/ops/scan.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace tapir {
namespace {

Shape reduced(const Shape& s, const ReduceAttrs& a) {
  bool gone[Shape::max_rank] = {};
  for (auto i : a.axes) gone[i] = true;
  Shape r;
  for (int i = 0; i < s.rank(); ++i)
    if (!gone[i]) r.push_back(s[i]);
    else if (a.keepdims) r.push_back(1);
  return r;
}

std::int64_t count_of(const Shape& s, const Shape& axes) {
  std::int64_t n = 1;
  for (auto a : axes) n *= s[int(a)];
  return n;
}

// A result with the reduced axes back, size 1.
Tensor with_axes(const Tensor& t, const Node& n) {
  const auto& a = n.attrs.as<ReduceAttrs>();
  return a.keepdims || t.rank() == 0 ? t : reshape(t, reduced(n.in(0).shape(), {a.axes, true}));
}

void infer_sum(Inputs in, Attrs a, Specs& out) {
  out.push_back(
      {reduced(in[0].shape(), a.as<ReduceAttrs>()), in[0].dtype() == DType::boolean ? DType::i64 : in[0].dtype()});
}

void check_numbers(const char* op, const Tensor& x, const char* hint) {
  if (x.dtype() == DType::boolean) throw DTypeError(fmt::format("{}: needs numbers, got bool. {}", op, hint));
}

void check_floating(const char* op, const Tensor& x) {
  if (!is_floating(x.dtype()))
    throw DTypeError(fmt::format("{}: needs a floating dtype, got {}. Cast it first: x.astype(DType::f32).", op,
                                 name_of(x.dtype())));
}

void check_not_empty(const char* op, const Shape& s, const Shape& axes) {
  for (auto a : axes)
    if (s[int(a)] == 0)
      throw ShapeError(fmt::format("{}: axis {} of {} is empty, so there is no element to give.", op, a, s.str()));
}

template <bool largest>
void infer_extreme(Inputs in, Attrs a, Specs& out) {
  const char* name = largest ? "max" : "min";
  const auto& r = a.as<ReduceAttrs>();
  check_numbers(name, in[0], largest ? "Use any(x)." : "Use all(x).");
  check_not_empty(name, in[0].shape(), r.axes);
  out.push_back({reduced(in[0].shape(), r), in[0].dtype()});
}

template <bool largest>
void infer_arg(Inputs in, Attrs a, Specs& out) {
  const char* name = largest ? "argmax" : "argmin";
  const auto& r = a.as<ReduceAttrs>();
  check_numbers(name, in[0], "Cast it first: x.astype(DType::u8).");
  check_not_empty(name, in[0].shape(), r.axes);
  out.push_back({reduced(in[0].shape(), r), DType::i64});
}

template <bool every>
void infer_logic(Inputs in, Attrs a, Specs& out) {
  if (in[0].dtype() != DType::boolean)
    throw DTypeError(fmt::format("{}: needs bool, got {}.", every ? "all" : "any", name_of(in[0].dtype())));
  out.push_back({reduced(in[0].shape(), a.as<ReduceAttrs>()), DType::boolean});
}

Tensors sum_gradient(const Node& n, std::span<const Tensor> dy) {
  return {broadcast_to(with_axes(dy[0], n), n.in(0).shape())};
}

// Elements as large as the largest share dy equally. The choice itself has no derivative.
Tensors extreme_gradient(const Node& n, std::span<const Tensor> dy) {
  const Tensor& x = n.in(0);
  Tensor chosen = astype(equal(x, with_axes(n.out(), n)), x.dtype());
  Axes axes;
  for (auto a : n.attrs.as<ReduceAttrs>().axes) axes.push_back(a);
  Tensor ties = sum(chosen, {.axis = axes, .keepdims = true});
  return {chosen * (with_axes(dy[0], n) / ties)};
}

// The product of all others, from the left times from the right: no division, so zeros do no harm.
Tensors prod_gradient(const Node& n, std::span<const Tensor> dy) {
  const Shape& axes = n.attrs.as<ReduceAttrs>().axes;
  if (axes.empty()) return {dy[0]};
  const AxesLast last(n.in(0).shape(), axes);
  Tensor rows = reshape(permute_dims(n.in(0), last.order), last.flat);
  Tensor before = cumulative_prod(rows, {.axis = -1, .exclusive = true});
  Tensor after = cumulative_prod(rows, {.axis = -1, .exclusive = true, .reverse = true});
  Shape one = last.flat;
  one[one.rank() - 1] = 1;
  return {permute_dims(reshape(before * after * reshape(dy[0], one), last.apart), last.back)};
}

constexpr OpDef row(const char* name, Infer infer, Kernel kernel, Gradient gradient, Saves saves) {
  OpDef d = dense_row(name, infer, kernel, gradient, saves, &attrs_type<ReduceAttrs>);
  d.needs_contiguous = false;
  return d;
}
constexpr OpDef arg_row(const char* name, Infer infer, Kernel kernel) {
  OpDef d = row(name, infer, kernel, nullptr, Saves::none);
  d.needs_contiguous = true;
  return d;
}

constinit const OpDef sum_op = row("sum", infer_sum, cpu::sum, sum_gradient, Saves::none);
constinit const OpDef prod_op = row("prod", infer_sum, cpu::prod, prod_gradient, Saves::inputs);
constinit const OpDef min_op = row("min", infer_extreme<false>, cpu::min, extreme_gradient, Saves::both);
constinit const OpDef max_op = row("max", infer_extreme<true>, cpu::max, extreme_gradient, Saves::both);
constinit const OpDef any_op = row("any", infer_logic<false>, cpu::any, nullptr, Saves::none);
constinit const OpDef all_op = row("all", infer_logic<true>, cpu::all, nullptr, Saves::none);
constinit const OpDef argmin_op = arg_row("argmin", infer_arg<false>, cpu::argmin);
constinit const OpDef argmax_op = arg_row("argmax", infer_arg<true>, cpu::argmax);

Tensor reduce(const OpDef& op, const Tensor& x, const ReduceOptions& o, const Where& w) {
  CallSite site(w);
  return apply(op, {x}, ReduceAttrs{check_axes(op.name, o.axis, x.shape()), o.keepdims}, w);
}

Tensor reduce_arg(const OpDef& op, const Tensor& x, const ReduceOptions& o, const Where& w) {
  CallSite site(w);
  if (o.axis.rank() > 1) throw UsageError(fmt::format("{}: takes one axis or none, got {}.", op.name, o.axis.str()));
  return reduce(op, x, o, w);
}

// sqrt whose gradient at 0 is 0 instead of infinity.
Tensor sqrt_flat_at_zero(const Tensor& x) {
  Tensor zero = equal(x, 0.0);
  return where(zero, 0.0, sqrt(where(zero, 1.0, x)));
}

// x^p for x >= 0, whose gradient at 0 is 0.
Tensor power(const Tensor& x, double p) {
  Tensor zero = equal(x, 0.0);
  return where(zero, 0.0, pow(where(zero, 1.0, x), p));
}

// Composites of several steps keep f32 between the steps.
template <class F>
Tensor in_f32(const Tensor& x, F f) {
  return is_half(x.dtype()) ? astype(f(astype(x, DType::f32)), x.dtype()) : f(x);
}

}  // namespace

Tensor sum(const Tensor& x, ReduceOptions o, Where w) { return reduce(sum_op, x, o, w); }

Tensor prod(const Tensor& x, ReduceOptions o, Where w) {
  CallSite site(w);
  return reduce(prod_op, x.dtype() == DType::boolean ? astype(x, DType::i64) : x, o, w);
}

Tensor min(const Tensor& x, ReduceOptions o, Where w) { return reduce(min_op, x, o, w); }
Tensor max(const Tensor& x, ReduceOptions o, Where w) { return reduce(max_op, x, o, w); }
Tensor argmin(const Tensor& x, ReduceOptions o, Where w) { return reduce_arg(argmin_op, x, o, w); }
Tensor argmax(const Tensor& x, ReduceOptions o, Where w) { return reduce_arg(argmax_op, x, o, w); }

Tensor any(const Tensor& x, ReduceOptions o, Where w) {
  CallSite site(w);
  return reduce(any_op, astype(x, DType::boolean), o, w);
}

Tensor all(const Tensor& x, ReduceOptions o, Where w) {
  CallSite site(w);
  return reduce(all_op, astype(x, DType::boolean), o, w);
}

Tensor count_nonzero(const Tensor& x, ReduceOptions o, Where w) {
  CallSite site(w);
  check_axes("count_nonzero", o.axis, x.shape());
  return sum(astype(x, DType::boolean), o, w);
}

Tensor mean(const Tensor& x, ReduceOptions o, Where w) {
  CallSite site(w);
  check_floating("mean", x);
  Axes axes = check_axes("mean", o.axis, x.shape());
  const double n = double(count_of(x.shape(), axes));
  return in_f32(x, [&](const Tensor& t) { return sum(t, {axes, o.keepdims}) / n; });
}

Tensor var(const Tensor& x, VarianceOptions o, Where w) {
  CallSite site(w);
  check_floating("var", x);
  Axes axes = check_axes("var", o.axis, x.shape());
  const double n = double(count_of(x.shape(), axes));
  return in_f32(x, [&](const Tensor& t) {
    Tensor squares = square(t - mean(t, {axes, true}));
    return sum(squares, {axes, o.keepdims}) / std::max(0.0, n - o.correction);
  });
}

Tensor stddev(const Tensor& x, VarianceOptions o, Where w) {
  CallSite site(w);
  check_floating("stddev", x);
  o.axis = check_axes("stddev", o.axis, x.shape());
  return in_f32(x, [&](const Tensor& t) { return sqrt_flat_at_zero(var(t, o)); });
}

Tensor norm(const Tensor& x, NormOptions o, Where w) {
  CallSite site(w);
  check_floating("norm", x);
  ReduceOptions r{check_axes("norm", o.axis, x.shape()), o.keepdims};
  const double inf = std::numeric_limits<double>::infinity();
  if (!(o.ord > 0) && o.ord != -inf)
    throw UsageError(fmt::format("norm: ord must be positive or -infinity, got {}.", o.ord));
  return in_f32(x, [&](const Tensor& t) {
    if (o.ord == inf) return max(abs(t), r);
    if (o.ord == -inf) return min(abs(t), r);
    if (o.ord == 1) return sum(abs(t), r);
    if (o.ord == 2) return sqrt_flat_at_zero(sum(square(t), r));
    return power(sum(power(abs(t), o.ord), r), 1 / o.ord);
  });
}

void list_reduce(std::vector<const OpDef*>& out) {
  for (auto* o : {&sum_op, &prod_op, &min_op, &max_op, &argmin_op, &argmax_op, &any_op, &all_op}) out.push_back(o);
}

}  // namespace tapir
