// ONNX: elementwise operators, comparisons, logic, bits, activations, casts.
#include <tapir/formats/onnx_call.h>
#include <tapir/ops/create.h>
#include <tapir/ops/softmax.h>

#include <fmt/format.h>

#include <limits>

namespace tapir::onnx::detail {

namespace {

template <Tensor (*f)(const Tensor&, Where)>
Results unary(const Call& c) {
  return {f(c[0], Where())};
}
template <Tensor (*f)(const Operand&, const Operand&)>
Results binary(const Call& c) {
  return {f(c[0], c[1])};
}
// Any number of inputs.
template <Tensor (*f)(const Operand&, const Operand&)>
Results folded(const Call& c) {
  Tensor all = c[0];
  for (std::size_t i = 1; i < c.in().size(); ++i) all = f(all, c[i]);
  return {all};
}
template <Tensor (*bits)(const Operand&, const Operand&), Tensor (*other)(const Operand&, const Operand&)>
Results shift(const Call& c) {
  const std::string direction = c.text("direction");
  if (direction != "LEFT" && direction != "RIGHT") c.fail("direction is \"" + direction + "\", not LEFT or RIGHT");
  return {direction == "LEFT" ? bits(c[0], c[1]) : other(c[0], c[1])};
}

// Whole numbers are divided as in C: rounded toward zero.
Results div(const Call& c) {
  const Tensor &a = c[0], &b = c[1];
  if (is_floating(a.dtype())) return {a / b};
  const Tensor down = floor_divide(a, b);
  if (a.dtype() == DType::u8) return {down};
  return {where(logical_and(not_equal(down * b, a), not_equal(less(a, 0), less(b, 0))), down + 1, down)};
}
Results mod(const Call& c) {
  const Tensor &a = c[0], &b = c[1];
  if (!c.flag("fmod")) return {remainder(a, b)};
  const Tensor size = remainder(abs(a), abs(b));  // with the sign of a, as in C
  return {where(less(a, 0), -size, size)};
}
// The result has the dtype of the base.
Results pow_(const Call& c) {
  const Tensor &a = c[0], &b = c[1];
  if (a.dtype() == b.dtype()) return {pow(a, b)};
  if (is_floating(a.dtype())) return {pow(a, b.astype(a.dtype()))};
  return {pow(a.astype(DType::f64), b.astype(DType::f64)).astype(a.dtype())};
}
Results mean_(const Call& c) { return {folded<add>(c)[0] / double(c.in().size())}; }

Results clip_(const Call& c) {
  Tensor x = c[0];
  if (c.opset() < 11) {
    if (c.given("min")) x = maximum(x, c.number("min", 0));
    return {c.given("max") ? minimum(x, c.number("max", 0)) : x};
  }
  if (c.has(1)) x = maximum(x, c[1]);
  return {c.has(2) ? minimum(x, c[2]) : x};
}

Results elu_(const Call& c) { return {elu(c[0], c.number("alpha", 1))}; }
Results celu(const Call& c) {
  const double alpha = c.number("alpha", 1);
  return {elu(c[0] / alpha) * alpha};
}
Results selu_(const Call& c) {
  return {elu(c[0], c.number("alpha", 1.67326319217681884765625)) * c.number("gamma", 1.05070102214813232421875)};
}
Results gelu_(const Call& c) { return {gelu(c[0], {.approximate = c.text("approximate", "none") == "tanh"})}; }
Results hard_sigmoid_(const Call& c) { return {clip(c[0] * c.number("alpha", 0.2) + c.number("beta", 0.5), 0, 1)}; }
Results leaky(const Call& c) { return {leaky_relu(c[0], c.number("alpha", 0.01))}; }
Results prelu(const Call& c) { return {where(less(c[0], 0), c[0] * c[1], c[0])}; }
Results thresholded(const Call& c) { return {where(greater(c[0], c.number("alpha", 1)), c[0], zeros_like(c[0]))}; }
Results shrink(const Call& c) {
  const double bias = c.number("bias", 0), limit = c.number("lambd", 0.5);
  const Tensor& x = c[0];
  return {where(less(x, -limit), x + bias, where(greater(x, limit), x - bias, zeros_like(x)))};
}

// Before opset 13 all axes from `axis` on were one.
template <Tensor (*f)(const Tensor&, std::int64_t, Where)>
Results along(const Call& c) {
  const Tensor& x = c[0];
  if (c.opset() >= 13) return {f(x, axis_of(c, c.integer("axis", -1), x.rank()), Where())};
  const auto axis = int(axis_of(c, c.integer("axis", 1), x.rank()));
  const Tensor flat = reshape(x, {x.shape().first(axis).size(), x.shape().last(x.rank() - axis).size()});
  return {reshape(f(flat, 1, Where()), x.shape())};
}
Tensor hardmax(const Tensor& x, std::int64_t axis, Where w) {
  return one_hot(argmax(x, {.axis = axis}, w), x.shape()[int(axis)], {.axis = int(axis), .dtype = x.dtype()}, w);
}

Results isinf_(const Call& c) {
  const Tensor all = isinf(c[0]);
  const bool minus = c.flag("detect_negative", true), plus = c.flag("detect_positive", true);
  if (minus && plus) return {all};
  return {logical_and(all, plus ? greater(c[0], 0) : minus ? less(c[0], 0) : zeros_like(all))};
}
Results where_(const Call& c) { return {where(c[0], c[1], c[2])}; }

Results cast(const Call& c) {
  const auto to = Type(c.integer("to", 0));
  if (to == Type::u16 || to == Type::u32 || to == Type::u64) c.fail("casts to u16, u32 or u64 are not supported");
  return {c[0].astype(dtype_of(std::int64_t(to), c.context(), "a cast's result"))};
}
Results cast_like(const Call& c) { return {c[0].astype(c[1].dtype())}; }
Results identity(const Call& c) { return {c[0]}; }

constexpr Row rows[] = {
    {"Abs", unary<abs>},
    {"Acos", unary<acos>},
    {"Acosh", unary<acosh>},
    {"Add", binary<add>, 7},
    {"And", binary<logical_and>, 7},
    {"Asin", unary<asin>},
    {"Asinh", unary<asinh>},
    {"Atan", unary<atan>},
    {"Atanh", unary<atanh>},
    {"BitShift", shift<bitwise_left_shift, bitwise_right_shift>},
    {"BitwiseAnd", binary<bitwise_and>},
    {"BitwiseNot", unary<bitwise_invert>},
    {"BitwiseOr", binary<bitwise_or>},
    {"BitwiseXor", binary<bitwise_xor>},
    {"Cast", cast, 6},
    {"CastLike", cast_like},
    {"Ceil", unary<ceil>},
    {"Celu", celu},
    {"Clip", clip_, 6, 0, 1},
    {"Cos", unary<cos>},
    {"Cosh", unary<cosh>},
    {"Div", div, 7},
    {"Elu", elu_},
    {"Equal", binary<equal>, 7},
    {"Erf", unary<erf>},
    {"Exp", unary<exp>},
    {"Floor", unary<floor>},
    {"Gelu", gelu_},
    {"Greater", binary<greater>, 7},
    {"GreaterOrEqual", binary<greater_equal>},
    {"HardSigmoid", hard_sigmoid_},
    {"HardSwish", unary<hard_silu>},
    {"Hardmax", along<hardmax>},
    {"Identity", identity},
    {"IsInf", isinf_},
    {"IsNaN", unary<isnan>},
    {"LeakyRelu", leaky},
    {"Less", binary<less>, 7},
    {"LessOrEqual", binary<less_equal>},
    {"Log", unary<log>},
    {"LogSoftmax", along<log_softmax>},
    {"Max", folded<maximum>},
    {"Mean", mean_},
    {"Min", folded<minimum>},
    {"Mish", unary<mish>},
    {"Mod", mod},
    {"Mul", binary<multiply>, 7},
    {"Neg", unary<negative>},
    {"Not", unary<logical_not>},
    {"Or", binary<logical_or>, 7},
    {"PRelu", prelu, 7},
    {"Pow", pow_, 7, 0, 1},
    {"Reciprocal", unary<reciprocal>},
    {"Relu", unary<relu>},
    {"Round", unary<round>},
    {"Selu", selu_},
    {"Shrink", shrink},
    {"Sigmoid", unary<sigmoid>},
    {"Sign", unary<sign>},
    {"Sin", unary<sin>},
    {"Sinh", unary<sinh>},
    {"Softmax", along<softmax>},
    {"Softplus", unary<softplus>},
    {"Softsign", unary<softsign>},
    {"Sqrt", unary<sqrt>},
    {"Sub", binary<subtract>, 7},
    {"Sum", folded<add>},
    {"Tan", unary<tan>},
    {"Tanh", unary<tanh>},
    {"ThresholdedRelu", thresholded},
    {"Where", where_},
    {"Xor", binary<logical_xor>, 7},
};

}  // namespace

std::span<const Row> elementwise_rows() { return rows; }

}  // namespace tapir::onnx::detail
