// Each pass: what it does to a graph, what it leaves alone, that it changes no bit of a result.
#include <doctest/doctest.h>
#include <tapir/graph/passes.h>
#include <tapir/tapir.h>

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace tapir;

namespace {

using List = std::vector<Tensor>;

// All passes off but some, while it lives.
struct Only {
  explicit Only(const std::vector<std::string>& names) {
    for (auto& p : graph::all_passes())
      graph::enable_pass(p.name, std::find(names.begin(), names.end(), std::string(p.name)) != names.end());
  }
  ~Only() {
    for (auto& p : graph::all_passes()) graph::enable_pass(p.name, true);
  }
};

bool same_bits(const Tensor& a, const Tensor& b) {
  if (!(a.shape() == b.shape()) || a.dtype() != b.dtype()) return false;
  Tensor x = contiguous(a), y = contiguous(b);
  const std::size_t n = std::size_t(x.size()) * size_of(x.dtype());
  return n == 0 || std::memcmp(x.data<std::byte>(), y.data<std::byte>(), n) == 0;
}

// The names of the operations that run, after a call that gives the same bits as f itself.
template <class F>
std::string names(F f, const List& in) {
  auto traced = function([&](const List& x) { return f(x); });
  CHECK(same_bits(traced(in), f(in)));
  std::string out, text = traced.graphs().at(0);
  for (std::size_t at = 0; (at = text.find(" = ", at)) != text.npos;) {
    at += 3;
    out += (out.empty() ? "" : " ") + text.substr(at, text.find('(', at) - at);
  }
  return out;
}

const double kNan = std::nan(""), kInf = INFINITY;
Tensor specials() { return tensor({-0.0, 0.0, 1.5, -2.0, kInf, -kInf, kNan, 1e-310}, DType::f64); }
Tensor numbers() { return tensor({{1.0, -2.0, 3.0}, {0.5, -0.0, 7.0}}, DType::f64); }
Tensor integers() { return tensor({{1, -2, 300}, {0, 5, -70000}}); }

}  // namespace

TEST_CASE("simplify: arithmetic that changes nothing, to the last bit") {
  Only only({"simplify"});
  for (const Tensor& x : {specials(), specials().astype(DType::f32), integers()}) {
    const List in{x};
    CHECK(names([](const List& t) { return t[0] * 1; }, in) == "");
    CHECK(names([](const List& t) { return 1 * t[0]; }, in) == "");
    CHECK(names([](const List& t) { return t[0] - 0; }, in) == "");
    CHECK(names([](const List& t) { return pow(t[0], constant(1, t[0].dtype())); }, in) == "");
    CHECK(names([](const List& t) { return -(-t[0]); }, in) == "");
    CHECK(names([](const List& t) { return pow(t[0], constant(2, t[0].dtype())); }, in) == "square");
    CHECK(names([](const List& t) { return t[0] * 0; }, in) == "multiply");
    CHECK(names([](const List& t) { return 0 - t[0]; }, in) == "subtract");
    CHECK(names([](const List& t) { return t[0] + 0; }, in) == (is_floating(x.dtype()) ? "add" : ""));
  }
  const List in{specials()};
  CHECK(names([](const List& t) { return t[0] + -0.0; }, in) == "");
  CHECK(names([](const List& t) { return -0.0 + t[0]; }, in) == "");
  CHECK(names([](const List& t) { return t[0] - -0.0; }, in) == "subtract");
  CHECK(names([](const List& t) { return t[0] / 1.0; }, in) == "");
  CHECK(names([](const List& t) { return 1.0 / t[0]; }, in) == "divide");
  CHECK(names([](const List& t) { return t[0] * ones({2, 8}, DType::f64); }, in) == "multiply");  // it broadcasts
  CHECK(names([](const List& t) { return t[0].astype(DType::f32) * constant(1.0, DType::f64); }, in) ==
        "astype multiply");  // it promotes
  CHECK(names([](const List& t) { return !!(t[0] > 0.0); }, in) == "greater");
}

TEST_CASE("simplify: casts that lose nothing") {
  Only only({"simplify"});
  const Tensor wide = specials(), narrow = wide.astype(DType::f32), half = narrow.astype(DType::bf16);
  CHECK(names([](const List& t) { return t[0].astype(DType::f64).astype(DType::f32); }, {narrow}) == "");
  CHECK(names([](const List& t) { return t[0].astype(DType::f32).astype(DType::f64); }, {half}) == "astype");
  CHECK(names([](const List& t) { return t[0].astype(DType::f32).astype(DType::f64); }, {wide}) == "astype astype");
  CHECK(names([](const List& t) { return t[0].astype(DType::f16).astype(DType::f32); }, {half}) == "astype astype");
  CHECK(names([](const List& t) { return t[0].astype(DType::f64).astype(DType::i32); }, {narrow}) == "astype");
  const Tensor i = integers();
  CHECK(names([](const List& t) { return t[0].astype(DType::i64).astype(DType::i8); }, {i}) == "astype");
  CHECK(names([](const List& t) { return t[0].astype(DType::i64).astype(DType::u8); }, {i}) == "astype");
  CHECK(names([](const List& t) { return t[0].astype(DType::i16).astype(DType::i32); }, {i}) == "astype astype");
  CHECK(names([](const List& t) { return t[0].astype(DType::f64).astype(DType::i8); }, {i}) ==
        "astype astype");  // saturates
  CHECK(names([](const List& t) { return t[0].astype(DType::i16).astype(DType::f32); }, {i.astype(DType::u8)}) ==
        "astype");
  CHECK(names([](const List& t) { return t[0].astype(DType::u8).astype(DType::i16); }, {i.astype(DType::i8)}) ==
        "astype astype");
  CHECK(names([](const List& t) { return t[0].astype(DType::i32).astype(DType::f64); }, {i > 0}) == "astype");
}

TEST_CASE("simplify: views of views, broadcasts, sums of one") {
  Only only({"simplify"});
  const Tensor x = numbers(), row = ones({1, 3}, DType::f64);
  CHECK(names([](const List& t) { return reshape(reshape(t[0], {6}), {3, 2}); }, {x}) == "reshape");
  CHECK(names([](const List& t) { return reshape(reshape(t[0], {6}), {2, 3}); }, {x}) == "");
  CHECK(names(
            [](const List& t) {
              return broadcast_to(broadcast_to(t[0], {2, 3}), {4, 2, 3});
            },
            {row}) == "broadcast_to");
  CHECK(names([](const List& t) { return t[0] * broadcast_to(t[1], {2, 3}); }, {x, row}) == "multiply");
  CHECK(names([](const List& t) { return exp(broadcast_to(t[0], {2, 3})); }, {row}) == "broadcast_to exp");
  CHECK(names([](const List& t) { return t[0] + broadcast_to(t[0], {2, 3}); }, {row}) == "broadcast_to add");
  CHECK(names([](const List& t) { return sum(t[0], {.axis = 0}); }, {row}) == "reshape");
  CHECK(names([](const List& t) { return prod(max(t[0], {.axis = 0, .keepdims = true}), {.axis = 0}); }, {row}) ==
        "reshape");
  CHECK(names([](const List& t) { return sum(t[0], {.axis = 1}); }, {x}) == "sum");
  CHECK(names([](const List& t) { return sum(t[0], {.axis = 0}); }, {row > 0.0}) == "sum");  // counts
  const Tensor special = reshape(specials(), {1, 8, 1});
  for (auto d : {DType::f64, DType::f32})
    CHECK(names([](const List& t) { return sum(t[0], {.axis = {0, 2}}); }, {special.astype(d)}) == "reshape");
}

TEST_CASE("transposes") {
  Only only({"transposes"});
  const Tensor x = reshape(arange(24).astype(DType::f64), {2, 3, 4}), one = reshape(x, {2, 1, 12}), m = numbers();
  CHECK(names(
            [](const List& t) {
              return permute_dims(permute_dims(t[0], {1, 2, 0}), {2, 1, 0});
            },
            {x}) == "permute_dims");
  CHECK(names([](const List& t) { return permute_dims(permute_dims(t[0], {1, 2, 0}), {2, 0, 1}); }, {x}) == "");
  CHECK(names([](const List& t) { return permute_dims(t[0], {0, 1, 2}); }, {x}) == "");
  CHECK(names([](const List& t) { return permute_dims(t[0], {1, 0, 2}); }, {one}) == "permute_dims");  // [1, 2, 12]
  CHECK(names([](const List& t) { return permute_dims(t[0], {1, 0, 2}); }, {reshape(x, {1, 1, 24})}) == "");
  CHECK(names(
            [](const List& t) {
              return permute_dims(reshape(permute_dims(t[0], {1, 0}), {2, 3}), {1, 0});
            },
            {m}) == "permute_dims reshape permute_dims");
  CHECK(names([](const List& t) { return matmul(matrix_transpose(t[0]), t[0]); }, {m}) == "matmul");
  CHECK(names([](const List& t) { return matmul(t[0], matrix_transpose(t[0])); }, {m}) == "matmul");
  CHECK(
      names([](const List& t) { return matmul(matrix_transpose(t[0]), matrix_transpose(t[0]), {.transpose_a = true}); },
            {m}) == "matmul");
  CHECK(names([](const List& t) { return matmul(t[0], permute_dims(t[0], {0, 2, 1})); }, {x}) == "matmul");
  CHECK(names(
            [](const List& t) {
              return matmul(t[0], permute_dims(t[0], {1, 2, 0}));
            },
            {reshape(arange(27).astype(DType::f64), {3, 3, 3})}) == "permute_dims matmul");
  CHECK(names(
            [](const List& t) {
              return stack({matrix_transpose(t[0]), matrix_transpose(t[0]) * 2.0});
            },
            {m}) == "permute_dims permute_dims multiply stack");
}

TEST_CASE("unread_operands: what a gradient does not read, to the last bit") {
  auto gradients = [](auto f) {
    return [f](const List& t) {
      GradientTape tape;
      tape.watch(t[0]), tape.watch(t[1]);
      const List g = tape.gradient(f(t[0], t[1]), std::vector<GradientSource>{t[0], t[1]}, {.output_gradients = t[2]});
      return concat({reshape(g[0], {-1}), reshape(g[1], {-1})});
    };
  };
  Only only({"unread_operands"});
  for (DType d : {DType::f64, DType::f32, DType::f16}) {
    const Tensor x = specials().astype(d), y = specials()[Slice(none, none, -1)].astype(d);
    const List in{x, y, x + 1.0};
    CHECK(names(gradients([](const Tensor& a, const Tensor& b) { return a * b; }), in).find("grad") ==
          std::string::npos);
    CHECK(names(gradients([](const Tensor& a, const Tensor& b) { return a / b; }), in).find("divide_grad_a") ==
          std::string::npos);
    CHECK(names(gradients([](const Tensor& a, const Tensor& b) { return a / b; }), in).find("divide_grad_b") !=
          std::string::npos);
    // What is broadcast keeps its shape.
    const List wide{x, y[1], x + 1.0}, tall{x[1], y, x + 1.0};
    for (auto& list : {wide, tall})
      CHECK(names(gradients([](const Tensor& a, const Tensor& b) { return a * b + a / b; }), list)
                .find("multiply_grad") == std::string::npos);
  }
}

TEST_CASE("unread_operands: the gradient of a mean is a constant") {
  Only only({"unread_operands", "constant_folding", "prune"});
  const std::string ops = names(
      [](const List& t) {
        GradientTape tape;
        tape.watch(t[0]);
        return tape.gradient(mean(t[0]), t[0]);
      },
      {numbers()});
  CHECK(ops == "");
}

TEST_CASE("constant_folding: sizes that were unknown, within a limit") {
  Only only({"constant_folding"});
  auto count = [](const auto& f) {
    int nodes = 0;
    std::string text = f.graphs().at(0);
    for (std::size_t at = 0; (at = text.find(" = ", at)) != text.npos; at += 3) ++nodes;
    return nodes;
  };
  // A table of n rows: made in the trace while n is unknown, a constant when it is known.
  auto body = [](const Tensor& x) {
    Tensor rows =
        broadcast_to(reshape(exp(broadcast_to(constant(1.0, DType::f64), {x.shape(0)})), {-1, 1}), {x.shape(0), 2});
    return x + rows * 2.0;
  };
  auto f = function(body, {.signature = {TensorSpec({unknown, 2}, DType::f64)}});
  for (int n : {1, 5}) {
    Tensor x = random::normal({n, 2}, {.dtype = DType::f64, .seed = n});
    CHECK(same_bits(f(x), body(x)));
    CHECK(count(f) == 1);
  }
  f(zeros({200000, 2}, DType::f64));  // 1.6 MB of exp
  CHECK(count(f) > 1);
  CHECK(f.trace_count() == 1);
  auto draw = function([](const Tensor& x) { return x + random::uniform({x.shape(0)}); },
                       {.signature = {TensorSpec({unknown})}});
  CHECK_FALSE(allclose(draw(ones({8})), draw(ones({8}))));  // no draw is folded
}

TEST_CASE("loop_unrolling") {
  Only only({"loop_unrolling", "constant_folding"});
  const Tensor h = tensor({0.5, -0.25}, DType::f64), xs = reshape(arange(12).astype(DType::f64), {6, 2}) * 0.1;
  auto cell = [](const List& in) {
    auto [last, ys] =
        scan([](const Tensor& s, const Tensor& x) { return std::pair(tanh(s + x), s * x); }, in[0], in[1]);
    return concat({last, reshape(ys, {-1})});
  };
  const std::string unrolled = names(cell, {h, xs});
  CHECK(unrolled.find("loop") == unrolled.npos);
  CHECK(unrolled.find("tanh") != unrolled.npos);
  const Tensor more = concat({xs, xs});
  CHECK(names(cell, {h, more}) == "loop reshape concat");
  // backwards, over the gradient's loops
  auto gradient = [&](const List& in) {
    GradientTape tape;
    tape.watch(in[0]), tape.watch(in[1]);
    auto g = tape.gradient(sum(square(cell(in))), List{in[0], in[1]});
    return concat({g[0], reshape(g[1], {-1})});
  };
  auto traced = function([&](const List& in) { return gradient(in); });
  CHECK(allclose(traced(List{h, xs}), gradient({h, xs}), {.rtol = 1e-12}));
  CHECK(traced.graphs()[0].find("loop(") == std::string::npos);
  CHECK(allclose(traced(List{h, more}), gradient({h, more}), {.rtol = 1e-12}));
  CHECK(traced.graphs()[0].find("loop(") != std::string::npos);
  // for any length: unrolled where it is short
  auto open = function([&](const List& in) { return cell(in); },
                       {.signature = {TensorSpec({2}, DType::f64), TensorSpec({unknown, 2}, DType::f64)}});
  CHECK(allclose(open(List{h, xs}), cell({h, xs}), {.rtol = 1e-15}));
  CHECK(open.graphs()[0].find("loop(") == std::string::npos);
  CHECK(allclose(open(List{h, more}), cell({h, more}), {.rtol = 1e-15}));
  CHECK(open.trace_count() == 1);
  // a loop in a loop, and prints in order
  auto nested = [](const List& in) {
    return scan(
               [&](const Tensor& s, const Tensor& x) {
                 Tensor t =
                     scan([&](const Tensor& u, const Tensor& y) { return std::pair(u * y + x, u); }, s, in[1]).first;
                 return std::pair(t, t);
               },
               in[0], in[1])
        .second;
  };
  CHECK(names(nested, {h, xs[Slice(0, 3)]}).find("loop") == std::string::npos);
}

TEST_CASE("known_activations: gelu and silu in any spelling, and nothing else") {
  Only only({"known_activations"});
  // One op in place of several rounds differently: within a few roundings of the largest intermediate result.
  auto op_of = [](auto f, const Tensor& x) {
    auto traced = function(f);
    const Tensor got = traced(x), want = f(x);
    CHECK(allclose(got, want, {.rtol = 1e-5, .atol = 1e-6, .equal_nan = true}));
    const std::string text = traced.graphs().at(0);
    const std::size_t at = text.find(" = ");
    return text.find(" = ", at + 1) != text.npos ? "several" : text.substr(at + 3, text.find('(', at) - at - 3);
  };
  using T = const Tensor&;
  constexpr double a = 0.044715, root = 0.7978845608028654, half_root = 0.7071067811865476;
  for (DType dtype : {DType::f32, DType::f64}) {
    const Tensor x =
        concat({linspace(-9.0, 9.0, 400), tensor({0.0, -0.0, 1e13, -1e13, kNan, kInf, -kInf})}).astype(dtype);
    CHECK(op_of([](T x) { return x * 0.5 * (tanh((x + x * x * x * a) * root) + 1.0); }, x) == "gelu_tanh");
    CHECK(op_of([](T x) { return 0.5 * x * (1.0 + tanh(root * (x + a * pow(x, 3)))); }, x) == "gelu_tanh");
    CHECK(op_of([](T x) { return (1.0 + tanh(root * x * (1.0 + a * square(x)))) * x / 2.0; }, x) == "gelu_tanh");
    CHECK(op_of([](T x) { return 0.5 * (x * (1.0 + erf(x / 1.4142135623730951))); }, x) == "gelu");
    CHECK(op_of([](T x) { return x * (0.5 * (1.0 + erf(x * half_root))); }, x) == "gelu");
    CHECK(op_of([](T x) { return x * sigmoid(x); }, x) == "silu");
    CHECK(op_of([](T x) { return sigmoid(x) * x; }, x) == "silu");
  }
  const Tensor x = linspace(-3.0, 3.0, 50), h = x.astype(DType::f16);
  CHECK(op_of([](T x) { return x * 0.5 * (tanh((x + x * x * x * 0.045) * root) + 1.0); }, x) == "several");
  CHECK(op_of([](T x) { return x * 0.5 * (tanh((x + x * x * a) * root) + 1.0); }, x) == "several");
  CHECK(op_of([](T x) { return x * 0.51 * (tanh((x + x * x * x * a) * root) + 1.0); }, x) == "several");
  CHECK(op_of([](T x) { return x * 0.5 * (tanh((x + x * x * x * a) * root) + 1.1); }, x) == "several");
  CHECK(op_of([](T x) { return 0.5 / x * (1.0 + erf(x * half_root)); }, x) == "several");
  CHECK(op_of([](T x) { return (x + 1.0) * 0.5 * (1.0 + erf(x * half_root)); }, x) == "several");
  CHECK(op_of([](T x) { return sigmoid(x) * (x + 1.0); }, x) == "several");
  CHECK(op_of([](T x) { return x * sigmoid(x) + sum(sigmoid(x)); }, x) == "several");
  // Halves are rounded after each op.
  auto traced = function([](T x) { return x * sigmoid(x); });
  CHECK(same_bits(traced(h), h * sigmoid(h)));
}

TEST_CASE("enable_pass knows its passes") {
  std::string text;
  try {
    graph::enable_pass("nothing", true);
  } catch (const UsageError& e) {
    text = e.what();
  }
  CHECK(text.find("enable_pass: there is no pass 'nothing'. There are prune, ") == 0);
}
