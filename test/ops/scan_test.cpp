#include <doctest/doctest.h>

#include <tapir/test/ops/axis_reference.h>

#include <algorithm>

using namespace tapir;
using namespace axis_reference;

namespace {

// One row, in f64.
std::vector<double> scanned(std::vector<double> v, bool product, bool initial, bool exclusive, bool reverse) {
  if (reverse) std::reverse(v.begin(), v.end());
  std::vector<double> out;
  double acc = product ? 1 : 0;
  for (double a : v) {
    if (initial || exclusive) out.push_back(acc);
    acc = product ? acc * a : acc + a;
    if (!initial && !exclusive) out.push_back(acc);
  }
  if (initial) out.push_back(acc);
  if (reverse) std::reverse(out.begin(), out.end());
  return out;
}

std::vector<double> expected(const Tensor& x, int axis, bool product, const ScanOptions& o) {
  std::int64_t outer = 1, n = x.shape()[axis], inner = 1, m = n + o.include_initial;
  for (int i = 0; i < axis; ++i) outer *= x.shape()[i];
  for (int i = axis + 1; i < x.rank(); ++i) inner *= x.shape()[i];
  auto v = doubles(x);
  std::vector<double> out(std::size_t(outer * m * inner));
  for (std::int64_t u = 0; u < outer; ++u)
    for (std::int64_t j = 0; j < inner; ++j) {
      std::vector<double> row;
      for (std::int64_t i = 0; i < n; ++i) row.push_back(v[std::size_t((u * n + i) * inner + j)]);
      row = scanned(row, product, o.include_initial, o.exclusive, o.reverse);
      for (std::int64_t i = 0; i < m; ++i) out[std::size_t((u * m + i) * inner + j)] = row[std::size_t(i)];
    }
  return out;
}

std::vector<ScanOptions> options(int axis) {
  std::vector<ScanOptions> out;
  for (bool reverse : {false, true})
    for (int kind = 0; kind < 3; ++kind)
      out.push_back({.axis = axis, .include_initial = kind == 1, .exclusive = kind == 2, .reverse = reverse});
  return out;
}

}  // namespace

TEST_CASE("cumulative sums and products along every axis") {
  for (auto& s : {Shape{1}, Shape{9}, Shape{4, 5}, Shape{3, 4, 2}, Shape{2, 5, 300}, Shape{70, 1000}})
    for (int axis = 0; axis < s.rank(); ++axis)
      for (auto& o : options(axis)) {
        CAPTURE(s.str());
        for (DType d : {DType::f64, DType::f32}) {
          Tensor x = (numbers_of(s, 31, 0.5, 1.5)).astype(d);
          double tolerance = d == DType::f64 ? 1e-11 : 2e-7;
          for (const Tensor& t : {x, strided(x)}) {
            CHECK(distance(cumulative_sum(t, o), expected(x, axis, false, o)) < tolerance);
            CHECK(distance(cumulative_prod(t, o), expected(x, axis, true, o)) < tolerance);
          }
        }
      }
}

TEST_CASE("scans of integers, bool and halves") {
  Tensor x = numbers_of({3, 50}, 32, -9, 9).astype(DType::i32);
  for (auto& o : options(1)) {
    CHECK(distance(cumulative_sum(x, o), expected(x, 1, false, o)) == 0);
    CHECK(cumulative_sum(x, o).dtype() == DType::i32);
    CHECK(distance(cumulative_sum(x > 0, o), expected(x > 0, 1, false, o)) == 0);
    CHECK(cumulative_sum(x > 0, o).dtype() == DType::i64);
    CHECK(cumulative_sum(x.astype(DType::f16), o).dtype() == DType::f16);
  }
  CHECK(doubles(cumulative_sum(full({4}, 100, DType::u8))) == std::vector<double>{100, 200, 44, 144});
  CHECK(doubles(cumulative_prod(full({4}, 300, DType::i16)))[3] ==
        double(std::int16_t(std::int64_t(300) * 300 * 300 * 300)));
}

TEST_CASE("a long f32 cumulative sum stays exact") {
  auto v = doubles(cumulative_sum(full({1'000'000}, 0.1)));
  CHECK(std::abs(v.back() / (1e6 * double(0.1f)) - 1) < 1e-7);
}

TEST_CASE("scans of nothing") {
  CHECK(cumulative_sum(zeros({0})).shape() == Shape{0});
  CHECK(doubles(cumulative_sum(zeros({0}), {.include_initial = true})) == std::vector<double>{0});
  CHECK(doubles(cumulative_prod(zeros({0}), {.include_initial = true})) == std::vector<double>{1});
  CHECK(cumulative_sum(zeros({3, 0}), {.axis = 0}).shape() == Shape{3, 0});
}

TEST_CASE("gradients to second order, products with zeros included") {
  Tensor x = numbers_of({3, 4}, 33);
  Tensor zeros_inside = tensor({{2.0, 0.0, 3.0, 5.0}, {0.0, 0.5, 0.0, 2.0}, {1.0, 2.0, 3.0, 0.0}}, DType::f64);
  for (int axis : {0, 1})
    for (auto& o : options(axis)) {
      auto check = [&](auto f, const Tensor& at) {
        auto r = gradcheck(f, at, {.order = 2, .tolerance = 1e-5});
        CHECK_MESSAGE(r.ok, r.report);
      };
      check([&](const Tensor& t) { return square(cumulative_sum(t, o)); }, x);
      check([&](const Tensor& t) { return square(cumulative_prod(t, o)); }, x);
      check([&](const Tensor& t) { return square(cumulative_prod(t, o)); }, zeros_inside);
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
  says(
      [] {
        cumulative_sum(ones({2, 3}), {.axis = 2});
      },
      "cumulative_sum: axis 2 is out of range for rank 2 ([2, 3]).");
  says([] { cumulative_prod(ones({3}), {.include_initial = true, .exclusive = true}); },
       "cumulative_prod: include_initial and exclusive exclude each other. Set one.");
}

TEST_CASE("as TensorFlow, values and gradients") {
  for (auto& [name, axis] : {std::pair{"_axis0", 0}, {"_axis1", 1}, {"_axis_last", -1}})
    for (bool exclusive : {false, true})
      for (bool reverse : {false, true}) {
        std::string tail = std::string(name) + (exclusive ? "_exclusive" : "") + (reverse ? "_reverse" : "");
        CAPTURE(tail);
        ScanOptions o{.axis = axis, .exclusive = exclusive, .reverse = reverse};
        CHECK(golden("ops.npz", "cumsum" + tail, [&](const Tensor& x) { return cumulative_sum(x, o); }) < 1e-6);
        CHECK(golden("ops.npz", "cumprod" + tail, [&](const Tensor& x) { return cumulative_prod(x, o); }) < 1e-6);
      }
}
