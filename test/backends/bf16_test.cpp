// Convolutions and matrix products by bf16 numbers: by the machine's (meson: "bf16", skipped where there are none), and
// by the same numbers as f32 ("bf16_emulated").
#include <doctest/doctest.h>
#include <tapir/backends/cpu/bf16.h>
#include <tapir/backends/cpu/parallel.h>
#include <tapir/test/backends/conv_cases.h>

namespace {

constexpr Precision precisions[] = {Precision::high, Precision::medium};
double promised(Precision p) { return p == Precision::high ? 2e-5 : 1e-2; }

// The nearest number of 8 bits, ties to even.
double rounded(double x) {
  int e = 0;
  const double m = std::frexp(x, &e);
  return std::ldexp(std::nearbyint(std::ldexp(m, 8)), e - 8);
}
std::vector<double> high(const std::vector<double>& x) {
  auto v = x;
  for (auto& e : v) e = rounded(e);
  return v;
}
std::vector<double> low(const std::vector<double>& x) {
  auto v = x;
  for (auto& e : v) e = rounded(e - rounded(e));
  return v;
}

// What the three directions are of exact products of bf16 numbers.
Reference of_bf16(const Reference& r, Precision precision) {
  auto with = [&](auto x, auto w, auto dy) {
    Reference q = r;
    q.x = x(r.x), q.w = w(r.w), q.dy = dy(r.dy);
    q.compute();
    return q;
  };
  Reference sum = with(high, high, high);
  if (precision == Precision::medium) return sum;
  auto add = [](std::vector<double>& to, const std::vector<double>& more) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += more[i];
  };
  const Reference low_x = with(low, high, high), low_w = with(high, low, high), low_dy = with(high, high, low);
  add(sum.y, low_x.y), add(sum.y, low_w.y);
  add(sum.dx, low_dy.dx), add(sum.dx, low_w.dx);
  add(sum.dw, low_x.dw), add(sum.dw, low_dy.dw);
  return sum;
}

int check_case(const Case& c, unsigned seed) {
  int computed = 0;
  const auto* entry = cpu::find_conv_entry(ConvAlgorithm::bf16);
  REQUIRE(entry);
  for (Precision precision : precisions) {
    Reference r(c, seed, DType::f32);
    r.p.precision = precision;
    const Reference exact = of_bf16(r, precision);
    for (auto d : directions) {
      if (!entry->refuses(r.p, d).empty()) continue;
      const std::string what = std::string(c.name) + ", " + direction_names[int(d)] + ", " + name_of(precision);
      INFO(what);
      const Tensor got = result_of(*entry, r, d);
      const double error = relative_error(got, wanted(r, d));
      if (got.size() > 16) CHECK(error <= promised(precision));  // few sums may cancel
      if (precision == Precision::medium) CHECK(error >= 1e-4);
      CHECK(relative_error(got, wanted(exact, d)) <= 5e-6);  // sums in f32
      ++computed;
    }
  }
  return computed;
}

int check_cases(unsigned seed) {
  int computed = 0;
  for (auto& c : cases) computed += check_case(c, seed += 2);
  return computed;
}

Tensor randn(const Shape& s, std::int64_t seed) { return random::normal(s, {.seed = seed}); }
std::vector<double> f64(const Tensor& t) { return t.astype(DType::f64).to_vector<double>(); }
Tensor exact(const Tensor& t) { return t.astype(DType::f64); }
double error(const Tensor& got, const Tensor& want) { return relative_error(got, f64(want)); }

// An error that bf16 products have, and f32 ones have not.
void check_medium(double e) {
  CHECK(e >= 1e-4);
  CHECK(e <= 1e-2);
}

}  // namespace

TEST_CASE("every direction against exact products of bf16 numbers") { CHECK(check_cases(1) >= 6 * 30); }

// oneDNN's kernels for bf16 numbers are wrong on some shapes, which conv_bf16.cpp names: drawn shapes around those.
TEST_CASE("drawn shapes") {
  std::mt19937 draw(1);
  auto one_of = [&](std::initializer_list<std::int64_t> list) { return list.begin()[draw() % list.size()]; };
  int computed = 0;
  for (int i = 0; i < 150; ++i) {
    const std::int64_t kernel = one_of({1, 1, 3}), c = one_of({1, 3, 8, 16, 17, 33}), k = one_of({1, 3, 8, 16, 17, 33});
    const Shape x{one_of({1, 2}), one_of({3, 9, 14}), one_of({7, 20, 33, 50}), c};
    const std::int64_t stride = one_of({1, 1, 2}), dilation = one_of({1, 1, 1, 2});
    const std::string name = x.str() + " by " + std::to_string(kernel) + " to " + std::to_string(k) + ", stride " +
                             std::to_string(stride) + ", dilation " + std::to_string(dilation);
    computed += check_case({name.c_str(), x, {kernel, kernel, c, k}, {1, stride}, {dilation, dilation}, same},
                           1000 + unsigned(i));
  }
  CHECK(computed > 600);
}

TEST_CASE("one thread and three") {
  const int before = num_threads();
  for (int n : {1, 3}) {
    set_num_threads(n);
    check_cases(7);
  }
  set_num_threads(before);
}

TEST_CASE("it says what it does not take") {
  const auto* entry = cpu::find_conv_entry(ConvAlgorithm::bf16);
  auto why = [&](const Case& c, DType dtype, Precision precision) {
    Reference r(c, 1, dtype);
    r.p.precision = precision;
    return entry->refuses(r.p, ConvDirection::forward);
  };
  const Case plain{"", {1, 4, 4, 3}, {3, 3, 3, 2}, {1, 1}, {1, 1}},
      grouped{"", {1, 4, 4, 8}, {3, 3, 4, 4}, {1, 1}, {1, 1}, valid, 2};
  CHECK(why(plain, DType::f32, Precision::high) == "");
  CHECK(why(plain, DType::f32, Precision::highest) == "the precision is highest");
  CHECK(why(plain, DType::f64, Precision::high) == "it takes f32, not f64");
  CHECK(why(grouped, DType::f32, Precision::medium) == "groups of 4 and 2 channels, it takes multiples of 16");
  CHECK(why({"", {1, 9, 9, 3}, {3, 3, 3, 2}, {1, 1}, {1, 2}}, DType::f32, Precision::high) == "it takes no dilations");
  CHECK(why({"", {1, 4, 4, 3}, {1, 1, 3, 2}, {1, 1}, {2, 2}}, DType::f32, Precision::high) == "");  // without effect
  Reference odd({"", {1, 4, 4, 8}, {1, 1, 8, 5}, {1, 1}, {1, 1}}, 1, DType::f32);
  odd.p.precision = Precision::medium;
  CHECK(entry->refuses(odd.p, ConvDirection::input_gradient) ==
        "5 filters, its 1x1 input gradient takes an even number");
}

TEST_CASE("conv2d takes it, in the gradients too, and the plan says so") {
  const Tensor x = randn({2, 30, 28, 32}, 1), w = randn({5, 5, 32, 64}, 2);  // too large for winograd
  const ConvOptions o{.padding = Padding::same, .precision = Precision::medium};
  for (auto d : directions) {
    const ConvPlan plan = conv2d_plan(x.spec(), w.spec(), o, d);
    CHECK(plan.algorithm == ConvAlgorithm::bf16);
    CHECK(plan.precision.starts_with("medium: bf16 products by "));
    CHECK(plan.str().ends_with("; precision " + plan.precision + ")"));
  }
  auto all = [&](const Tensor& a, const Tensor& b, const ConvOptions& options) {
    GradientTape tape({.persistent = true});
    tape.watch(a), tape.watch(b);
    const Tensor y = [&] {
      PrecisionScope scope(Precision::medium);  // gone when the gradients are computed
      return conv2d(a, b, options);
    }();
    const Tensor dy = randn(y.shape(), 3).astype(y.dtype());
    return std::vector<Tensor>{y, tape.gradient(y, a, {.output_gradients = dy}),
                               tape.gradient(y, b, {.output_gradients = dy})};
  };
  const ConvOptions same_padding{.padding = Padding::same};
  const auto want = all(exact(x), exact(w), same_padding), got = all(x, w, same_padding),
             highest = all(x, w, {.padding = Padding::same, .precision = Precision::highest});
  for (std::size_t i = 0; i < 3; ++i) {
    CAPTURE(i);
    check_medium(error(got[i], want[i]));
    CHECK(error(highest[i], want[i]) <= 5e-6);
    CHECK(want[i].dtype() == DType::f64);  // whose products are not concerned
  }
  const Tensor half = x.astype(DType::f16), kernel = w.astype(DType::f16);
  CHECK(allclose(conv2d(half, kernel, o), conv2d(half, kernel, same_padding), {.rtol = 0, .atol = 0}));
}

TEST_CASE("conv2d_transpose, depthwise and separable convolutions know their precision") {
  const ConvOptions medium{.padding = Padding::same, .precision = Precision::medium};
  const Tensor x = randn({2, 14, 13, 48}, 1), w = randn({3, 3, 32, 48}, 2);
  check_medium(error(conv2d_transpose(x, w, {.strides = {2, 2}, .precision = Precision::medium}),
                     conv2d_transpose(exact(x), exact(w), {.strides = {2, 2}})));
  const Tensor image = randn({2, 32, 31, 64}, 5), each = randn({3, 3, 64, 1}, 3), mix = randn({1, 1, 64, 128}, 4);
  check_medium(error(separable_conv2d(image, each, mix, medium),
                     separable_conv2d(exact(image), exact(each), exact(mix), {.padding = Padding::same})));
  CHECK(error(depthwise_conv2d(image, each, medium),
              depthwise_conv2d(exact(image), exact(each), {.padding = Padding::same})) <=
        5e-6);  // f32: there is nothing to gain
}

TEST_CASE("forced, it computes with the precision that allows it") {
  const Tensor x = randn({1, 8, 8, 3}, 1), w = randn({3, 3, 3, 8}, 2), want = conv2d(exact(x), exact(w));
  check_medium(error(conv2d(x, w, {.algorithm = ConvAlgorithm::bf16, .precision = Precision::medium}), want));
  const double e = error(conv2d(x, w, {.algorithm = ConvAlgorithm::bf16, .precision = Precision::high}), want);
  CHECK(e <= 2e-5);
  CHECK(e > 0);
  CHECK_THROWS_WITH_AS(conv2d(x, w, {.algorithm = ConvAlgorithm::bf16}),
                       doctest::Contains("conv2d: algorithm bf16 cannot compute it: the precision is highest."),
                       UsageError);
  // Another algorithm multiplies f32 numbers, and the plan says so.
  const ConvOptions other{.algorithm = ConvAlgorithm::im2col, .precision = Precision::medium};
  CHECK(error(conv2d(x, w, other), want) <= 5e-6);
  CHECK(conv2d_plan(x.spec(), w.spec(), other).str() == "im2col (forced; precision medium: f32 is used in im2col)");
}

TEST_CASE("a traced convolution with what follows it") {
  const Tensor x = randn({3, 40, 36, 32}, 1), w = randn({5, 5, 32, 48}, 2), bias = randn({48}, 3);
  for (Precision precision : precisions) {
    auto layer = [&](const Tensor& a, const Tensor& k, const Tensor& b) {
      return relu(conv2d(a, k, {.padding = Padding::same, .precision = precision}) + b);
    };
    auto traced = function([&](const Tensor& a) { return layer(a, w, bias); });
    const Tensor want = layer(exact(x), exact(w), exact(bias));
    for (int i = 0; i < 3; ++i) {  // the kernel is kept in its pieces
      CHECK(error(traced(x), want) <= promised(precision));
      CHECK(allclose(traced(x), layer(x, w, bias), {.rtol = 1e-5, .atol = 1e-4}));
    }
    if (precision == Precision::medium) check_medium(error(traced(x), want));
    CHECK(traced.graphs()[0].find("precision=") != std::string::npos);
  }
}

TEST_CASE("matmul: shapes, transposed and strided operands, batches") {
  auto swapped = [](const Tensor& t) {
    Axes axes;
    for (int i = 0; i < t.rank(); ++i) axes.push_back(i);
    std::swap(axes[t.rank() - 1], axes[t.rank() - 2]);
    return permute_dims(t, axes);
  };
  const bool emulated = cpu::bf16() == cpu::Bf16::emulated;  // takes bf16 numbers for the smallest products
  auto check = [&](const Tensor& got, const Tensor& a, const Tensor& b, Precision precision) {
    const double e = error(got, matmul(exact(a), exact(b)));
    CHECK(e <= promised(precision));
    if (!emulated) return;
    auto pieces = [&](const Tensor& t, auto&& f) { return Tensor::from_vector(f(f64(t)), t.shape()); };
    Tensor sum = matmul(pieces(a, high), pieces(b, high));
    if (precision == Precision::high)
      sum = sum + matmul(pieces(a, high), pieces(b, low)) + matmul(pieces(a, low), pieces(b, high));
    else CHECK(e >= 1e-5);
    CHECK(error(got, sum) <= 1e-6);
  };
  std::int64_t seed = 1;
  for (Precision precision : precisions) {
    for (auto [m, n, k] : std::vector<std::array<std::int64_t, 3>>{{1, 5, 3},
                                                                   {7, 1, 5},
                                                                   {17, 13, 29},
                                                                   {65, 66, 67},
                                                                   {1, 300, 200},
                                                                   {150, 130, 140},
                                                                   {130, 3, 6000},
                                                                   {256, 384, 512}})
      for (bool ta : {false, true})
        for (bool tb : {false, true}) {
          INFO(name_of(precision) << " " << m << "x" << k << " by " << k << "x" << n << ", " << ta << tb);
          const Tensor a = randn(ta ? Shape{k, m} : Shape{m, k}, seed++),
                       b = randn(tb ? Shape{n, k} : Shape{k, n}, seed++);
          const Tensor left = ta ? swapped(a) : a, right = tb ? swapped(b) : b;
          check(matmul(a, b, {ta, tb, precision}), left, right, precision);
          check(matmul(left, right, {.precision = precision}), left, right, precision);  // views instead of flags
          check(matmul(swapped(left), right, {.transpose_a = true, .precision = precision}), left, right, precision);
        }
    for (auto [s, t] : std::vector<std::pair<Shape, Shape>>{{{3, 4, 5}, {5, 6}},
                                                            {{4, 5}, {3, 5, 6}},
                                                            {{2, 1, 4, 5}, {3, 5, 2}},
                                                            {{2, 3, 4, 5}, {2, 3, 5, 4}},
                                                            {{3, 150, 140}, {3, 140, 130}},
                                                            {{1, 150, 140}, {3, 140, 130}}}) {
      INFO(name_of(precision) << " " << s.str() << " by " << t.str());
      const Tensor a = randn(s, seed++), b = randn(t, seed++);
      check(matmul(a, b, {.precision = precision}), a, b, precision);
      check(matmul(swapped(a), swapped(b), {true, true, precision}), a, b, precision);
      check(matmul(swapped(swapped(a).astype(DType::f32)), b, {.precision = precision}), a, b, precision);
    }
    const Tensor wide = randn({40, 90}, 1), part = wide(Slice(3, 33), Slice(10, 50, 2)), other = randn({20, 30}, 2);
    check(matmul(part, other, {.precision = precision}), part, other, precision);
    const Tensor row = broadcast_to(randn({1, 30}, 3), {25, 30});
    check(matmul(row, part, {.precision = precision}), row, part, precision);
  }
  CHECK(sum(matmul(zeros({3, 0}), zeros({0, 4}), {.precision = Precision::medium})).item<float>() == 0);
}

TEST_CASE("matmul: f32 alone, and what is made of it") {
  const Tensor x = randn({128, 256}, 1), w = randn({256, 384}, 2);
  const PrecisionScope scope(Precision::medium);
  const Tensor want = matmul(exact(x), exact(w));
  check_medium(error(matmul(x, w), want));
  CHECK(error(matmul(x, w, {.precision = Precision::highest}), want) <= 1e-6);
  check_medium(error(tensordot(x, w, 1), want));
  check_medium(error(einsum("ij,jk->ik", {x, w}), want));
  nn::Dense dense(384, {.seed = 1});
  const Tensor y = dense(x);
  check_medium(error(y, matmul(exact(x), exact(dense.variables()[0].value()))));
  const Tensor half = x.astype(DType::bf16), half_w = w.astype(DType::bf16);
  CHECK(
      allclose(matmul(half, half_w), matmul(half, half_w, {.precision = Precision::highest}), {.rtol = 0, .atol = 0}));
  const Tensor i = x.astype(DType::i32);
  CHECK(allclose(matmul(i, permute_dims(i, {1, 0})),
                 matmul(i, permute_dims(i, {1, 0}), {.precision = Precision::highest})));
}

TEST_CASE("matmul: gradients of any order keep the precision of the call") {
  const Tensor a = randn({96, 160}, 1), b = randn({160, 128}, 2), dy = randn({96, 128}, 3);
  auto gradients = [](const Tensor& x, const Tensor& y, const Tensor& d) {
    GradientTape outer({.persistent = true});
    outer.watch(x), outer.watch(y);
    GradientTape tape({.persistent = true});
    tape.watch(x), tape.watch(y);
    const Tensor product = matmul(x, y, {.precision = Precision::medium});
    const Tensor dx = tape.gradient(product, x, {.output_gradients = d}),
                 dz = tape.gradient(product, y, {.output_gradients = d});
    return std::vector<Tensor>{dx, dz, outer.gradient(dx, y, {.output_gradients = x})};
  };
  const auto got = gradients(a, b, dy), want = gradients(exact(a), exact(b), exact(dy));
  for (std::size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    check_medium(error(got[i], want[i]));
  }
}

TEST_CASE("a product with the program that follows it, in pieces") {
  const Tensor x = randn({4096, 64}, 1), w = randn({64, 512}, 2), bias = randn({512}, 3);
  auto layer = [](const Tensor& a, const Tensor& k, const Tensor& b) {
    return relu(matmul(a, k, {.precision = Precision::medium}) + b);
  };
  auto traced = function([&](const Tensor& a) { return layer(a, w, bias); });
  check_medium(error(traced(x), layer(exact(x), exact(w), exact(bias))));
  CHECK(traced.graphs()[0].find("matmul_then") != std::string::npos);
}

TEST_CASE("numbers that bf16 has no neighbours for") {
  constexpr float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  // Of each x, beside enough zeros for the machine to care: x times 1.
  auto times_one = [&](float x, Precision precision) {
    const Tensor a = concat({full({256, 1}, x), zeros({256, 255})}, {.axis = 1});
    const Tensor one = concat({ones({1, 256}), zeros({255, 256})}, {.axis = 0});
    return matmul(a, one, {.precision = precision}).to_vector<float>()[0];
  };
  CHECK(times_one(inf, Precision::medium) == inf);
  for (Precision precision : precisions) {
    CHECK(std::isnan(times_one(nan, precision)));
    CHECK(!std::isfinite(times_one(-inf, precision)));
    CHECK(times_one(3e38f, precision) == doctest::Approx(3e38).epsilon(4e-3));
    CHECK(times_one(1e-30f, precision) == doctest::Approx(1e-30).epsilon(4e-3));
  }
}
