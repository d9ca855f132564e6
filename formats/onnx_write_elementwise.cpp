// Writing ONNX: elementwise operations. What ONNX has not is written as what it is made of.
#include <tapir/formats/onnx_writer.h>

#include <cmath>

namespace tapir::onnx::detail {

namespace {

using graph::attr;
using graph::Node;

DType out_dtype(Writer& w, const Node& n) { return w.spec(n.out[0]).dtype; }
std::string in(Writer& w, const Node& n, std::size_t i = 0) { return w.as(n.in[i], out_dtype(w, n)); }
std::string number(Writer& w, const Node& n, double v) { return w.number(v, out_dtype(w, n)); }

// The same operator under the name `to`; inputs are cast to the result's dtype.
Names same(Writer& w, const Node& n, const char* to) {
  Names all;
  for (std::size_t i = 0; i < n.in.size(); ++i) all.push_back(in(w, n, i));
  return {w.add(to, all)};
}
// A comparison: inputs are cast to what both become.
std::string compared(Writer& w, const Node& n, const char* to) {
  DType a = w.spec(n.in[0]).dtype, b = w.spec(n.in[1]).dtype, both = a;
  auto weak = [&](int v) { return w.graph().is_constant(v) && w.graph().values[std::size_t(v)].constant.is_weak(); };
  if (weak(n.in[0])) both = b;
  else if (!weak(n.in[1]) && !promote(a, b, both)) both = a;
  return w.add(to, {w.as(n.in[0], both), w.as(n.in[1], both)});
}
Names compare(Writer& w, const Node& n, const char* to) { return {compared(w, n, to)}; }
Names not_equal(Writer& w, const Node& n, const char*) { return {w.add("Not", {compared(w, n, "Equal")})}; }

// ONNX's own functions of one argument whose results are bools.
Names test(Writer& w, const Node& n, const char* to) { return {w.add(to, {w.name(n.in[0])})}; }
Names isfinite(Writer& w, const Node& n, const char*) {
  const std::string x = w.name(n.in[0]);
  return {w.add("Not", {w.add("Or", {w.add("IsNaN", {x}), w.add("IsInf", {x})})})};
}
Names where(Writer& w, const Node& n, const char*) {
  return {w.add("Where", {w.name(n.in[0]), in(w, n, 1), in(w, n, 2)})};
}

Names clip(Writer& w, const Node& n, const char*) {
  return {w.add("Min", {w.add("Max", {in(w, n), in(w, n, 1)}), in(w, n, 2)})};
}
Names square(Writer& w, const Node& n, const char*) { return {w.add("Mul", {in(w, n), in(w, n)})}; }
Names squared_difference(Writer& w, const Node& n, const char*) {
  const std::string d = w.add("Sub", {in(w, n), in(w, n, 1)});
  return {w.add("Mul", {d, d})};
}
Names rsqrt(Writer& w, const Node& n, const char*) { return {w.add("Reciprocal", {w.add("Sqrt", {in(w, n)})})}; }
Names exp2(Writer& w, const Node& n, const char*) { return {w.add("Pow", {number(w, n, 2), in(w, n)})}; }
// Less exact near 0 than ours.
Names log1p(Writer& w, const Node& n, const char*) {
  return {w.add("Log", {w.add("Add", {in(w, n), number(w, n, 1)})})};
}
Names expm1(Writer& w, const Node& n, const char*) {
  return {w.add("Sub", {w.add("Exp", {in(w, n)}), number(w, n, 1)})};
}
Names erfc(Writer& w, const Node& n, const char*) {
  return {w.add("Sub", {number(w, n, 1), w.add("Erf", {in(w, n)})})};
}
Names trunc(Writer& w, const Node& n, const char*) {
  return {w.add("Mul", {w.add("Sign", {in(w, n)}), w.add("Floor", {w.add("Abs", {in(w, n)})})})};
}
template <int base>
Names log_base(Writer& w, const Node& n, const char*) {
  return {w.add("Div", {w.add("Log", {in(w, n)}), number(w, n, std::log(double(base)))})};
}
Names leaky_relu(Writer& w, const Node& n, const char*) {
  return {w.add("LeakyRelu", {in(w, n)}, {attribute("alpha", attr<double>(n, "alpha"))})};
}
Names elu(Writer& w, const Node& n, const char*) {
  return {w.add("Elu", {in(w, n)}, {attribute("alpha", attr<double>(n, "alpha"))})};
}
Names relu6(Writer& w, const Node& n, const char*) {
  return {w.add("Clip", {in(w, n), number(w, n, 0), number(w, n, 6)})};
}
Names gelu(Writer& w, const Node& n, const char*) {
  const std::string x = in(w, n), erf = w.add("Erf", {w.add("Mul", {x, number(w, n, std::sqrt(0.5))})});
  return {w.add("Mul", {w.add("Mul", {x, number(w, n, 0.5)}), w.add("Add", {erf, number(w, n, 1)})})};
}
Names gelu_tanh(Writer& w, const Node& n, const char*) {
  const std::string x = in(w, n), cube = w.add("Mul", {w.add("Mul", {x, x}), x});
  const std::string inner = w.add("Add", {x, w.add("Mul", {cube, number(w, n, 0.044715)})});
  const std::string t = w.add("Tanh", {w.add("Mul", {inner, number(w, n, std::sqrt(2 / M_PI))})});
  return {w.add("Mul", {w.add("Mul", {x, number(w, n, 0.5)}), w.add("Add", {t, number(w, n, 1)})})};
}
Names silu(Writer& w, const Node& n, const char*) { return {w.add("Mul", {in(w, n), w.add("Sigmoid", {in(w, n)})})}; }
Names mish(Writer& w, const Node& n, const char*) {
  return {w.add("Mul", {in(w, n), w.add("Tanh", {w.add("Softplus", {in(w, n)})})})};
}
Names log_sigmoid(Writer& w, const Node& n, const char*) {
  return {w.add("Neg", {w.add("Softplus", {w.add("Neg", {in(w, n)})})})};
}
Names hard_sigmoid(Writer& w, const Node& n, const char*) {
  return {w.add("HardSigmoid", {in(w, n)}, {attribute("alpha", 1.0 / 6), attribute("beta", 0.5)})};
}
Names floor_divide(Writer& w, const Node& n, const char*) {
  if (!is_floating(out_dtype(w, n)))
    throw UsageError("onnx::save: floor_divide of whole numbers cannot be written: ONNX rounds toward zero.");
  return {w.add("Floor", {w.add("Div", {in(w, n), in(w, n, 1)})})};
}
Names remainder(Writer& w, const Node& n, const char*) {
  if (!is_floating(out_dtype(w, n))) return {w.add("Mod", {in(w, n), in(w, n, 1)})};
  return {w.add("Sub", {in(w, n), w.add("Mul", {in(w, n, 1), floor_divide(w, n, "")[0]})})};
}

constexpr WriteRow rows[] = {
    {"abs", same, "Abs"},
    {"acos", same, "Acos"},
    {"acosh", same, "Acosh"},
    {"add", same, "Add"},
    {"asin", same, "Asin"},
    {"asinh", same, "Asinh"},
    {"atan", same, "Atan"},
    {"atanh", same, "Atanh"},
    {"ceil", same, "Ceil"},
    {"clip", clip},
    {"cos", same, "Cos"},
    {"cosh", same, "Cosh"},
    {"divide", same, "Div"},
    {"elu", elu},
    {"equal", compare, "Equal"},
    {"erf", same, "Erf"},
    {"erfc", erfc},
    {"exp", same, "Exp"},
    {"expm1", expm1},
    {"exp2", exp2},
    {"floor", same, "Floor"},
    {"floor_divide", floor_divide},
    {"gelu", gelu},
    {"gelu_tanh", gelu_tanh},
    {"greater", compare, "Greater"},
    {"greater_equal", compare, "GreaterOrEqual"},
    {"hard_sigmoid", hard_sigmoid},
    {"hard_silu", same, "HardSwish"},
    {"isfinite", isfinite},
    {"isinf", test, "IsInf"},
    {"isnan", test, "IsNaN"},
    {"leaky_relu", leaky_relu},
    {"less", compare, "Less"},
    {"less_equal", compare, "LessOrEqual"},
    {"log", same, "Log"},
    {"log1p", log1p},
    {"log10", log_base<10>},
    {"log2", log_base<2>},
    {"log_sigmoid", log_sigmoid},
    {"logical_and", same, "And"},
    {"logical_not", same, "Not"},
    {"logical_or", same, "Or"},
    {"logical_xor", same, "Xor"},
    {"maximum", same, "Max"},
    {"minimum", same, "Min"},
    {"mish", mish},
    {"multiply", same, "Mul"},
    {"negative", same, "Neg"},
    {"not_equal", not_equal},
    {"pow", same, "Pow"},
    {"reciprocal", same, "Reciprocal"},
    {"relu", same, "Relu"},
    {"relu6", relu6},
    {"remainder", remainder},
    {"round", same, "Round"},
    {"rsqrt", rsqrt},
    {"selu", same, "Selu"},
    {"sigmoid", same, "Sigmoid"},
    {"sign", same, "Sign"},
    {"silu", silu},
    {"sin", same, "Sin"},
    {"sinh", same, "Sinh"},
    {"softplus", same, "Softplus"},
    {"softsign", same, "Softsign"},
    {"sqrt", same, "Sqrt"},
    {"square", square},
    {"squared_difference", squared_difference},
    {"subtract", same, "Sub"},
    {"tan", same, "Tan"},
    {"tanh", same, "Tanh"},
    {"trunc", trunc},
    {"where", where},
};

}  // namespace

std::span<const WriteRow> written_elementwise() { return rows; }

}  // namespace tapir::onnx::detail
