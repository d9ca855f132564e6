#include <tapir/test/ops/golden.h>

using namespace golden;

namespace {

using Pool = Tensor (*)(const Tensor&, const Shape&, const PoolOptions&, Where);

Pool pool_named(const std::string& op) {
  if (op == "max_pool1d") return max_pool1d;
  if (op == "max_pool2d") return max_pool2d;
  if (op == "max_pool3d") return max_pool3d;
  if (op == "avg_pool1d") return avg_pool1d;
  if (op == "avg_pool2d") return avg_pool2d;
  return avg_pool3d;
}

Tensor strided(const Tensor& x) {  // the same values, last dimension not dense
  Axes there, back;
  for (int i = 0; i < x.rank(); ++i) there.push_back(x.rank() - 1 - i), back.push_back(x.rank() - 1 - i);
  return permute_dims(contiguous(permute_dims(x, there)), back);
}

}  // namespace

TEST_CASE("pooling: TensorFlow's values and gradients") {
  Family family("pool");
  int seen = 0;
  for (auto& c : family.cases) {
    std::string name = c["name"], op = c["op"];
    CAPTURE(name);
    Tensor x = family.get(name, "x"), y = family.get(name, "y"), dy = family.get(name, "dy"),
           dx = family.get(name, "dx");
    for (DType d : {DType::f32, DType::f64})
      for (bool odd : {false, true}) {
        Tensor in = x.astype(d);
        if (odd) in = strided(in);
        auto run = [&](const Tensor& t) {
          if (op.starts_with("Global")) {
            bool keep = c["attrs"]["keepdims"];
            return op.starts_with("GlobalMax") ? global_max_pool(t, {.keepdims = keep})
                                               : global_avg_pool(t, {.keepdims = keep});
          }
          PoolOptions o{.strides = Shape(c["attrs"]["strides"].get<std::vector<std::int64_t>>()),
                        .padding = c["attrs"]["padding"] == "same" ? Padding::same : Padding::valid,
                        .data_format = c["attrs"]["data_format"].get<std::string>().starts_with("NC")
                                           ? DataFormat::channels_first
                                           : DataFormat::channels_last};
          return pool_named(op)(t, Shape(c["attrs"]["ksize"].get<std::vector<std::int64_t>>()), o, Where::current());
        };
        CHECK(distance(run(in), y) < 1e-6);
        GradientTape tape;
        tape.watch(in);
        Tensor z = run(in);
        CHECK(distance(z, y) < 1e-6);
        Tensor g = tape.gradient(z, in, GradientOptions{.output_gradients = dy.astype(d)});
        CHECK(distance(g, dx) < 2e-6);
        ++seen;
      }
  }
  CHECK(seen >= 100);
}

TEST_CASE("pooling: gradients of both orders, channels that fill no register") {
  for (std::int64_t channels : {1, 3, 17, 37}) {
    CAPTURE(channels);
    Tensor x = randn({2, 5, 4, channels});
    check_gradient([](const Tensor& t) { return square(max_pool2d(t, {2})); }, x, {.order = channels < 17 ? 2 : 1});
    check_gradient(
        [](const Tensor& t) {
          return square(avg_pool2d(t, {3, 2}, {.strides = {2, 1}, .padding = Padding::same}));
        },
        x, {.order = channels < 17 ? 2 : 1});
  }
  check_gradient(
      [](const Tensor& t) {
        return square(max_pool1d(t, {3}, {.strides = {1}, .padding = {{1, 2}}}));
      },
      randn({2, 6, 2}));
  check_gradient([](const Tensor& t) { return square(max_pool3d(t, {2}, {.strides = {1}})); }, randn({1, 3, 3, 3, 2}));
  check_gradient([](const Tensor& t) { return square(avg_pool3d(t, {2}, {.strides = {1}})); }, randn({1, 3, 3, 3, 2}));
  check_gradient([](const Tensor& t) { return square(global_max_pool(t)); }, randn({2, 3, 3, 2}));
  check_gradient([](const Tensor& t) { return square(global_avg_pool(t)); }, randn({2, 3, 3, 2}));
}

TEST_CASE("pooling: a window of more than 256 elements") {
  Tensor x = randn({2, 40, 20, 5});
  check_gradient([](const Tensor& t) { return max_pool2d(t, {20, 20}, {.strides = {10}}); }, x, {.order = 1});
}

TEST_CASE("pooling: NaN wins, infinities, halves, empty") {
  Tensor x = Tensor::from_vector(std::vector<float>{1, NAN, 3, -INFINITY, -INFINITY, -INFINITY}, {1, 6, 1});
  GradientTape tape;
  tape.watch(x);
  Tensor y = max_pool1d(x, {3});
  CHECK(std::isnan(y.to_vector<float>()[0]));
  CHECK(y.to_vector<float>()[1] == -INFINITY);
  CHECK(tape.gradient(y, x).to_vector<float>() == std::vector<float>{0, 1, 0, 1, 0, 0});
  for (DType d : {DType::f16, DType::bf16}) {
    Tensor h = randn({2, 6, 6, 3}, d);
    Tensor p = max_pool2d(h, {2});
    CHECK(p.dtype() == d);
    CHECK(distance(p, max_pool2d(h.astype(DType::f64), {2})) == 0);
    CHECK(distance(avg_pool2d(h, {2}), avg_pool2d(h.astype(DType::f64), {2})) < 1e-2);
  }
  CHECK(max_pool2d(zeros({0, 4, 4, 2}), {2}).shape() == Shape{0, 2, 2, 2});
  CHECK(avg_pool2d(zeros({2, 4, 4, 0}), {2}).shape() == Shape{2, 2, 2, 0});
}

TEST_CASE("pooling: many images on several threads") {
  Tensor x = randn({33, 26, 26, 32}, DType::f32);
  Tensor y = max_pool2d(x, {2});
  auto v = x.to_vector<float>(), got = y.to_vector<float>();
  std::size_t at = 0, wrong = 0;
  for (std::size_t n = 0; n < 33; ++n)
    for (std::size_t h = 0; h < 13; ++h)
      for (std::size_t w = 0; w < 13; ++w)
        for (std::size_t c = 0; c < 32; ++c) {
          auto e = [&](std::size_t i, std::size_t j) { return v[((n * 26 + 2 * h + i) * 26 + 2 * w + j) * 32 + c]; };
          wrong += got[at++] != std::max(std::max(e(0, 0), e(0, 1)), std::max(e(1, 0), e(1, 1)));
        }
  CHECK(wrong == 0);
  GradientTape tape;
  tape.watch(x);
  CHECK(sum(tape.gradient(max_pool2d(x, {2}), x)).item<float>() == float(y.size()));
}

TEST_CASE("pooling: exact errors") {
  check_error<ShapeError>(
      [] {
        max_pool2d(zeros({4, 4, 2}), {2});
      },
      ": max_pool2d: input must have rank 4 [N, H, W, C], got [4, 4, 2].");
  check_error<ShapeError>(
      [] {
        avg_pool1d(zeros({1, 4, 2}), {5});
      },
      ": avg_pool1d: a window of 5 (dilation 1) does not fit size 4 padded by 0 and 0. Use "
      "Padding::same or a larger input.");
  check_error<ShapeError>(
      [] {
        max_pool2d(zeros({1, 4, 4, 2}), {2, 2, 2});
      },
      ": max_pool2d: the window needs 2 values, got [2, 2, 2].");
  check_error<ShapeError>(
      [] {
        max_pool1d(zeros({1, 4, 2}), {2}, {.padding = {{2, 0}}});
      },
      ": max_pool1d: padding of 2 and 0 leaves windows of 2 without any element.");
  check_error<DTypeError>(
      [] {
        max_pool1d(zeros({1, 4, 2}, DType::i32), {2});
      },
      ": max_pool1d: needs a floating dtype, got i32. Cast it first: x.astype(DType::f32).");
  check_error<ShapeError>(
      [] {
        global_avg_pool(zeros({4, 2}));
      },
      ": global_avg_pool: input needs spatial dimensions, [N, ..., C], got [4, 2].");
}
