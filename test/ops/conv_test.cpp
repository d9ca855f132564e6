// The public convolutions: shapes, gradients, layouts, plans and errors. Values by algorithm are in
// test/backends/conv_algorithms_test.cpp.
#include <doctest/doctest.h>
#include <tapir/tapir.h>

#include <cmath>
#include <random>

using namespace tapir;

namespace {

Tensor normal(const Shape& s, DType dtype = DType::f64, unsigned seed = 1) {
  std::mt19937 gen(seed);
  std::normal_distribution<double> d;
  std::vector<double> v(std::size_t(s.size()));
  for (auto& e : v) e = d(gen);
  return Tensor::from_vector(v, s).astype(dtype);
}

double difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  auto u = a.astype(DType::f64).to_vector<double>(), v = b.astype(DType::f64).to_vector<double>();
  double worst = 0;
  for (std::size_t i = 0; i < u.size(); ++i) {
    if (std::isnan(u[i]) || std::isnan(v[i])) return INFINITY;
    worst = std::max(worst, std::abs(u[i] - v[i]));
  }
  return worst;
}

// What the error says after the place.
template <class E, class F>
std::string message(F&& f) {
  try {
    f();
  } catch (const E& e) {
    std::string s = e.what();
    auto at = s.find(": ");
    return s.substr(0, at).find("conv_test.cpp:") != std::string::npos ? s.substr(at + 2) : "without a place: " + s;
  }
  return "nothing was thrown";
}

}  // namespace

TEST_CASE("a convolution by hand") {
  Tensor x = Tensor::from_vector<float>({1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 3, 3, 1});
  Tensor k = Tensor::from_vector<float>({1, 0, 0, -1}, {2, 2, 1, 1});
  CHECK(conv2d(x, k).to_vector<float>() == std::vector<float>{-4, -4, -4, -4});
  CHECK(conv2d(x, k, {.padding = Padding::same}).to_vector<float>() ==
        std::vector<float>{-4, -4, 3, -4, -4, 6, 7, 8, 9});
  CHECK(conv2d(x, k, {.strides = {2}, .padding = {{1, 1}, {1, 1}}}).to_vector<float>() ==
        std::vector<float>{-1, -3, -7, 5 - 9});
}

TEST_CASE("gradients of every direction, to second order") {
  struct Case {
    Shape x, k;
    ConvOptions o;
  };
  const Case cases[] = {
      {{2, 4, 5, 2}, {3, 2, 2, 3}, {.padding = Padding::same}},
      {{1, 5, 4, 2}, {2, 3, 2, 2}, {.strides = {2, 1}}},
      {{1, 6, 5, 2}, {2, 2, 2, 2}, {.padding = {{1, 0}, {0, 2}}, .dilations = {2, 1}}},
      {{1, 4, 4, 4}, {3, 3, 2, 2}, {.strides = {2}, .padding = Padding::same, .groups = 2}},
      {{1, 4, 4, 1}, {3, 3, 1, 2}, {}},
      {{2, 3, 3, 2}, {1, 1, 2, 2}, {}},
      {{1, 2, 4, 4}, {2, 2, 2, 3}, {.padding = Padding::same, .data_format = DataFormat::nchw}},
  };
  for (auto& c : cases) {
    INFO(c.x.str() << " by " << c.k.str());
    Tensor x = normal(c.x, DType::f64, 2), k = normal(c.k, DType::f64, 3);
    auto f = [&](const std::vector<Tensor>& in) { return square(conv2d(in[0], in[1], c.o)); };
    auto r = gradcheck(f, {x, k}, {.order = 2, .tolerance = 1e-5});
    CHECK_MESSAGE(r.ok, r.str());
  }
}

TEST_CASE("gradients in one and three dimensions") {
  auto r = gradcheck([](const std::vector<Tensor>& in) { return square(conv1d(in[0], in[1], {.strides = {2}})); },
                     {normal({2, 7, 2}), normal({3, 2, 2}, DType::f64, 2)});
  CHECK_MESSAGE(r.ok, r.str());
  r = gradcheck([](const std::vector<Tensor>& in) { return square(conv3d(in[0], in[1], {.padding = Padding::same})); },
                {normal({1, 2, 3, 3, 2}), normal({2, 2, 2, 2, 2}, DType::f64, 2)});
  CHECK_MESSAGE(r.ok, r.str());
}

TEST_CASE("gradients of transposed, depthwise and separable convolutions") {
  auto r = gradcheck(
      [](const std::vector<Tensor>& in) {
        return square(conv2d_transpose(in[0], in[1], {.strides = {2}, .padding = Padding::same}));
      },
      {normal({1, 3, 2, 2}), normal({3, 3, 2, 2}, DType::f64, 2)}, {.order = 2, .tolerance = 1e-5});
  CHECK_MESSAGE(r.ok, r.str());
  r = gradcheck([](const std::vector<Tensor>& in) { return square(depthwise_conv2d(in[0], in[1])); },
                {normal({1, 4, 4, 2}), normal({3, 2, 2, 2}, DType::f64, 2)}, {.order = 2, .tolerance = 1e-5});
  CHECK_MESSAGE(r.ok, r.str());
  r = gradcheck([](const std::vector<Tensor>& in) { return square(separable_conv2d(in[0], in[1], in[2])); },
                {normal({1, 3, 3, 2}), normal({2, 2, 2, 2}, DType::f64, 2), normal({1, 1, 4, 3}, DType::f64, 3)});
  CHECK_MESSAGE(r.ok, r.str());
}

TEST_CASE("third order") {
  Tensor a = constant(2.0);  // a, a and a convolved: a cubic in one number
  auto cube = [](const Tensor& t) {
    Tensor x = reshape(t, {1, 1, 1, 1});
    return reshape(conv2d(conv2d(x, x), x), {});
  };
  GradientTape t3;
  t3.watch(a);
  Tensor d2;
  {
    GradientTape t2;
    t2.watch(a);
    Tensor d1;
    {
      GradientTape t1;
      t1.watch(a);
      Tensor y = cube(a);
      CHECK(y.item<double>() == 8);
      d1 = t1.gradient(y, a);
    }
    CHECK(d1.item<double>() == 12);
    d2 = t2.gradient(d1, a);
  }
  CHECK(d2.item<double>() == 12);
  CHECK(t3.gradient(d2, a).item<double>() == 6);
}

TEST_CASE("channels first gives what channels last gives") {
  Tensor x = normal({2, 6, 7, 3}, DType::f32), k = normal({3, 3, 3, 5}, DType::f32, 2);
  ConvOptions o{.strides = {2, 1}, .padding = Padding::same};
  Tensor last = conv2d(x, k, o);
  o.data_format = DataFormat::nchw;
  CHECK(difference(permute_dims(conv2d(permute_dims(x, {0, 3, 1, 2}), k, o), {0, 2, 3, 1}), last) == 0);
}

TEST_CASE("strided views are read as they are") {
  Tensor x = normal({2, 6, 7, 3}, DType::f32), k = normal({3, 3, 3, 5}, DType::f32, 2);
  Tensor xv = permute_dims(contiguous(permute_dims(x, {2, 0, 3, 1})), {1, 3, 0, 2});
  Tensor kv = permute_dims(contiguous(permute_dims(k, {3, 2, 1, 0})), {3, 2, 1, 0});
  REQUIRE(!xv.is_contiguous());
  CHECK(difference(conv2d(xv, kv), conv2d(x, k)) == 0);
  Tensor repeated = broadcast_to(Tensor::from_vector<float>({1}, {1, 1, 1, 1}), {1, 4, 4, 3});
  CHECK(difference(conv2d(repeated, k), conv2d(contiguous(repeated), k)) == 0);
}

TEST_CASE("halves compute in f32") {
  Tensor x = normal({1, 6, 7, 3}, DType::f16), k = normal({3, 3, 3, 5}, DType::f16, 2);
  Tensor y = conv2d(x, k);
  CHECK(y.dtype() == DType::f16);
  CHECK(difference(y, conv2d(x.astype(DType::f32), k.astype(DType::f32)).astype(DType::f16)) == 0);
  Tensor xb = x.astype(DType::bf16), kb = k.astype(DType::bf16);
  GradientTape tape;
  tape.watch(xb), tape.watch(kb);
  auto [dx, dk] = tape.gradient(conv2d(xb, kb), xb, kb);
  CHECK(dx.dtype() == DType::bf16);
  CHECK(dk.dtype() == DType::bf16);
}

TEST_CASE("empty batches and empty pixels") {
  Tensor k = normal({3, 3, 2, 4}, DType::f32), x = normal({0, 5, 5, 2}, DType::f32);
  GradientTape tape;
  tape.watch(x), tape.watch(k);
  Tensor y = conv2d(x, k);
  CHECK(y.shape() == Shape{0, 3, 3, 4});
  auto [dx, dk] = tape.gradient(y, x, k);
  CHECK(dx.shape() == x.shape());
  CHECK(dk.shape() == k.shape());
  CHECK(difference(dk, zeros({3, 3, 2, 4})) == 0);
  CHECK(conv2d(normal({2, 0, 5, 2}, DType::f32), k, {.padding = Padding::same}).shape() == Shape{2, 0, 5, 4});
}

TEST_CASE("depthwise is a convolution of its own for each channel") {
  Tensor x = normal({2, 6, 5, 3}), k = normal({3, 3, 3, 2}, DType::f64, 2);
  Tensor y = depthwise_conv2d(x, k, {.padding = Padding::same});
  CHECK(y.shape() == Shape{2, 6, 5, 6});
  auto xs = x.to_vector<double>(), ks = k.to_vector<double>(), ys = y.to_vector<double>();
  for (std::size_t c = 0; c < 3; ++c) {
    std::vector<double> xc, kc, want;
    for (std::size_t i = c; i < xs.size(); i += 3) xc.push_back(xs[i]);
    for (std::size_t i = 0; i < ks.size(); i += 6) kc.push_back(ks[i + 2 * c]), kc.push_back(ks[i + 2 * c + 1]);
    for (std::size_t i = 0; i < ys.size(); i += 6) want.push_back(ys[i + 2 * c]), want.push_back(ys[i + 2 * c + 1]);
    Tensor part = conv2d(Tensor::from_vector(xc, {2, 6, 5, 1}), Tensor::from_vector(kc, {3, 3, 1, 2}),
                         {.padding = Padding::same});
    CHECK(difference(part, Tensor::from_vector(want, {2, 6, 5, 2})) < 1e-13);
  }
}

TEST_CASE("transposed sizes are TensorFlow's") {
  Tensor x = normal({1, 4, 5, 2}, DType::f32), k = normal({3, 3, 3, 2}, DType::f32);
  auto size = [&](const ConvTransposeOptions& o) { return conv2d_transpose(x, k, o).shape(); };
  CHECK(size({.strides = {2}, .padding = Padding::same}) == Shape{1, 8, 10, 3});
  CHECK(size({.strides = {2}}) == Shape{1, 9, 11, 3});
  CHECK(size({.strides = {3}}) == Shape{1, 12, 15, 3});
  CHECK(size({.strides = {2}, .padding = Padding::same, .output_padding = {1}}) == Shape{1, 8, 10, 3});
  CHECK(size({.strides = {2}, .padding = Padding::same, .output_padding = {0}}) == Shape{1, 7, 9, 3});
  CHECK(size({.strides = {2}, .padding = Padding::same, .output_size = {7, 10}}) == Shape{1, 7, 10, 3});
  CHECK(size({.strides = {2}, .padding = {{1, 1}, {0, 1}}, .output_padding = {1, 0}}) == Shape{1, 8, 10, 3});
}

TEST_CASE("the input gradient is not computed unasked") {
  Tensor x = normal({1, 6, 6, 2}, DType::f32), k = normal({3, 3, 2, 2}, DType::f32);
  GradientTape outer;  // sees what the backward pass runs
  outer.watch(x), outer.watch(k);
  GradientTape tape;
  tape.watch(k);
  Tensor y = conv2d(x, k);
  const std::size_t before = outer.size();
  (void)tape.gradient(y, k);
  CHECK(outer.size() - before == 1);  // the kernel gradient alone
}

TEST_CASE("plans say what is taken and why; options and scopes force") {
  TensorSpec x({8, 14, 14, 64}), k({3, 3, 64, 64});
  CHECK(conv2d_plan(x, k, {.algorithm = ConvAlgorithm::im2col}).algorithm == ConvAlgorithm::im2col);
  CHECK(conv2d_plan(x, k, {.algorithm = ConvAlgorithm::im2col}).str() == "im2col (forced)");
  {
    ConvAlgorithmScope scope(ConvAlgorithm::reference);
    CHECK(conv2d_plan(x, k).algorithm == ConvAlgorithm::reference);
    {
      ConvAlgorithmScope inner(ConvAlgorithm::automatic);
      CHECK(conv2d_plan(x, k).algorithm != ConvAlgorithm::reference);
    }
    Tensor a = normal({1, 5, 5, 2}, DType::f32), b = normal({3, 3, 2, 2}, DType::f32);
    CHECK(difference(conv2d(a, b), conv2d(a, b, {.algorithm = ConvAlgorithm::im2col})) < 1e-5);
  }
  CHECK(conv2d_plan(x, k).algorithm != ConvAlgorithm::reference);
  CHECK(!conv2d_plan(x, k, {}, ConvDirection::kernel_gradient).why.empty());
  const ConvPlan first = conv2d_plan(TensorSpec({32, 28, 28, 1}), TensorSpec({3, 3, 1, 32}));
  CHECK(first.algorithm == ConvAlgorithm::small_channels);
  CHECK(first.why.starts_with("expected: "));
  CHECK(first.why.ends_with(" us on one thread"));
  CHECK(first.passed_by.find("depthwise: it takes one input and one output channel a group; ") != std::string::npos);
  CHECK(first.passed_by.find("gemm_1x1: it takes 1x1 kernels; ") != std::string::npos);
  CHECK(first.str() == "small_channels (" + first.why + "; passed by " + first.passed_by + ")");
  CHECK(conv2d_plan(TensorSpec({32, 28, 28, 1}), TensorSpec({3, 3, 1, 32})).str() == first.str());  // always the same
  Tensor a = normal({1, 5, 5, 2}, DType::f32), b = normal({3, 3, 2, 2}, DType::f32);
  CHECK(message<UsageError>([&] { conv2d(a, b, {.algorithm = ConvAlgorithm::depthwise}); }) ==
        "conv2d: algorithm depthwise cannot compute it: it takes one input and one output channel a group.");
  ConvAlgorithmScope wish(ConvAlgorithm::depthwise);  // a scope is a wish
  CHECK(conv2d(a, b).shape() == Shape{1, 3, 3, 2});
}

TEST_CASE("a kernel that changes is not confused with what was kept of it") {
  Tensor x = normal({2, 9, 8, 32}, DType::f32);
  Variable k(normal({3, 3, 32, 32}, DType::f32, 2));
  for (int step = 0; step < 6; ++step) {
    for (int again = 0; again < 3; ++again)  // the second time packs, the third uses it
      CHECK(
          allclose(conv2d(x, k), conv2d(x, k, {.algorithm = ConvAlgorithm::reference}), {.rtol = 1e-4, .atol = 1e-4}));
    k.assign_add(normal({3, 3, 32, 32}, DType::f32, 3u + unsigned(step)));
  }
}

TEST_CASE("errors say what is wrong") {
  Tensor image = normal({8, 32, 32, 3}, DType::f32), kernel = normal({3, 3, 16, 32}, DType::f32);
  Tensor k3 = normal({3, 3, 3, 4}, DType::f32);
  CHECK(message<ShapeError>([&] { conv2d(image, kernel); }) ==
        "conv2d: input has 3 channels but kernel expects 16 (input [8, 32, 32, 3] NHWC, kernel [3, 3, 16, 32] HWIO, "
        "groups 1).");
  CHECK(message<ShapeError>([&] { conv2d(image, k3, {.data_format = DataFormat::nchw}); }) ==
        "conv2d: input has 32 channels but kernel expects 3 (input [8, 32, 32, 3] NCHW, kernel [3, 3, 3, 4] HWIO, "
        "groups 1).");
  CHECK(message<ShapeError>([&] { conv1d(image, k3); }) == "conv1d: input needs rank 3 (NWC), got [8, 32, 32, 3].");
  CHECK(message<ShapeError>([&] {
          conv2d(image, normal({3, 3, 4}));
        }) == "conv2d: kernel needs rank 4 (HWIO), got [3, 3, 4].");
  CHECK(message<ShapeError>([&] {
          conv2d(image, normal({3, 3, 1, 4}, DType::f32), {.groups = 3});
        }) == "conv2d: 4 output channels do not split into 3 groups (kernel [3, 3, 1, 4] HWIO).");
  CHECK(message<ShapeError>([&] { conv2d(image, k3, {.groups = 0}); }) == "conv2d: groups must be at least 1, got 0.");
  CHECK(message<ShapeError>([&] { conv2d(image, k3, {.strides = {0}}); }) ==
        "conv2d: strides must be at least 1, got 0.");
  CHECK(message<ShapeError>([&] {
          conv2d(image, k3, {.strides = {1, 1, 1}});
        }) == "conv2d: strides needs 2 values, got [1, 1, 1].");
  CHECK(message<ShapeError>([&] {
          conv2d(image, k3, {.padding = {{1, 1}}});
        }) == "conv2d: padding needs 2 pairs, got 1.");
  CHECK(message<DTypeError>([&] { conv2d(image, k3.astype(DType::f64)); }) ==
        "conv2d: dtypes differ, f32 vs f64. Cast one side: kernel.astype(DType::f32).");
  CHECK(message<DTypeError>([&] { conv2d(image.astype(DType::i32), k3.astype(DType::i32)); }) ==
        "conv2d: needs floats, got i32. Cast: x.astype(DType::f32).");
  CHECK(message<ShapeError>([&] { conv2d_transpose(image, k3); }) ==
        "conv2d_transpose: input has 3 channels but kernel expects 4 (input [8, 32, 32, 3] NHWC, kernel [3, 3, 3, 4] "
        "HWOI, groups 1).");
  Tensor k4 = normal({3, 3, 4, 3}, DType::f32);
  CHECK(message<ShapeError>([&] {
          conv2d_transpose(image, k4, {.strides = {2}, .output_size = {70, 64}});
        }) == "conv2d_transpose: a convolution of size [70, 64] with a kernel of [3, 3] gives [34, 31], not [32, 32].");
  CHECK(message<ShapeError>([&] { conv2d_transpose(image, k4, {.strides = {2}, .output_padding = {2}}); }) ==
        "conv2d_transpose: output_padding must be from 0 to stride - 1, got 2 with stride 2.");
  CHECK(message<ShapeError>([&] { depthwise_conv2d(image, kernel); }) ==
        "depthwise_conv2d: input has 3 channels but kernel expects 16 (input [8, 32, 32, 3] NHWC, kernel "
        "[3, 3, 16, 32] HWCM).");
  CHECK(message<UsageError>([&] { depthwise_conv2d(image, k3, {.groups = 3}); }) ==
        "depthwise_conv2d: groups must be left at 1, got 3. Every channel is its own group.");
}
