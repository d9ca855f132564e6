#include <doctest/doctest.h>
#include <tapir/backends/cpu/parallel.h>

#include <tapir/test/ops/axis_reference.h>

#include <algorithm>
#include <functional>
#include <numeric>

using namespace tapir;
using namespace axis_reference;

namespace {

using Reference = std::function<double(const std::vector<double>&)>;
using Op = Tensor (*)(const Tensor&, ReduceOptions, Where);

double sum_of(const std::vector<double>& v) { return std::accumulate(v.begin(), v.end(), 0.0); }
double mean_of(const std::vector<double>& v) { return sum_of(v) / double(v.size()); }
double prod_of(const std::vector<double>& v) { return std::accumulate(v.begin(), v.end(), 1.0, std::multiplies<>()); }
double max_of(const std::vector<double>& v) {
  for (double a : v)
    if (std::isnan(a)) return a;
  return *std::max_element(v.begin(), v.end());
}
double min_of(const std::vector<double>& v) {
  for (double a : v)
    if (std::isnan(a)) return a;
  return *std::min_element(v.begin(), v.end());
}
double var_of(const std::vector<double>& v, double correction) {
  double m = mean_of(v), s = 0;
  for (double a : v) s += (a - m) * (a - m);
  return s / (double(v.size()) - correction);
}

std::vector<double> expected(const Tensor& x, const Axes& axes, const Reference& f) {
  std::vector<double> out;
  for (auto& g : groups(x, axes)) out.push_back(f(g));
  return out;
}

// Every set of axes, with and without keepdims, dense and strided.
void check_all_axes(const Tensor& x, Op op, const Reference& f, double tolerance) {
  for (auto& axes : subsets(x.rank()))
    for (const Tensor& t : {x, strided(x)})
      for (bool keep : {false, true}) {
        CAPTURE(x.shape().str());
        CAPTURE(axes.str());
        Tensor y = op(t, {axes, keep}, Where::current());
        Shape s;
        for (int i = 0; i < x.rank(); ++i) {
          bool gone = std::find(axes.begin(), axes.end(), i) != axes.end();
          if (!gone) s.push_back(x.shape()[i]);
          else if (keep) s.push_back(1);
        }
        CHECK(y.shape() == s);
        CHECK(distance(y, expected(x, axes, f)) <= tolerance);
      }
}

template <class E, class F>
void check_error(F f, const std::string& message) {
  try {
    f();
    FAIL("nothing was thrown");
  } catch (const E& e) {
    std::string s = e.what();
    CHECK(s.substr(s.find(": ") + 2) == message);
  }
}

const std::vector<Shape> kShapes = {{7},       {1},         {3, 5},       {33, 70},     {4, 3, 5},
                                    {2, 1, 9}, {5, 130, 3}, {2, 3, 4, 5}, {3, 2, 1, 67}};

}  // namespace

TEST_CASE("sums, products and extremes over every set of axes") {
  for (auto& s : kShapes) {
    Tensor x = numbers_of(s, 3);
    for (DType d : {DType::f64, DType::f32}) {
      double tolerance = d == DType::f64 ? 1e-12 : 2e-6;
      Tensor t = x.astype(d);
      check_all_axes(t, tapir::sum, sum_of, tolerance);
      check_all_axes(t, tapir::mean, mean_of, tolerance);
      check_all_axes(t * 0.3 + 1.0, tapir::prod, prod_of, 1e-5);
      check_all_axes(t, tapir::max, max_of, 0);
      check_all_axes(t, tapir::min, min_of, 0);
    }
  }
}

TEST_CASE("var and stddev with a correction") {
  for (auto& s : {Shape{3, 5}, Shape{4, 3, 5}}) {
    Tensor x = numbers_of(s, 4) + 10.0;
    for (double c : {0.0, 1.0})
      for (auto& axes : subsets(s.rank())) {
        CHECK(distance(var(x, {.axis = axes, .correction = c}),
                       expected(x, axes, [c](auto& v) { return var_of(v, c); })) < 1e-12);
        CHECK(distance(stddev(x, {.axis = axes, .keepdims = true, .correction = c}),
                       expected(x, axes, [c](auto& v) { return std::sqrt(var_of(v, c)); })) < 1e-12);
      }
  }
  CHECK(std::isnan(var(ones({1}), {.correction = 1}).item<float>()));
}

TEST_CASE("norms") {
  Tensor x = numbers_of({6, 7}, 5, -3, 3);
  const double inf = INFINITY;
  for (double p : {1.0, 2.0, 3.0, 0.5, inf, -inf})
    for (auto& axes : subsets(2)) {
      CAPTURE(p);
      auto f = [p](const std::vector<double>& v) {
        double s = 0, most = 0, least = INFINITY;
        for (double a : v)
          s += std::pow(std::abs(a), p), most = std::max(most, std::abs(a)), least = std::min(least, std::abs(a));
        return p == INFINITY ? most : p == -INFINITY ? least : std::pow(s, 1 / p);
      };
      CHECK(distance(norm(x, {.axis = axes, .ord = p}), expected(x, axes, f)) < 1e-12);
      CHECK(norm(x, {.axis = axes, .keepdims = true, .ord = p}).rank() == 2);
      if (p != inf && p != -inf) {
        auto r = gradcheck([&](const Tensor& t) { return norm(t, {.axis = axes, .ord = p}); }, x,
                           {.order = 2, .tolerance = 1e-5});
        CHECK_MESSAGE(r.ok, r.report);
      }
    }
  Tensor zero = zeros({3}, DType::f64);
  GradientTape tape;
  tape.watch(zero);
  CHECK(doubles(tape.gradient(norm(zero), zero)) == std::vector<double>{0, 0, 0});
  for (double p : {1.0, 3.0}) {
    GradientTape again;
    again.watch(zero);
    CHECK(doubles(again.gradient(norm(zero, {.ord = p}), zero)) == std::vector<double>{0, 0, 0});
  }
  CHECK(norm(tensor({3.0f, -4.0f})).item<float>() == 5);
  check_error<UsageError>([&] { norm(x, {.ord = -1}); }, "norm: ord must be positive or -infinity, got -1.");
}

TEST_CASE("long f32 sums are exact to a few units in the last place") {
  const double tenth = double(0.1f), few = 4 * 0x1p-23;
  Tensor x = full({10'000'000}, 0.1);
  CHECK(std::abs(sum(x).item<double>() / (1e7 * tenth) - 1) < few);
  Tensor columns = reshape(x, {1'000'000, 10});
  for (double v : doubles(sum(columns, {.axis = 0}))) CHECK(std::abs(v / (1e6 * tenth) - 1) < few);
  for (double v : doubles(sum(reshape(x, {10, 1'000'000}), {.axis = 1}))) CHECK(std::abs(v / (1e6 * tenth) - 1) < few);
  for (double v : doubles(sum(reshape(x, {20'000, 500}), {.axis = 0}))) CHECK(std::abs(v / (2e4 * tenth) - 1) < few);
  CHECK(std::abs(mean(x).item<double>() - tenth) < 1e-7);
}

TEST_CASE("large reductions of every layout, split among threads") {
  for (auto& s : {Shape{300'001}, Shape{3, 100'003}, Shape{100'003, 3}, Shape{2, 70'001, 3}, Shape{70'001, 2, 3},
                  Shape{513, 1031}, Shape{5, 1025, 64}, Shape{2, 3, 65'537}, Shape{200, 7, 211}}) {
    Tensor x = numbers_of(s, 6, 0, 1).astype(DType::f32);  // nothing cancels
    CAPTURE(s.str());
    for (auto& axes : subsets(s.rank())) {
      CHECK(distance(sum(x, {.axis = axes}), expected(x, axes, sum_of)) < 2e-7);
      CHECK(distance(max(x, {.axis = axes}), expected(x, axes, max_of)) == 0);
    }
  }
}

TEST_CASE("a sum does not depend on the number of threads") {
  int before = num_threads();
  for (auto& s : {Shape{1'000'003}, Shape{1003, 1009}, Shape{200'003, 5}, Shape{5, 200'003}}) {
    Tensor x = numbers_of(s, 7).astype(DType::f32);
    for (auto& axes : subsets(s.rank())) {
      set_num_threads(1);
      auto one = sum(x, {.axis = axes}).to_vector<float>();
      for (int n : {2, 3, 7}) {
        set_num_threads(n);
        CHECK(sum(x, {.axis = axes}).to_vector<float>() == one);
      }
    }
  }
  set_num_threads(before);
}

TEST_CASE("views: broadcasts and scalars") {
  Tensor x = numbers_of({5}, 8);
  for (auto& axes : subsets(2)) {
    Tensor down = broadcast_to(x, {4, 5}), across = broadcast_to(reshape(x, {5, 1}), {5, 4});
    CHECK(distance(sum(down, {.axis = axes}), expected(contiguous(down), axes, sum_of)) < 1e-14);
    CHECK(distance(sum(across, {.axis = axes}), expected(contiguous(across), axes, sum_of)) < 1e-14);
    CHECK(distance(max(across, {.axis = axes}), expected(contiguous(across), axes, max_of)) == 0);
  }
  Tensor scalar = constant(3.0f);
  CHECK(sum(scalar).item<float>() == 3);
  CHECK(sum(scalar).rank() == 0);
  CHECK(argmax(scalar).item<int>() == 0);
  CHECK(sum(broadcast_to(scalar, {1000, 1000})).item<float>() == 3e6f);
}

TEST_CASE("nothing to reduce") {
  Tensor none = zeros({0, 3});
  CHECK(sum(none).item<float>() == 0);
  CHECK(doubles(sum(none, {.axis = 0})) == std::vector<double>{0, 0, 0});
  CHECK(doubles(prod(none, {.axis = 0})) == std::vector<double>{1, 1, 1});
  CHECK(sum(none, {.axis = 1}).shape() == Shape{0});
  CHECK(max(none, {.axis = 1}).shape() == Shape{0});
  CHECK(std::isnan(mean(none).item<float>()));
  CHECK_FALSE(any(none).item<bool>());
  CHECK(all(none).item<bool>());
  check_error<ShapeError>([&] { max(none, {.axis = 0}); },
                          "max: axis 0 of [0, 3] is empty, so there is no element to give.");
  check_error<ShapeError>([&] { argmin(none); }, "argmin: axis 0 of [0, 3] is empty, so there is no element to give.");
}

TEST_CASE("integers keep their dtype and wrap around, bool counts") {
  Tensor bytes = full({300}, 1, DType::u8);
  CHECK(sum(bytes).dtype() == DType::u8);
  CHECK(sum(bytes).item<int>() == 300 % 256);
  CHECK(sum(bytes.astype(DType::i64)).item<int>() == 300);
  CHECK(sum(full({1000}, 100, DType::i8)).item<int>() == int(std::int8_t(100'000)));
  CHECK(sum(full({70'000}, 3, DType::i16)).item<int>() == int(std::int16_t(210'000)));
  CHECK(sum(full({3}, 2147483647, DType::i32)).item<std::int64_t>() == 2147483645);
  CHECK(prod(full({40}, 3, DType::i64)).item<std::int64_t>() == std::int64_t(12157665459056928801ull));
  CHECK(prod(full({5}, 7, DType::i16)).item<int>() == int(std::int16_t(16807)));
  for (DType d : {DType::i8, DType::u8, DType::i16, DType::i32, DType::i64}) {
    Tensor x = (numbers_of({9, 37}, 9, 0, 100)).astype(d);
    for (auto& axes : subsets(2)) {
      CHECK(distance(max(x, {.axis = axes}), expected(x, axes, max_of)) == 0);
      CHECK(distance(min(x, {.axis = axes}), expected(x, axes, min_of)) == 0);
    }
    CHECK(distance(sum((x != 0).astype(d), {.axis = 1}), expected((x != 0).astype(d), 1, sum_of)) == 0);
  }
  for (auto& s : {Shape{1'000'003}, Shape{517, 301}, Shape{70'001, 3}}) {
    Tensor yes = numbers_of(s, 10) > 0.1;
    for (auto& axes : subsets(s.rank())) {
      CHECK(sum(yes, {.axis = axes}).dtype() == DType::i64);
      CHECK(distance(sum(yes, {.axis = axes}), expected(yes, axes, sum_of)) == 0);
    }
  }
}

TEST_CASE("halves accumulate in f32") {
  for (DType d : {DType::f16, DType::bf16}) {
    Tensor x = full({4096}, 1, d);
    CHECK(sum(x).dtype() == d);
    CHECK(sum(x).item<float>() == 4096);
    CHECK(max(x).item<float>() == 1);
    CHECK(argmax(x).dtype() == DType::i64);
  }
  CHECK(mean(full({100'000}, 4, DType::f16)).item<float>() == 4);  // the sum alone would overflow
  CHECK(std::abs(stddev(tensor({1.0f, 3.0f}, DType::f16)).item<float>() - 1) < 1e-3);
}

TEST_CASE("NaN and infinities") {
  const float nan = NAN, inf = INFINITY;
  for (std::int64_t n : {3, 17, 40, 200, 5000})
    for (std::int64_t at : {std::int64_t(0), n / 2, n - 1})
      for (DType d : {DType::f32, DType::f64}) {
        auto v = numbers(n, 11);
        v[std::size_t(at)] = NAN;
        Tensor x = Tensor::from_vector(v).astype(d);
        CHECK(std::isnan(max(x).item<double>()));
        CHECK(std::isnan(min(x).item<double>()));
        CHECK(std::isnan(sum(x).item<double>()));
        CHECK(argmax(x).item<std::int64_t>() == at);
        CHECK(argmin(x).item<std::int64_t>() == at);
        Tensor column = broadcast_to(reshape(x, {n, 1}), {n, 3});
        for (double m : doubles(max(contiguous(column), {.axis = 0}))) CHECK(std::isnan(m));
        CHECK(doubles(argmax(column, {.axis = 0})) == std::vector<double>(3, double(at)));
      }
  CHECK(max(tensor({-inf, -inf})).item<float>() == -inf);
  CHECK(min(tensor({inf, 1.0f})).item<float>() == 1);
  CHECK(std::isnan(sum(tensor({inf, -inf})).item<float>()));
  CHECK(argmax(tensor({1.0f, nan, inf, nan})).item<int>() == 1);
}

TEST_CASE("argmax and argmin find the first") {
  for (auto& s : kShapes)
    for (DType d : {DType::f32, DType::f64, DType::i32, DType::u8, DType::f16}) {
      Tensor x = numbers_of(s, 12, 0, 6).astype(DType::i32).astype(d);  // many ties
      for (int axis = 0; axis < s.rank(); ++axis)
        for (const Tensor& t : {x, strided(x)}) {
          auto first_of = [](auto pick) {
            return [pick](const std::vector<double>& v) { return double(pick(v.begin(), v.end()) - v.begin()); };
          };
          auto largest = first_of([](auto b, auto e) { return std::max_element(b, e); });
          auto smallest = first_of([](auto b, auto e) { return std::min_element(b, e); });
          CHECK(distance(argmax(t, {.axis = axis}), expected(x, axis, largest)) == 0);
          CHECK(distance(argmin(t, {.axis = axis, .keepdims = true}), expected(x, axis, smallest)) == 0);
          CHECK(distance(argmax(t), expected(x, {}, largest)) == 0);
        }
    }
  Tensor long_row = numbers_of({1'000'003}, 13);
  auto v = doubles(long_row);
  CHECK(argmax(long_row).item<std::int64_t>() == std::max_element(v.begin(), v.end()) - v.begin());
  CHECK(argmax(zeros({500'000})).item<int>() == 0);
  CHECK(argmax(ones({2, 3}), {.keepdims = true}).shape() == Shape{1, 1});
  check_error<UsageError>(
      [&] {
        argmax(ones({2, 3}), {.axis = {0, 1}});
      },
      "argmax: takes one axis or none, got [0, 1].");
}

TEST_CASE("any, all, count_nonzero") {
  Tensor x = numbers_of({7, 9, 11}, 14, -3, 3).astype(DType::i32);
  auto any_of = [](const std::vector<double>& v) {
    return double(std::any_of(v.begin(), v.end(), [](double a) { return a != 0; }));
  };
  auto all_of = [](const std::vector<double>& v) {
    return double(std::all_of(v.begin(), v.end(), [](double a) { return a != 0; }));
  };
  auto count_of = [](const std::vector<double>& v) {
    return double(v.size()) - double(std::count(v.begin(), v.end(), 0.0));
  };
  for (DType d : {DType::i32, DType::boolean, DType::f32, DType::bf16, DType::i8}) {
    check_all_axes(x.astype(d), any, any_of, 0);
    check_all_axes(x.astype(d), all, all_of, 0);
    check_all_axes(x.astype(d), count_nonzero, count_of, 0);
  }
  CHECK(any(tensor({0.0f, NAN})).item<bool>());
  CHECK(any(zeros({3})).dtype() == DType::boolean);
  CHECK(count_nonzero(zeros({3})).dtype() == DType::i64);
}

TEST_CASE("gradients, and gradients of gradients") {
  Tensor x = numbers_of({3, 4, 2}, 15);
  for (auto& axes : subsets(3))
    for (bool keep : {false, true}) {
      ReduceOptions o{axes, keep};
      auto check = [&](auto f) {
        auto r = gradcheck(f, x, {.order = 2, .tolerance = 1e-5});
        CHECK_MESSAGE(r.ok, r.report);
      };
      check([&](const Tensor& t) { return square(sum(t, o)); });
      check([&](const Tensor& t) { return prod(t, o); });
      check([&](const Tensor& t) { return square(mean(t, o)); });
      check([&](const Tensor& t) { return square(max(t, o)); });
      check([&](const Tensor& t) { return square(min(t, o)); });
      check([&](const Tensor& t) { return var(t, {axes, keep, 0.5}); });
      if (!(axes == Axes{1})) check([&](const Tensor& t) { return stddev(t, {axes, keep}); });
    }
}

TEST_CASE("the gradient of a product with zeros, to second order") {
  for (auto& v : {std::vector<double>{2, 0, 3, 5}, {2, 0, 3, 0}, {0, 0, 0, 5}}) {
    Tensor x = Tensor::from_vector(v);
    auto r = gradcheck([](const Tensor& t) { return prod(t); }, x, {.order = 2, .tolerance = 1e-5});
    CHECK_MESSAGE(r.ok, r.report);
  }
  Tensor x = tensor({2.0, 0.0, 3.0, 5.0}, DType::f64);
  GradientTape tape;
  tape.watch(x);
  CHECK(doubles(tape.gradient(prod(x), x)) == std::vector<double>{0, 30, 0, 0});
}

TEST_CASE("equal extremes share the gradient, and a flat spread has none") {
  Tensor x = tensor({{1.0, 3.0, 3.0}, {2.0, 2.0, 2.0}}, DType::f64);
  GradientTape tape({.persistent = true});
  tape.watch(x);
  Tensor m = max(x, {.axis = 1}), s = stddev(x, {.axis = 1});
  const double third = 1.0 / 3;
  CHECK(distance(tape.gradient(m, x), {0, 0.5, 0.5, third, third, third}) < 1e-15);
  auto ds = doubles(tape.gradient(s, x));
  CHECK(std::vector<double>(ds.begin() + 3, ds.end()) == std::vector<double>{0, 0, 0});
}

TEST_CASE("errors say what is wrong") {
  Tensor x = ones({32, 128});
  check_error<ShapeError>([&] { sum(x, {.axis = 2}); }, "sum: axis 2 is out of range for rank 2 ([32, 128]).");
  check_error<ShapeError>([&] { mean(x, {.axis = {0, -2}}); }, "mean: axis -2 is named twice.");
  check_error<ShapeError>([&] { argmax(x, {.axis = -3}); }, "argmax: axis -3 is out of range for rank 2 ([32, 128]).");
  check_error<DTypeError>([&] { mean(x.astype(DType::i32)); },
                          "mean: needs a floating dtype, got i32. Cast it first: x.astype(DType::f32).");
  check_error<DTypeError>([&] { max(x > 0); }, "max: needs numbers, got bool. Use any(x).");
}
