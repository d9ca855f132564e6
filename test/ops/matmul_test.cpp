#include <doctest/doctest.h>
#include <tapir/tapir.h>

#include <cmath>
#include <random>

using namespace tapir;

namespace {

std::mt19937 rng(7);

Tensor randn(const Shape& s, DType d = DType::f64) {
  std::vector<double> v(std::size_t(s.size()));
  for (auto& x : v) x = std::normal_distribution<double>()(rng);
  return Tensor::from_vector(v, s).astype(d);
}

Tensor swapped(const Tensor& x) {
  Axes axes;
  for (int i = 0; i < x.rank(); ++i) axes.push_back(i);
  std::swap(axes[x.rank() - 1], axes[x.rank() - 2]);
  return permute_dims(x, axes);
}

// Plain loops over any batch; a [..., m, k], b [..., k, n] in f64.
std::vector<double> reference(const Tensor& a, const Tensor& b, Shape& out) {
  Shape batch;
  REQUIRE(broadcast_shapes(a.shape().first(a.rank() - 2), b.shape().first(b.rank() - 2), batch));
  std::int64_t m = a.shape().dim(-2), k = a.shape().dim(-1), n = b.shape().dim(-1);
  out = batch;
  out.push_back(m);
  out.push_back(n);
  Shape sa = batch, sb = batch;
  sa.push_back(m), sa.push_back(k), sb.push_back(k), sb.push_back(n);
  auto va = broadcast_to(a, sa).astype(DType::f64).to_vector<double>();
  auto vb = broadcast_to(b, sb).astype(DType::f64).to_vector<double>();
  std::vector<double> y(std::size_t(out.size()), 0.0);
  for (std::int64_t g = 0; g < batch.size(); ++g)
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j)
        for (std::int64_t l = 0; l < k; ++l)
          y[std::size_t((g * m + i) * n + j)] +=
              va[std::size_t((g * m + i) * k + l)] * vb[std::size_t((g * k + l) * n + j)];
  return y;
}

void check(const Tensor& y, const Tensor& a, const Tensor& b, double tolerance) {
  Shape s;
  auto want = reference(a, b, s);
  REQUIRE(y.shape() == s);
  auto got = y.astype(DType::f64).to_vector<double>();
  double k = std::max(1.0, double(a.shape().back())), worst = 0;
  for (std::size_t i = 0; i < want.size(); ++i) worst = std::max(worst, std::abs(got[i] - want[i]));
  CHECK(worst <= tolerance * std::sqrt(k) * 4);
}

template <class E, class F>
void check_error(F&& f, const std::string& text) {
  try {
    f();
  } catch (const E& e) {
    std::string what = e.what();
    CHECK_MESSAGE((what.size() >= text.size() && what.substr(what.size() - text.size()) == text), what);
    CHECK(what.find("matmul_test.cpp:") != std::string::npos);
    return;
  }
  FAIL("no error: " << text);
}

}  // namespace

TEST_CASE("matmul: every layout, size and dtype against plain loops") {
  for (auto [dtype, tolerance] : std::vector<std::pair<DType, double>>{
           {DType::f32, 1e-6}, {DType::f64, 1e-14}, {DType::f16, 2e-2}, {DType::bf16, 1e-1}})
    for (auto [m, n, k] : std::vector<std::array<std::int64_t, 3>>{{1, 1, 1},
                                                                   {2, 2, 2},
                                                                   {1, 7, 5},
                                                                   {7, 1, 5},
                                                                   {5, 7, 1},
                                                                   {17, 13, 29},
                                                                   {65, 66, 67},
                                                                   {1, 300, 200},
                                                                   {150, 130, 140},
                                                                   {130, 3, 6000}})
      for (bool ta : {false, true})
        for (bool tb : {false, true}) {
          CAPTURE(name_of(dtype));
          CAPTURE(m);
          CAPTURE(n);
          CAPTURE(k);
          CAPTURE(ta);
          CAPTURE(tb);
          Tensor a = randn(ta ? Shape{k, m} : Shape{m, k}, dtype), b = randn(tb ? Shape{n, k} : Shape{k, n}, dtype);
          Tensor y = matmul(a, b, {ta, tb});
          CHECK(y.dtype() == dtype);
          Tensor left = ta ? swapped(a) : a, right = tb ? swapped(b) : b;
          check(y, left, right, tolerance);
          check(matmul(left, right), left, right, tolerance);  // transposed views instead of flags
          check(matmul(swapped(left), right, {.transpose_a = true}), left, right, tolerance);
        }
}

TEST_CASE("matmul: batches broadcast") {
  for (DType d : {DType::f32, DType::f64}) {
    double tolerance = d == DType::f32 ? 1e-6 : 1e-14;
    for (auto [s, t] : std::vector<std::pair<Shape, Shape>>{{{3, 4, 5}, {5, 6}},
                                                            {{4, 5}, {3, 5, 6}},
                                                            {{2, 1, 4, 5}, {3, 5, 2}},
                                                            {{7, 1, 4}, {7, 4, 1}},
                                                            {{2, 3, 4, 5}, {2, 3, 5, 4}},
                                                            {{3, 150, 140}, {3, 140, 130}},
                                                            {{1, 4, 5}, {6, 5, 3}},
                                                            {{2, 70, 80}, {80, 90}},
                                                            {{1, 150, 140}, {3, 140, 130}}}) {
      Tensor a = randn(s, d), b = randn(t, d);
      CAPTURE(s.str());
      CAPTURE(t.str());
      check(matmul(a, b), a, b, tolerance);
      check(matmul(swapped(a), swapped(b), {true, true}), a, b, tolerance);
    }
  }
}

TEST_CASE("matmul: no unit stride") {
  Tensor x = randn({6, 5, 4}, DType::f32), w = randn({5, 3}, DType::f32);
  Tensor v = permute_dims(x, {2, 0, 1});  // [4, 6, 5], strides 1, 20, 4
  check(matmul(v, w), v, w, 1e-6);
  Tensor ones = broadcast_to(constant(1.5f), {6, 5}), column = broadcast_to(randn({6, 1}, DType::f32), {6, 5}),
         row = broadcast_to(randn({1, 5}, DType::f32), {6, 5});
  for (const Tensor& t : {ones, column, row}) {
    check(matmul(t, w), t, w, 1e-6);
    check(matmul(swapped(t), t), swapped(t), t, 1e-6);
  }
}

TEST_CASE("matmul: vectors") {
  Tensor a = randn({3, 4}), u = randn({4}), v = randn({3});
  CHECK(matmul(u, u).shape() == Shape{});
  CHECK(matmul(u, u).item<double>() == doctest::Approx(sum(u * u).item<double>()));
  Tensor y = matmul(a, u);
  REQUIRE(y.shape() == Shape{3});
  check(reshape(y, {3, 1}), a, reshape(u, {4, 1}), 1e-14);
  y = matmul(v, a);
  REQUIRE(y.shape() == Shape{4});
  check(reshape(y, {1, 4}), reshape(v, {1, 3}), a, 1e-14);
  Tensor batch = randn({2, 5, 4});
  CHECK(matmul(batch, u).shape() == Shape{2, 5});
  CHECK(matmul(randn({5}), batch).shape() == Shape{2, 4});
  CHECK(matmul(a, v, {.transpose_a = true}).shape() == Shape{4});
}

TEST_CASE("matmul: integers wrap, empty operands, mixed floats") {
  for (DType d : {DType::i8, DType::u8, DType::i16, DType::i32, DType::i64}) {
    Tensor a = Tensor::from_vector(std::vector<int>{1, 2, 3, 4, 5, 6}, {2, 3}).astype(d);
    Tensor b = Tensor::from_vector(std::vector<int>{7, 8, 9, 10, 11, 12}, {3, 2}).astype(d);
    Tensor y = matmul(a, b);
    CHECK(y.dtype() == d);
    const std::vector<std::int64_t> want = {58, 64, 139, 154};
    auto got = y.astype(DType::i64).to_vector<std::int64_t>();
    for (std::size_t i = 0; i < 4; ++i) CHECK(got[i] == (d == DType::i8 ? std::int8_t(want[i]) : want[i]));
    CHECK(matmul(swapped(b), swapped(a)).astype(DType::i64).to_vector<std::int64_t>()[1] == got[2]);
  }
  CHECK(matmul(ones({3, 0}), ones({0, 2})).to_vector<float>() == std::vector<float>(6, 0.0f));
  CHECK(matmul(ones({0, 3}), ones({3, 2})).shape() == Shape{0, 2});
  CHECK(matmul(ones({2, 0, 3}), ones({3, 2})).shape() == Shape{2, 0, 2});
  CHECK(matmul(ones({2, 3}), ones({3, 2}, DType::f64)).dtype() == DType::f64);
}

TEST_CASE("matmul: infinities and NaN go through") {
  Tensor a = tensor({{1.0f, INFINITY}, {NAN, 0.0f}}), b = tensor({{1.0f, 0.0f}, {1.0f, 2.0f}});
  auto y = matmul(a, b).to_vector<float>();
  CHECK(y[0] == INFINITY);
  CHECK(y[1] == INFINITY);
  CHECK(std::isnan(y[2]));
  CHECK(std::isnan(y[3]));
}

TEST_CASE("matmul: gradients, first and second order") {
  for (auto [s, t, ta, tb] : std::vector<std::tuple<Shape, Shape, bool, bool>>{{{3, 4}, {4, 2}, false, false},
                                                                               {{4, 3}, {4, 2}, true, false},
                                                                               {{3, 4}, {2, 4}, false, true},
                                                                               {{4, 3}, {2, 4}, true, true},
                                                                               {{2, 3, 4}, {4, 2}, false, false},
                                                                               {{2, 3, 4}, {2, 4}, false, true},
                                                                               {{2, 4, 3}, {4, 2}, true, false},
                                                                               {{3, 4}, {2, 4, 2}, false, false},
                                                                               {{2, 1, 3, 2}, {3, 2, 2}, false, false},
                                                                               {{4}, {4, 2}, false, false},
                                                                               {{3, 4}, {4}, false, false},
                                                                               {{4}, {4}, false, false},
                                                                               {{2, 3, 4}, {4}, false, false}}) {
    CAPTURE(s.str());
    CAPTURE(t.str());
    auto f = [ta = ta, tb = tb](const std::vector<Tensor>& in) { return matmul(in[0], in[1], {ta, tb}); };
    auto r = gradcheck(f, {randn(s), randn(t)}, {.order = 2});
    CHECK_MESSAGE(r, r.str());
  }
  auto square = [](const Tensor& x) { return matmul(x, x); };
  auto r = gradcheck(square, randn({3, 3}), {.order = 2});
  CHECK_MESSAGE(r, r.str());
}

TEST_CASE("matmul: exact errors") {
  check_error<ShapeError>(
      [] {
        matmul(ones({32, 128}), ones({64, 10}));
      },
      ": matmul: inner dimensions differ, 128 vs 64 ([32, 128] x [64, 10]).");
  check_error<ShapeError>(
      [] {
        matmul(ones({32, 128}), ones({64, 10}), {.transpose_b = true});
      },
      ": matmul: inner dimensions differ, 128 vs 10 ([32, 128] x [64, 10]^T).");
  check_error<ShapeError>(
      [] {
        matmul(ones({2, 3, 4}), ones({3, 4, 5}));
      },
      ": matmul: batch dimensions [2] and [3] do not broadcast ([2, 3, 4] x [3, 4, 5]).");
  check_error<ShapeError>(
      [] {
        matmul(ones({2, 3}), constant(1.0f));
      },
      ": matmul: needs operands of rank 1 or more, got [2, 3] and []. Multiply by scalars with *.");
  check_error<ShapeError>(
      [] {
        matmul(ones({3}), ones({4, 5}));
      },
      ": matmul: inner dimensions differ, 3 vs 4 ([3] x [4, 5]).");
  check_error<ShapeError>(
      [] {
        matmul(ones({3}), ones({3, 5}), {.transpose_a = true});
      },
      ": matmul: a vector cannot be transposed ([3]^T x [3, 5]).");
  check_error<DTypeError>(
      [] {
        matmul(ones({2, 2}), ones({2, 2}, DType::i32));
      },
      ": matmul: dtypes differ, f32 vs i32. Cast one side: y.astype(DType::f32).");
  check_error<DTypeError>(
      [] {
        matmul(ones({2, 2}, DType::boolean), ones({2, 2}, DType::boolean));
      },
      ": matmul: needs numbers, got bool. Cast it first: x.astype(DType::f32).");
}

TEST_CASE("vecdot, outer, tensordot") {
  Tensor a = randn({2, 3, 4}), b = randn({3, 4});
  Tensor y = vecdot(a, b);
  REQUIRE(y.shape() == Shape{2, 3});
  auto va = a.to_vector<double>(), vb = b.to_vector<double>(), vy = y.to_vector<double>();
  for (std::size_t i = 0; i < 6; ++i) {
    double want = 0;
    for (std::size_t k = 0; k < 4; ++k) want += va[i * 4 + k] * vb[i % 3 * 4 + k];
    CHECK(vy[i] == doctest::Approx(want));
  }
  CHECK(vecdot(a, b, -2).shape() == Shape{2, 4});
  CHECK(outer(tensor({1.0f, 2.0f}), tensor({3.0f, 4.0f, 5.0f})).to_vector<float>() ==
        std::vector<float>{3, 4, 5, 6, 8, 10});

  Tensor p = randn({3, 4, 5}), q = randn({4, 3, 2});
  Tensor z = tensordot(p, q, {0, 1}, {1, 0});
  REQUIRE(z.shape() == Shape{5, 2});
  auto vp = p.to_vector<double>(), vq = q.to_vector<double>(), vz = z.to_vector<double>();
  for (std::size_t i = 0; i < 5; ++i)
    for (std::size_t j = 0; j < 2; ++j) {
      double want = 0;
      for (std::size_t k = 0; k < 3; ++k)
        for (std::size_t n = 0; n < 4; ++n) want += vp[(k * 4 + n) * 5 + i] * vq[(n * 3 + k) * 2 + j];
      CHECK(vz[i * 2 + j] == doctest::Approx(want));
    }
  CHECK(tensordot(p, randn({4, 5, 2}), 2).shape() == Shape{3, 2});
  CHECK(tensordot(randn({2, 3}), randn({4}), 0).shape() == Shape{2, 3, 4});
  CHECK(tensordot(randn({2, 3}), randn({2, 3}), 2).shape() == Shape{});

  auto r = gradcheck(
      [](const std::vector<Tensor>& in) {
        return tensordot(in[0], in[1], {0, 1}, {1, 0});
      },
      {p, q}, {.order = 2});
  CHECK_MESSAGE(r, r.str());
  r = gradcheck([](const std::vector<Tensor>& in) { return vecdot(in[0], in[1]); }, {a, b});
  CHECK_MESSAGE(r, r.str());
  check_error<ShapeError>(
      [] {
        tensordot(ones({2, 3}), ones({4, 3}), {0}, {0});
      },
      ": tensordot: axis 0 of [2, 3] and axis 0 of [4, 3] differ in size, 2 vs 4.");
  check_error<ShapeError>(
      [] {
        tensordot(ones({2, 3}), ones({4}), 2);
      },
      ": tensordot: cannot contract 2 dimensions of [2, 3] and [4].");
  check_error<ShapeError>(
      [] {
        vecdot(ones({2, 3}), ones({4}));
      },
      ": vecdot: sizes along axis -1 differ, 3 vs 4 ([2, 3] and [4]).");
}
