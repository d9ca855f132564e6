// What function() fuses, and that it computes the same: elementwise chains with their sums, pooling after bias and
// activation, convolution with pooling.
#include <doctest/doctest.h>
#include <tapir/graph/passes.h>
#include <tapir/tapir.h>

#include <cmath>

using namespace tapir;

namespace {

// How many nodes of that name the newest graph has.
template <class F>
int nodes(const Function<F>& f, const std::string& name) {
  const std::string text = f.graphs().at(0);
  int n = 0;
  for (std::size_t at = 0; (at = text.find(" = " + name + "(", at)) != std::string::npos; ++at) ++n;
  return n;
}

void same(const std::vector<Tensor>& a, const std::vector<Tensor>& b, double rtol = 1e-6, double atol = 1e-6) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    INFO(i);
    REQUIRE(a[i].shape() == b[i].shape());
    REQUIRE(a[i].dtype() == b[i].dtype());
    CHECK(allclose(a[i], b[i], {.rtol = rtol, .atol = atol, .equal_nan = true}));
  }
}

// Eager, then traced; the traced function is returned.
template <class F>
auto check(F f, const std::vector<Tensor>& in, double rtol = 1e-6, double atol = 1e-6) {
  auto traced = function(f);
  same(f(in), traced(in), rtol, atol);
  same(f(in), traced(in), rtol, atol);  // the arena is used again
  return traced;
}

using List = std::vector<Tensor>;

}  // namespace

TEST_CASE("pairs of steps give what the two ops give, whatever the order of their operands") {
  using Binary = Tensor (*)(const Tensor&, const Tensor&);
  const Binary ops[] = {
      [](const Tensor& a, const Tensor& b) { return a + b; }, [](const Tensor& a, const Tensor& b) { return a * b; },
      [](const Tensor& a, const Tensor& b) { return a - b; }, [](const Tensor& a, const Tensor& b) { return b - a; }};
  for (DType dtype : {DType::f32, DType::f64})
    for (std::int64_t n : {1, 7, 1000}) {
      auto draw = [&](std::uint64_t seed) { return random::normal({n}, {.seed = std::int64_t(seed)}).astype(dtype); };
      const List in{draw(1), draw(2), draw(3)};
      const double eps = dtype == DType::f32 ? 1e-6 : 1e-14;
      for (Binary first : ops) {
        for (Binary second : ops) {
          check([=](const List& x) { return List{second(first(x[0], x[1]), x[2])}; }, in, eps, eps);
          check([=](const List& x) { return List{second(x[2], first(x[0], x[1]))}; }, in, eps, eps);
          check(
              [=](const List& x) {
                Tensor t = first(x[0], x[1]);
                return List{second(t, x[2]), second(x[1], t)};
              },
              in, eps, eps);
          check(
              [=](const List& x) {
                Tensor t = first(x[0], x[1]);
                return List{second(t, t), second(second(t, x[1]), t)};
              },
              in, eps, eps);
        }
        check(
            [=](const List& x) {
              return List{relu(first(x[0], x[1])), tanh(first(x[0], x[1])), sigmoid(first(x[1], x[2])),
                          sigmoid(x[0]) * x[1], x[2] * sigmoid(first(x[0], x[1]))};
            },
            in, eps, eps);
        check([=](const List& x) { return List{first(square(x[0]), x[1]), first(x[2], square(x[1]))}; }, in, eps, eps);
      }
    }
}

TEST_CASE("a chain with constants, broadcasting, comparisons and casts is one program") {
  auto f = [](const List& in) {
    const Tensor &x = in[0], &row = in[1], &column = in[2], &whole = in[3];
    Tensor y = tanh(x * row + 0.5) - column;
    Tensor z = where(y > x, y, x.astype(DType::f64).astype(DType::f32) * 2);
    return List{z * broadcast_to(row, x.shape()), (z > 0.0) != (x < row), whole.astype(DType::f32) + z};
  };
  for (std::int64_t rows : {1, 3, 700})
    for (std::int64_t columns : {1, 5, 64, 1500}) {
      INFO(rows << " x " << columns);
      auto traced =
          check(f, {random::normal({rows, columns}, {.seed = 1}), random::normal({columns}, {.seed = 2}),
                    random::normal({rows, 1}, {.seed = 3}), random::integers({rows, columns}, -5, 5, {.seed = 4})});
      CHECK(nodes(traced, "fused") == 1);
      CHECK(nodes(traced, "tanh") == 0);
    }
}

TEST_CASE("strided operands, integers, f64") {
  Tensor x = random::normal({40, 30}, {.seed = 1}), y = permute_dims(random::normal({30, 40}, {.seed = 2}), {1, 0});
  check([](const List& in) { return List{exp(in[0] - in[1]) * in[1]}; }, {x, y});
  check([](const List& in) { return List{exp(in[0] - in[1]) * in[1]}; }, {x.astype(DType::f64), y.astype(DType::f64)},
        1e-14, 1e-14);
  // f32 values that are made in the program meet f64.
  check(
      [](const List& in) {
        Tensor low = exp(in[0].astype(DType::f32));
        return List{atan2(in[0], low) * low, low < in[0]};
      },
      {x.astype(DType::f64)}, 1e-14, 1e-14);
  Tensor i = random::integers({33, 7}, -50, 50, {.seed = 3});
  check(
      [](const List& in) {
        return List{(in[0] * 3 + 1) % 7, bitwise_and(in[0], 12) << 1, in[0].astype(DType::u8) + 1};
      },
      {i});
}

TEST_CASE("sums over leading, trailing and all axes are part of the program") {
  for (Shape s : {Shape{1}, Shape{7}, Shape{3, 5}, Shape{100000}, Shape{3, 70001}, Shape{2000, 96}, Shape{3, 5000, 2},
                  Shape{5, 1, 9, 33}}) {
    Tensor x = random::normal(s, {.seed = 1}), y = random::normal(s, {.seed = 2});
    Axes first, last;
    for (int d = 0; d + 1 < s.rank(); ++d) first.push_back(d), last.push_back(d + 1);
    for (const Axes& axes : {Axes{}, first, last, Axes{0}, Axes{-1}}) {
      INFO(s.str() << " over " << axes.str());
      // the values cancel: errors count against the sum of the absolute values
      check(
          [&](const List& in) {
            return List{sum(in[0] * in[1], {.axis = axes}),
                        mean(square(in[0] - in[1]), {.axis = axes, .keepdims = true})};
          },
          {x, y}, 1e-5, 2e-7 * double(s.size()));
    }
  }
  auto f = [](const List& in) {
    return List{sum(in[0] * in[1], {.axis = {0}}), sum(in[0] * in[1] * 2.0, {.axis = {0}}), in[0] * in[1]};
  };
  auto traced = check(f, {random::normal({300, 20}, {.seed = 1}), random::normal({300, 20}, {.seed = 2})}, 1e-5, 1e-5);
  CHECK(nodes(traced, "fused") == 1);
  CHECK(nodes(traced, "sum") == 0);
}

TEST_CASE("a sum has the accuracy of the op, and does not depend on the number of threads") {
  Tensor x = random::uniform({3'000'000}, {.low = 0.5, .high = 1.5, .seed = 1});
  auto f = function([](const Tensor& x) { return sum(x * 1.0 + 0.1); });
  Tensor exact = sum(x.astype(DType::f64) + double(0.1f));
  CHECK(f(x).item<float>() == doctest::Approx(exact.item<double>()).epsilon(1e-7));
  const float many = f(x).item<float>();
  const int threads = num_threads();
  set_num_threads(1);
  CHECK(f(x).item<float>() == many);
  set_num_threads(threads);
}

TEST_CASE("a group does not reach over what depends on it") {
  // sum(y) must be finished before y - sum(y) starts; the second chain may not join the first.
  auto f = [](const List& in) {
    Tensor y = exp(in[0]) * 2.0, s = sum(y);
    Tensor a = y - s, m = matmul(reshape(a, {4, 4}), reshape(y, {4, 4}));
    return List{sum(a * reshape(m, {16}) + y), tanh(a)};
  };
  check(f, {random::normal({16}, {.seed = 1})}, 1e-4, 1e-3);
}

TEST_CASE("programs write over operands that die, and only over those") {
  auto f = [](const List& in) {
    Tensor a = matmul(in[0], in[0]), b = matmul(in[0], in[1]);  // both die in the program
    Tensor p = a * 2.0 + b, q = a - b * p;                      // a and b are read again after p is made
    return List{matmul(p, q), matmul(q, p)};
  };
  check(f, {random::normal({24, 24}, {.seed = 1}), random::normal({24, 24}, {.seed = 2})}, 1e-4, 1e-2);
}

namespace {

// Value and gradients of a convolution, bias, activation, pooling; as a network does it.
template <class Activation>
auto pooled(const Shape& window, ConvOptions options, Activation act) {
  return [=](const List& in) {
    GradientTape tape;
    tape.watch(in[1]), tape.watch(in[2]);
    Tensor y = max_pool2d(act(conv2d(in[0], in[1], options) + in[2]), window);
    Tensor loss = sum(square(y) * in[3]);
    std::vector<Tensor> g = tape.gradient(loss, {in[1], in[2]});
    return List{y, g[0], g[1]};
  };
}

List pool_inputs(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c, std::int64_t k, const Shape& window,
                 DType d = DType::f32) {
  Shape out{n, (h - 2) / window[0], (w - 2) / window[1], k};
  return {random::normal({n, h, w, c}, {.seed = 1}).astype(d), random::normal({3, 3, c, k}, {.seed = 2}).astype(d),
          random::normal({k}, {.seed = 3}).astype(d), random::normal(out, {.seed = 4}).astype(d)};
}

}  // namespace

TEST_CASE("convolution, bias, relu and pooling: forward and backward touch pooled values alone") {
  auto rectify = [](const Tensor& x) { return relu(x); };
  for (Shape window : {Shape{2, 2}, Shape{3, 2}, Shape{1, 3}})
    for (std::int64_t k : {1, 5, 32, 40}) {
      INFO("window " << window.str() << ", " << k << " channels");
      auto traced = check(pooled(window, {}, rectify), pool_inputs(3, 13, 15, 1, k, window), 1e-5, 1e-3);
      CHECK(nodes(traced, "conv_max_pool") == 1);
      CHECK(nodes(traced, "conv_max_pool_kernel_gradient") == 1);
      CHECK(nodes(traced, "conv") + nodes(traced, "max_pool") + nodes(traced, "max_pool_grad") == 0);
      check(pooled(window, {}, rectify), pool_inputs(2, 12, 12, 3, k, window, DType::f64), 1e-12, 1e-10);
    }
  for (auto act : {+[](const Tensor& x) { return sigmoid(x); }, +[](const Tensor& x) { return tanh(x); },
                   +[](const Tensor& x) { return relu6(x); }}) {
    auto traced = check(pooled({2, 2}, {}, act), pool_inputs(2, 10, 10, 2, 8, {2, 2}), 1e-5, 1e-4);
    CHECK(nodes(traced, "conv_max_pool_kernel_gradient") == 1);
  }
}

TEST_CASE("pooling moves ahead of bias and activation for any convolution; leaky_relu stays behind") {
  List in = pool_inputs(2, 12, 12, 16, 8, {2, 2});
  auto traced = check(pooled({2, 2}, {}, [](const Tensor& x) { return relu(x); }), in, 1e-4, 1e-3);
  CHECK(nodes(traced, "conv_max_pool") == 0);
  CHECK(traced.graphs()[0].find("max_pool(") < traced.graphs()[0].find("[add, relu]"));
  check(pooled({2, 2}, {}, [](const Tensor& x) { return leaky_relu(x); }), in, 1e-4, 1e-3);
  auto padded = [](const List& in) {
    GradientTape tape;
    tape.watch(in[1]);
    Tensor y = max_pool2d(relu(conv2d(in[0], in[1], {.padding = Padding::same}) + in[2]), {3, 3},
                          {.strides = {2, 2}, .padding = Padding::same});
    return List{y, tape.gradient(sum(y * y), in[1])};
  };
  check(padded, pool_inputs(2, 11, 9, 1, 8, {2, 2}), 1e-4, 1e-3);
  check(padded, pool_inputs(2, 11, 9, 12, 8, {2, 2}), 1e-4, 1e-3);
}

TEST_CASE("padding, strides and dilations of the convolution that is pooled") {
  Tensor x = random::normal({2, 17, 19, 2}, {.seed = 1}), k = random::normal({3, 3, 2, 20}, {.seed = 2});
  for (ConvOptions o : {ConvOptions{.padding = Padding::same}, ConvOptions{.strides = {2, 2}},
                        ConvOptions{.strides = {1, 2}, .padding = Padding::same}, ConvOptions{.dilations = {2, 2}}}) {
    o.algorithm = ConvAlgorithm::small_channels;  // which machines choose for other shapes each
    auto f = [=](const List& in) {
      GradientTape tape;
      tape.watch(in[1]);
      Tensor y = max_pool2d(conv2d(in[0], in[1], o), {2, 2});
      return List{y, tape.gradient(sum(y * y * y), in[1])};
    };
    auto traced = check(f, {x, k}, 1e-4, 1e-2);
    CHECK(nodes(traced, "conv_max_pool") == 1);
    CHECK(nodes(traced, "conv_max_pool_kernel_gradient") == 1);
  }
}

TEST_CASE("a convolution of groups is not pooled in one go") {
  Tensor x = random::normal({2, 13, 14, 4}, {.seed = 1}), k = random::normal({3, 3, 2, 24}, {.seed = 2});
  auto f = [](const List& in) {
    GradientTape tape;
    tape.watch(in[1]);
    Tensor y = max_pool2d(conv2d(in[0], in[1], {.groups = 2}), {2, 2});
    return List{y, tape.gradient(sum(y * y * y), in[1])};
  };
  auto traced = check(f, {x, k}, 1e-4, 1e-2);
  CHECK(nodes(traced, "conv_max_pool") == 0);
}

TEST_CASE("a convolution takes bias, activation, batch normalisation and residual add along") {
  Tensor x = random::normal({2, 9, 11, 5}, {.seed = 1}), residual = random::normal({2, 9, 11, 24}, {.seed = 2}),
         b = random::normal({24}, {.seed = 3});
  Tensor mean = random::normal({24}, {.seed = 4}), variance = random::uniform({24}, {.low = 0.5, .high = 2, .seed = 5});
  for (ConvAlgorithm algorithm : {ConvAlgorithm::automatic, ConvAlgorithm::direct, ConvAlgorithm::im2col,
                                  ConvAlgorithm::small_channels, ConvAlgorithm::reference})
    for (DType d : {DType::f32, DType::f64}) {
      if (algorithm == ConvAlgorithm::direct && d == DType::f64) continue;
      INFO(name_of(algorithm) << " " << name_of(d));
      auto f = [&](const List& in) {
        Tensor k = random::normal({3, 3, 5, 24}, {.seed = 6}).astype(d);
        Tensor y = conv2d(in[0], k, {.padding = Padding::same, .algorithm = algorithm});
        Tensor z = batch_norm(y, mean.astype(d), variance.astype(d), Tensor(), b.astype(d));
        return List{relu(z + in[1]),
                    relu(conv2d(in[0] * 2.0, k, {.strides = {2, 2}, .algorithm = algorithm}) + b.astype(d))};
      };
      auto traced = check(f, {x.astype(d), residual.astype(d)}, 1e-4, 1e-4);
      CHECK(nodes(traced, "conv_then") == 2);
      CHECK(nodes(traced, "batch_norm") + nodes(traced, "conv") == 0);
    }
  // Training: what the gradient reads is stored by the same pass.
  auto training = [&](const List& in) {
    GradientTape tape;
    tape.watch(in[1]);
    Tensor y = gelu(conv2d(in[0], in[1], {.padding = Padding::same}) + b);
    return List{y, tape.gradient(sum(y * residual), in[1])};
  };
  auto traced = check(training, {x, random::normal({3, 3, 5, 24}, {.seed = 6})}, 1e-4, 1e-3);
  CHECK(nodes(traced, "conv_then") == 1);
  // 2 x 3000 pixels, of which threads take parts that begin where the row of [W, C] does not.
  auto wide = [](const List& in) { return List{conv2d(in[0], in[1]) * in[2]}; };
  check(wide,
        {random::normal({2, 40, 77, 8}, {.seed = 7}), random::normal({1, 1, 8, 3}, {.seed = 8}),
         random::normal({77, 3}, {.seed = 9})},
        1e-5, 1e-5);
}

TEST_CASE("halves are fused, and rounded after each operation as alone") {
  for (DType d : {DType::f16, DType::bf16}) {
    INFO(name_of(d));
    auto f = [d](const List& in) {
      const Tensor &x = in[0], &row = in[1], &whole = in[2];
      Tensor y = tanh(x * row + 0.1) - x;
      Tensor z = where(y > x, y, x.astype(DType::f32).astype(d) * 3.3);
      Tensor wide = maximum(z.astype(DType::f32), whole);  // a multiply-add in f32 may be rounded once
      return List{z * row, y, wide, wide.astype(d) * 0.7, exp(z) < 1.5, sum(wide, {.axis = 0})};
    };
    for (std::int64_t rows : {1, 3, 700})
      for (std::int64_t columns : {1, 5, 1500}) {
        INFO(rows << " x " << columns);
        const List in{random::normal({rows, columns}, {.seed = 1}).astype(d),
                      random::normal({columns}, {.seed = 2}).astype(d), random::normal({rows, columns}, {.seed = 3})};
        auto traced = function(f);
        const List expected = f(in), got = traced(in);
        for (std::size_t i = 0; i + 1 < got.size(); ++i) CHECK_MESSAGE(array_equal(got[i], expected[i]), i);
        CHECK(allclose(got.back(), expected.back(), {.rtol = 1e-5, .atol = 1e-4}));
        CHECK(nodes(traced, "fused") == 1);
        CHECK(nodes(traced, "tanh") + nodes(traced, "astype") == 0);
      }
    // Gradients; casts between integers and halves stay alone.
    auto gradient = [](const List& in) {
      GradientTape tape;
      tape.watch(in[0]);
      Tensor y = sigmoid(in[0] * in[1]) * in[0];
      return List{tape.gradient(y, in[0], {.output_gradients = in[1]})};
    };
    const Tensor x = random::normal({300}, {.seed = 4}).astype(d), y = random::normal({300}, {.seed = 5}).astype(d);
    auto traced = function(gradient);
    CHECK(array_equal(traced(List{x, y})[0], gradient({x, y})[0]));
    auto cast = [d](const List& in) { return List{(in[0] + 70000).astype(d) * 2.0}; };
    auto other = function(cast);
    const List integers{random::integers({300}, -100, 100000, {.seed = 6})};
    CHECK(array_equal(other(integers)[0], cast(integers)[0]));
  }
}

TEST_CASE("a matrix product takes bias, activation and residual add along") {
  struct Case {
    Shape a, b;
    bool transpose_a, transpose_b;
  };
  const Case cases[] = {{{1200, 40}, {40, 1001}, false, false}, {{33, 1500}, {1100, 33}, true, true},
                        {{1100, 1}, {1, 1700}, false, false},   {{3, 2, 600, 30}, {2, 30, 310}, false, false},
                        {{1100, 0}, {0, 1001}, false, false},   {{64, 784}, {784, 96}, false, false}};  // does not pay
  for (const Case& c : cases)
    for (DType d : {DType::f32, DType::f64}) {
      const Tensor a = random::normal(c.a, {.seed = 1}).astype(d),
                   b = random::normal(c.b, {.stddev = 0.1, .seed = 2}).astype(d);
      const MatmulOptions o{.transpose_a = c.transpose_a, .transpose_b = c.transpose_b};
      const Shape y = matmul(a, b, o).shape();
      const Tensor bias = random::normal({y.back()}, {.seed = 3}).astype(d),
                   column = random::normal({y.dim(-2), 1}, {.seed = 4}).astype(d),
                   residual = random::normal(y, {.seed = 5}).astype(d);
      INFO(y.str() << " " << name_of(d));
      auto f = [&](const List& in) {
        return List{relu(matmul(in[0], in[1], o) + in[2]), matmul(in[0] * 2.0, in[1], o) + in[2],
                    gelu(matmul(in[0] * 3.0, in[1], o) * in[3] + in[2]) + in[4]};
      };
      auto traced = check(f, {a, b, bias, column, residual}, 1e-4, 1e-4);
      CHECK(nodes(traced, "matmul_then") == (y.size() > 1'000'000 ? 3 : 0));
    }
  // Training: what the gradient reads is stored by the same pass; a result that somebody else reads, or that is summed,
  // stays.
  const Tensor x = random::normal({1500, 12}, {.seed = 1}), w = random::normal({12, 800}, {.seed = 2}),
               b = random::normal({800}, {.seed = 3});
  auto training = [&](const List& in) {
    GradientTape tape;
    tape.watch(in[1]);
    Tensor y = tanh(matmul(in[0], in[1]) + b);
    return List{y, tape.gradient(sum(y * y), in[1])};
  };
  CHECK(nodes(check(training, {x, w}, 1e-4, 1e-4), "matmul_then") == 1);
  auto shared = [&](const List& in) {
    Tensor y = matmul(in[0], in[1]);
    return List{y, relu(y + b)};
  };
  CHECK(nodes(check(shared, {x, w}, 1e-5, 1e-5), "matmul_then") == 0);
  auto summed = [&](const List& in) { return List{sum(relu(matmul(in[0], in[1]) + b))}; };
  CHECK(nodes(check(summed, {x, w}, 1e-4, 1e-4), "matmul_then") == 0);
  auto integers = [&](const List& in) { return List{matmul(in[0], in[1]) + 1}; };
  CHECK(nodes(check(integers, {ones({3, 4}, DType::i32), ones({4, 5}, DType::i32)}, 0, 0), "matmul_then") == 0);
}

TEST_CASE("explain says what was fused, where, and how long a call takes") {
  auto f = function([](const Tensor& x, const Tensor& k) { return relu(conv2d(x, k) * 2.0) + sum(tanh(x) * x); });
  for (int i = 0; i < 3; ++i) f(ones({1, 8, 8, 5}), ones({3, 3, 5, 4}));
  const std::string text = f.explain();
  INFO(text);
  CHECK(text.find("conv_then: conv, multiply, relu") != std::string::npos);
  CHECK(text.find("fused: tanh, multiply, sum  (fusion_test.cpp:") != std::string::npos);
  CHECK(text.find("3 calls, ") != std::string::npos);
}

TEST_CASE("tensors of unknown sizes are filled when the sizes are known") {
  auto f = function(
      [](const Tensor& x) {
        return x + zeros_like(x) * 2.0 + ones({x.shape()[0], 1});
      },
      {.signature = {TensorSpec({unknown, 3}, DType::f32)}});
  for (std::int64_t n : {1, 4, 9}) {
    Tensor x = random::normal({n, 3}, {.seed = n});
    CHECK(allclose(f(x), x + 1.0));
  }
  CHECK(f.trace_count() == 1);
}

TEST_CASE("NaN and infinity go through pooling as before") {
  List in = pool_inputs(1, 10, 10, 1, 4, {2, 2});
  std::vector<float> x = in[0].to_vector<float>();
  x[12] = NAN, x[77] = INFINITY;
  in[0] = reshape(Tensor::from_vector(x), in[0].shape());
  auto f = [](const List& in) { return List{max_pool2d(relu(conv2d(in[0], in[1]) + in[2]), {2, 2})}; };
  check(f, in);
}

TEST_CASE("each pass can be switched off") {
  List in = pool_inputs(2, 12, 12, 1, 8, {2, 2});
  auto f = pooled({2, 2}, {}, [](const Tensor& x) { return relu(x); });
  for (auto& pass : graph::all_passes()) {
    INFO(pass.name);
    graph::enable_pass(pass.name, false);
    check(f, in, 1e-5, 1e-3);
    graph::enable_pass(pass.name, true);
  }
}

TEST_CASE("batch normalisation with given statistics goes into the convolution's weights, and follows the variables") {
  for (DType d : {DType::f32, DType::f64})
    for (bool with_bias : {false, true}) {
      auto draw = [&](const Shape& s, std::int64_t seed) { return random::normal(s, {.seed = seed}).astype(d); };
      Variable kernel(draw({3, 3, 5, 7}, 1), "kernel"), bias(draw({7}, 2), "bias"), mean(draw({7}, 3), "mean"),
          variance(random::uniform({7}, {.low = 0.5, .high = 2, .seed = 4}).astype(d), "variance"),
          scale(draw({7}, 5), "scale"), offset(draw({7}, 6), "offset");
      auto f = [&](const Tensor& x) {
        Tensor y = conv2d(x, kernel, {.padding = Padding::same});
        if (with_bias) y = y + bias;
        return relu6(batch_norm(y, mean, variance, offset, scale));
      };
      auto traced = function(f);
      const Tensor x = draw({2, 9, 8, 5}, 7);
      const double eps = d == DType::f32 ? 1e-5 : 1e-13;
      auto agree = [&] { CHECK(allclose(traced(x), f(x), {.rtol = eps, .atol = eps})); };
      agree(), agree();
      const std::string graph = traced.graphs().at(0);
      CHECK(nodes(traced, "batch_norm") == 0);
      CHECK(graph.find("[conv, add, relu6]") != graph.npos);
      for (Variable* v : {&kernel, &mean, &variance, &scale, &offset, &bias}) {
        v->assign(v->value() * 1.5);
        agree(), agree();
      }
      CHECK(traced.trace_count() == 1);
    }
  // In a trace that assigns the statistics too, they are what they are then.
  Variable kernel(ones({1, 1, 1, 2}), "kernel"), mean(zeros({2}), "mean");
  auto step = function([&](const Tensor& x) {
    mean.assign_add(ones({2}));
    return batch_norm(conv2d(x, kernel), mean, ones({2}), zeros({2}), ones({2}), 0.0);
  });
  for (int i = 1; i < 4; ++i)
    CHECK(step(ones({1, 1, 1, 1})).to_vector<float>() == std::vector<float>(2, 1.0f - float(i)));
}

TEST_CASE("what depends on variables alone is computed when they change") {
  Variable a(random::normal({20, 30}, {.seed = 1}), "a"), b(random::normal({30, 10}, {.seed = 2}), "b"),
      moved(ones({10}), "moved");
  auto f = function([&](const Tensor& x) {
    moved.assign(moved * 2);
    return std::pair(matmul(x, matmul(tanh(a), b)) + moved, matmul(a, b));
  });
  const Tensor x = random::normal({4, 20}, {.seed = 3});
  auto products = [&] {  // that run in a call
    Profile p;
    auto [y, ab] = f(x);
    int n = 0;
    for (auto& e : p.events()) n += e.name == "matmul";
    CHECK(allclose(y, matmul(x, matmul(tanh(a), b)) + moved, {.rtol = 1e-5, .atol = 1e-4}));
    CHECK(allclose(ab, matmul(a, b), {.rtol = 1e-5, .atol = 1e-5}));
    return n;
  };
  CHECK(products() == 3);
  CHECK(products() == 1);
  b.assign(b.value() + 1);
  CHECK(products() == 3);
  CHECK(products() == 1);
  const Tensor kept = a.value();  // the same values, another tensor
  a.assign(kept * 1);
  CHECK(products() == 3);
}
