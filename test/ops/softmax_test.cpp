#include <doctest/doctest.h>

#include <tapir/test/ops/axis_reference.h>

using namespace tapir;
using namespace axis_reference;

namespace {

// The rows along one axis, worked on in f64 and put back.
template <class F>
std::vector<double> along(const Tensor& x, int axis, F f) {
  std::int64_t outer = 1, n = x.shape()[axis], inner = 1;
  for (int i = 0; i < axis; ++i) outer *= x.shape()[i];
  for (int i = axis + 1; i < x.rank(); ++i) inner *= x.shape()[i];
  auto v = doubles(x);
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t j = 0; j < inner; ++j) {
      std::vector<double> row;
      for (std::int64_t i = 0; i < n; ++i) row.push_back(v[std::size_t((o * n + i) * inner + j)]);
      f(row);
      for (std::int64_t i = 0; i < n; ++i) v[std::size_t((o * n + i) * inner + j)] = row[std::size_t(i)];
    }
  return v;
}

double lse_of(const std::vector<double>& v) {
  double m = -INFINITY, s = 0;
  for (double a : v) m = std::max(m, a);
  if (std::isinf(m)) return m;
  for (double a : v) s += std::exp(a - m);
  return m + std::log(s);
}

const std::vector<Shape> kShapes = {{7},       {1},         {33},      {3, 10},      {5, 64},
                                    {4, 3, 5}, {2, 37, 19}, {3, 1000}, {2, 3, 4, 5}, {1, 5000}};

}  // namespace

TEST_CASE("softmax, log_softmax and logsumexp along every axis") {
  for (auto& s : kShapes)
    for (int axis = 0; axis < s.rank(); ++axis)
      for (DType d : {DType::f32, DType::f64}) {
        CAPTURE(s.str());
        CAPTURE(axis);
        Tensor x = numbers_of(s, 21, -30, 30).astype(d);
        double tolerance = d == DType::f32 ? 5e-7 : 1e-14;
        auto p = along(x, axis, [](auto& r) {
          double l = lse_of(r);
          for (double& v : r) v = std::exp(v - l);
        });
        auto logs = along(x, axis, [](auto& r) {
          double l = lse_of(r);
          for (double& v : r) v -= l;
        });
        for (const Tensor& t : {x, strided(x)}) {
          CHECK(distance(softmax(t, axis), p) < tolerance);
          CHECK(distance(softmax(t, axis - s.rank()), p) < tolerance);
          CHECK(distance(log_softmax(t, axis), logs) < tolerance);
          std::vector<double> sums;
          for (auto& g : groups(x, axis)) sums.push_back(lse_of(g));
          CHECK(distance(logsumexp(t, {.axis = axis}), sums) < tolerance);
        }
      }
}

TEST_CASE("softmax has a small relative error, and rows add up to one") {
  auto values = numbers(8 * 1001, 22, -60, 0);
  for (std::size_t i = 0; i < values.size(); i += 1001) values[i] = 0;  // the largest, so that x - max is exact
  Tensor x = Tensor::from_vector(values, {8, 1001}).astype(DType::f32);
  auto y = doubles(softmax(x));
  auto p = along(x, 1, [](auto& r) {
    double l = lse_of(r);
    for (double& v : r) v = std::exp(v - l);
  });
  double worst = 0;
  for (std::size_t i = 0; i < y.size(); ++i) worst = std::max(worst, std::abs(y[i] / p[i] - 1));
  CHECK(worst < 4 * 0x1p-23);
  for (double v : doubles(sum(softmax(x), {.axis = 1}))) CHECK(std::abs(v - 1) < 1e-6);
}

TEST_CASE("logsumexp over several axes, and keepdims") {
  Tensor x = numbers_of({3, 4, 5}, 23, -5, 5);
  for (auto& axes : subsets(3)) {
    std::vector<double> e;
    for (auto& g : groups(x, axes)) e.push_back(lse_of(g));
    CHECK(distance(logsumexp(x, {.axis = axes}), e) < 1e-14);
    CHECK(logsumexp(x, {.axis = axes, .keepdims = true}).shape() == sum(x, {.axis = axes, .keepdims = true}).shape());
  }
  CHECK(logsumexp(x).rank() == 0);
  CHECK(logsumexp(constant(2.5f)).item<float>() == 2.5f);
}

TEST_CASE("infinities, NaN and large values as in TensorFlow") {
  const double inf = INFINITY, nan = NAN;
  Tensor x = tensor({{1e4, -1e4, 0.0},
                     {88.0, 89.0, 90.0},
                     {-inf, 0.0, 1.0},
                     {3e38, 3e38, -3e38},
                     {nan, 0.0, 1.0},
                     {inf, 0.0, 1.0},
                     {-inf, -inf, -inf},
                     {7.0, 7.0, 7.0}});
  const double a = 0.09003057330846786, b = 0.2447284758090973, c = 0.6652409434318542, t = 1.0 / 3;
  const double u = 0.2689414322376251, v = 0.7310585975646973, l = std::log(3.0);
  CHECK(distance(softmax(x), {1,   0,   0,   a,   b,   c,   0,   u,   v,   0.5, 0.5, 0,
                              nan, nan, nan, nan, nan, nan, nan, nan, nan, t,   t,   t}) < 2e-7);
  CHECK(distance(log_softmax(x), {0,
                                  -2e4,
                                  -1e4,
                                  -2.4076058864593506,
                                  -1.4076058864593506,
                                  -0.40760594606399536,
                                  -inf,
                                  -1.31326162815094,
                                  -0.31326162815093994,
                                  -std::log(2.0),
                                  -std::log(2.0),
                                  -inf,
                                  nan,
                                  nan,
                                  nan,
                                  nan,
                                  nan,
                                  nan,
                                  nan,
                                  nan,
                                  nan,
                                  -l,
                                  -l,
                                  -l}) < 2e-7);
  CHECK(distance(logsumexp(x, {.axis = 1}),
                 {1e4, 90.40760596444438, 1.3132616875182228, double(3e38f), nan, inf, -inf, 7 + l}) < 2e-7);
  Tensor low = tensor({{-inf, -inf}, {-inf, 0.0}}, DType::f64);
  GradientTape tape;
  tape.watch(low);
  CHECK(distance(tape.gradient(logsumexp(low, {.axis = 1}), low), {0, 0, 0, 1}) < 1e-15);
  CHECK(doubles(logsumexp(zeros({2, 0}), {.axis = 1})) == std::vector<double>{-inf, -inf});
  CHECK(softmax(zeros({2, 0})).shape() == Shape{2, 0});
  CHECK(softmax(zeros({0, 2}), 0).shape() == Shape{0, 2});
}

TEST_CASE("halves") {
  Tensor x = numbers_of({4, 9}, 24, -3, 3).astype(DType::bf16);
  CHECK(softmax(x).dtype() == DType::bf16);
  CHECK(distance(softmax(x), doubles(softmax(x.astype(DType::f64)))) < 0x1p-8);
  CHECK(logsumexp(x.astype(DType::f16)).dtype() == DType::f16);
}

TEST_CASE("gradients in f64, to second order") {
  for (auto& s : {Shape{5}, Shape{2, 3}, Shape{2, 3, 2}}) {
    Tensor x = numbers_of(s, 25, -2, 2), w = numbers_of(s, 26);
    for (int axis = 0; axis < s.rank(); ++axis) {
      auto check = [&](auto f) {
        auto r = gradcheck(f, x, {.order = 2, .tolerance = 1e-5});
        CHECK_MESSAGE(r.ok, r.report);
      };
      check([&](const Tensor& t) { return softmax(t, axis) * w; });
      check([&](const Tensor& t) { return log_softmax(t, axis) * w; });
      check([&](const Tensor& t) { return square(logsumexp(t, {.axis = axis})); });
    }
  }
}

TEST_CASE("f32 gradients agree with f64 on long and odd rows") {
  for (auto& s : {Shape{3, 1003}, Shape{17, 9}, Shape{6, 5, 18}})
    for (int axis = 0; axis < s.rank(); ++axis) {
      auto of = [&](DType d, auto f) {
        Tensor x = numbers_of(s, 27, -4, 4).astype(DType::f32).astype(d),
               dy = numbers_of(s, 28).astype(DType::f32).astype(d);
        GradientTape tape;
        tape.watch(x);
        return doubles(tape.gradient(f(x, axis, Where::current()), x, {.output_gradients = dy}));
      };
      auto close = [](const std::vector<double>& a, const std::vector<double>& b) {
        double worst = 0;
        for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
        return worst;
      };
      CHECK(close(of(DType::f32, softmax), of(DType::f64, softmax)) < 1e-6);
      CHECK(close(of(DType::f32, log_softmax), of(DType::f64, log_softmax)) < 5e-6);
    }
}

TEST_CASE("errors") {
  auto says = [](auto f, const std::string& text) {
    try {
      f();
      FAIL("nothing was thrown");
    } catch (const Error& e) {
      std::string s = e.what();
      CHECK(s.substr(s.find(": ") + 2) == text);
    }
  };
  says([] { softmax(ones({2, 3}), 2); }, "softmax: axis 2 is out of range for rank 2 ([2, 3]).");
  says(
      [] {
        log_softmax(ones({2, 3}, DType::i32));
      },
      "log_softmax: needs a floating dtype, got i32. Cast it first: x.astype(DType::f32).");
}

TEST_CASE("as TensorFlow, values and gradients") {
  for (auto& [name, axis] : {std::pair{"", -1}, {"_axis1", 1}, {"_special", -1}}) {
    CAPTURE(name);
    auto of = [a = axis](auto f) { return [f, a](const Tensor& x) { return f(x, a, Where::current()); }; };
    CHECK(golden("elementwise.npz", std::string("softmax") + name, of(softmax)) < 1e-6);
    CHECK(golden("elementwise.npz", std::string("log_softmax") + name, of(log_softmax)) < 1e-6);
  }
}
