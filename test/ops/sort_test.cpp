#include <doctest/doctest.h>

#include <tapir/test/ops/axis_reference.h>

#include <algorithm>
#include <numeric>

using namespace tapir;
using namespace axis_reference;

namespace {

// Indices that sort one row stably, NaN as the largest.
std::vector<double> order_of(const std::vector<double>& v, bool descending) {
  std::vector<double> at(v.size());
  std::iota(at.begin(), at.end(), 0.0);
  auto less = [](double a, double b) { return a < b || (std::isnan(b) && !std::isnan(a)); };
  std::stable_sort(at.begin(), at.end(), [&](double i, double j) {
    double a = v[std::size_t(i)], b = v[std::size_t(j)];
    return descending ? less(b, a) : less(a, b);
  });
  return at;
}

// What order_of gives for each row along the last axis of x.
std::vector<double> rows(const Tensor& x, bool descending, std::int64_t k, bool values) {
  std::vector<double> out;
  for (auto& g : groups(x, -1)) {
    auto at = order_of(g, descending);
    for (std::int64_t i = 0; i < k; ++i)
      out.push_back(values ? g[std::size_t(at[std::size_t(i)])] : at[std::size_t(i)]);
  }
  return out;
}

template <class F>
void says(F f, const std::string& text) {
  try {
    f();
    FAIL("nothing was thrown");
  } catch (const Error& e) {
    std::string s = e.what();
    CHECK(s.substr(s.find(": ") + 2) == text);
  }
}

}  // namespace

TEST_CASE("sort and argsort of every dtype, stable, both ways") {
  for (DType d : {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i8, DType::u8, DType::i16, DType::i32,
                  DType::i64, DType::boolean})
    for (auto& s : {Shape{1}, Shape{2}, Shape{40}, Shape{5, 9}, Shape{2, 3, 30}, Shape{3, 5000}}) {
      CAPTURE(name_of(d));
      Tensor x = d == DType::boolean ? numbers_of(s, 41) > 0.0
                                     : numbers_of(s, 41, d == DType::u8 ? 0 : -50, 100).astype(DType::i32).astype(d);
      for (bool descending : {false, true}) {
        SortOptions o{-1, descending};
        CHECK(sort(x, o).dtype() == d);
        CHECK(argsort(x, o).dtype() == DType::i64);
        CHECK(distance(sort(x, o), rows(x, descending, s.back(), true)) == 0);
        CHECK(distance(argsort(x, o), rows(x, descending, s.back(), false)) == 0);
      }
    }
}

TEST_CASE("numbers far apart, and wide integers") {
  Tensor x = exp(numbers_of({3000}, 42, -80, 80)) * sign(numbers_of({3000}, 43));
  for (DType d : {DType::f32, DType::f64})
    CHECK(distance(sort(x.astype(d)), rows(x.astype(d), false, 3000, true)) == 0);
  const std::int64_t lo = std::numeric_limits<std::int64_t>::min(), hi = std::numeric_limits<std::int64_t>::max();
  CHECK(sort(Tensor::from_vector(std::vector<std::int64_t>{3, hi, lo, -1, hi - 1})).to_vector<std::int64_t>() ==
        std::vector<std::int64_t>{lo, -1, 3, hi - 1, hi});
}

TEST_CASE("sort along other axes, and views") {
  Tensor x = numbers_of({4, 6, 5}, 44);
  for (int axis : {0, 1, 2}) {
    Axes to_last{0, 1, 2};
    std::swap(to_last[axis], to_last[2]);
    Tensor moved = permute_dims(x, to_last);
    for (bool descending : {false, true}) {
      Tensor expected = permute_dims(sort(contiguous(moved), {-1, descending}), to_last);
      CHECK(distance(sort(x, {axis, descending}), doubles(expected)) == 0);
      CHECK(distance(sort(strided(x), {axis - 3, descending}), doubles(expected)) == 0);
    }
  }
}

TEST_CASE("NaN is the largest, zeros are equal") {
  const float nan = NAN, inf = INFINITY;
  Tensor x = tensor({nan, 1.0f, inf, -nan, -inf, 0.0f, -0.0f});
  CHECK(doubles(argsort(x)) == std::vector<double>{4, 5, 6, 1, 2, 0, 3});
  CHECK(doubles(argsort(x, {.descending = true})) == std::vector<double>{0, 3, 2, 1, 5, 6, 4});
  CHECK(doubles(top_k(x, 2).indices) == std::vector<double>{0, 3});
}

TEST_CASE("top_k") {
  for (auto& s : {Shape{7}, Shape{3, 50}, Shape{2, 2, 3000}})
    for (std::int64_t k : {std::int64_t(0), std::int64_t(1), std::int64_t(5), s.back()})
      for (DType d : {DType::f32, DType::f64, DType::i32}) {
        Tensor x = numbers_of(s, 45, -20, 20).astype(DType::i32).astype(d);  // ties
        auto [values, indices] = top_k(x, k);
        CHECK(values.shape().back() == k);
        CHECK(distance(values, rows(x, true, k, true)) == 0);
        CHECK(distance(indices, rows(x, true, k, false)) == 0);
      }
  says([] { top_k(ones({2, 3}), 4); }, "top_k: k must be between 0 and 3, the last size of [2, 3], got 4.");
  says([] { top_k(constant(1.0f), 1); }, "top_k: needs rank 1 or more, got a scalar.");
}

TEST_CASE("gradients go back to where the values came from, to second order") {
  Tensor x = numbers_of({3, 4}, 46);
  auto check = [&](auto f) {
    auto r = gradcheck(f, x, {.order = 2, .tolerance = 1e-5});
    CHECK_MESSAGE(r.ok, r.report);
  };
  Tensor w = numbers_of({3, 4}, 47), w2 = numbers_of({3, 2}, 48);
  for (int axis : {0, 1})
    for (bool descending : {false, true})
      check([&](const Tensor& t) { return square(sort(t, {axis, descending})) * w; });
  check([&](const Tensor& t) { return square(top_k(t, 2).values) * w2; });
}

TEST_CASE("searchsorted") {
  Tensor s = tensor({1.0f, 2.0f, 2.0f, 2.0f, 5.0f, NAN});
  Tensor v = tensor({{0.0f, 1.0f, 2.0f}, {3.0f, 6.0f, NAN}});
  CHECK(doubles(searchsorted(s, v)) == std::vector<double>{0, 0, 1, 4, 5, 5});
  CHECK(doubles(searchsorted(s, v, {.side = Side::right})) == std::vector<double>{0, 1, 4, 4, 5, 6});
  CHECK(searchsorted(s, v).shape() == v.shape());
  CHECK(searchsorted(s, v).dtype() == DType::i64);
  CHECK(searchsorted(zeros({0}), v).to_vector<std::int64_t>() == std::vector<std::int64_t>(6, 0));
  Tensor many = sort(numbers_of({2000}, 49)), asked = numbers_of({3000}, 50);
  auto a = doubles(many);
  std::vector<double> expected;
  for (double q : doubles(asked)) expected.push_back(double(std::lower_bound(a.begin(), a.end(), q) - a.begin()));
  CHECK(distance(searchsorted(many, asked), expected) == 0);
  says([] { searchsorted(ones({2, 3}), ones({3})); }, "searchsorted: the sorted tensor must have rank 1, got [2, 3].");
  says([] { searchsorted(ones({3}), ones({3}, DType::i64)); },
       "searchsorted: dtypes differ, f32 vs i64. Cast one side: v.astype(DType::f32).");
}

TEST_CASE("nothing to sort, and errors") {
  CHECK(sort(zeros({0})).shape() == Shape{0});
  CHECK(argsort(zeros({3, 0})).shape() == Shape{3, 0});
  CHECK(sort(zeros({0, 3})).shape() == Shape{0, 3});
  says([] { sort(ones({2}), {.axis = 1}); }, "sort: axis 1 is out of range for rank 1 ([2]).");
  says([] { argsort(ones({2}), {.axis = 1}); }, "argsort: axis 1 is out of range for rank 1 ([2]).");
}

TEST_CASE("top_k as TensorFlow, values and gradients") {
  for (auto& [name, k] : {std::pair{"top_k_1d", 3}, {"top_k_3d", 2}, {"top_k_ties", 3}, {"top_k_all", 4}}) {
    CAPTURE(name);
    CHECK(golden("ops.npz", name, [n = k](const Tensor& x) { return top_k(x, n).values; }) == 0);
  }
}
