// Resizing against TensorFlow, and against the definition: point i of `to` lies at (i + 1/2) from / to - 1/2 of the
// input.
#include <tapir/test/ops/golden.h>

using namespace golden;

namespace {

// The weight of input pixel k in output pixel i, along one axis.
double weight(std::int64_t i, std::int64_t k, std::int64_t from, std::int64_t to, ResizeMethod method) {
  const double centre = (double(i) + 0.5) * double(from) / double(to);
  if (method == ResizeMethod::nearest) return std::int64_t(std::floor(centre)) == k ? 1 : 0;
  const double at = std::clamp(centre - 0.5, 0.0, double(from - 1));  // beyond the border its pixel goes on
  return std::max(0.0, 1 - std::abs(at - double(k)));
}

Tensor weights(std::int64_t from, std::int64_t to, ResizeMethod method) {
  std::vector<double> w;
  for (std::int64_t i = 0; i < to; ++i)
    for (std::int64_t k = 0; k < from; ++k) w.push_back(weight(i, k, from, to, method));
  return Tensor::from_vector(w, {to, from});
}

Tensor by_definition(const Tensor& x, const Shape& size, ResizeMethod method) {
  const Tensor rows = weights(x.shape()[1], size[0], method), columns = weights(x.shape()[2], size[1], method);
  return einsum("ih,jw,nhwc->nijc", {rows, columns, x});
}

}  // namespace

TEST_CASE("resize: TensorFlow's values and gradients") {
  Family family("ops");
  int seen = 0;
  for (auto& c : family.cases) {
    if (c["op"] != "resize") continue;
    const std::string name = c["name"];
    CAPTURE(name);
    const Shape size(c["attrs"]["size"].get<std::vector<std::int64_t>>());
    const ResizeMethod method = c["attrs"]["method"] == "nearest" ? ResizeMethod::nearest : ResizeMethod::bilinear;
    Tensor x = family.get(name, "x");
    GradientTape tape;
    tape.watch(x);
    Tensor y = resize(x, size, {.method = method});
    CHECK(distance(y, family.get(name, "y")) < 1e-6);
    if (y.id() == x.id()) continue;  // the size that it has: nothing happens
    CHECK(distance(tape.gradient(y, x, {.output_gradients = family.get(name, "dy")}), family.get(name, "dx")) < 2e-6);
    ++seen;
  }
  CHECK(seen == 14);
}

TEST_CASE("resize: the definition, odd sizes up and down") {
  for (ResizeMethod method : {ResizeMethod::nearest, ResizeMethod::bilinear})
    for (auto [from, to] : std::vector<std::pair<Shape, Shape>>{{{2, 5, 7, 3}, {11, 13}},
                                                                {{1, 17, 9, 1}, {4, 5}},
                                                                {{3, 4, 1, 2}, {1, 6}},
                                                                {{1, 1, 1, 4}, {3, 2}},
                                                                {{2, 6, 8, 2}, {3, 16}},
                                                                {{1, 5, 5, 2}, {5, 5}},
                                                                {{1, 100, 3, 1}, {7, 3}}}) {
      CAPTURE(from);
      CAPTURE(to);
      const Tensor x = randn(from), y = by_definition(x, to, method);
      CHECK(distance(resize(x, to, {.method = method}), y) < 1e-12);
      CHECK(distance(resize(x.astype(DType::f32), to, {.method = method}), y) < 2e-6);
      CHECK(distance(
                resize(permute_dims(contiguous(permute_dims(x, {3, 2, 1, 0})), {3, 2, 1, 0}), to, {.method = method}),
                y) < 1e-12);
    }
}

TEST_CASE("resize: dtypes") {
  const Tensor x = randn({1, 3, 4, 2});
  for (DType d : {DType::f16, DType::bf16}) {
    const Tensor y = resize(x.astype(d), {5, 6});
    CHECK(y.dtype() == d);
    CHECK(distance(y, resize(x.astype(d).astype(DType::f64), {5, 6})) < (d == DType::f16 ? 4e-3 : 3e-2));
  }
  const Tensor whole = reshape(arange(12), {1, 3, 4, 1}),
               twice = resize(whole, {6, 8}, {.method = ResizeMethod::nearest});
  CHECK(twice.dtype() == whole.dtype());
  CHECK(distance(twice, repeat(repeat(whole, 2, {.axis = 1}), 2, {.axis = 2})) == 0);
}

TEST_CASE("resize: gradients of both orders") {
  for (ResizeMethod method : {ResizeMethod::nearest, ResizeMethod::bilinear})
    for (Shape to : {Shape{7, 4}, Shape{2, 3}, Shape{1, 9}}) {
      const ResizeOptions o{.method = method};
      check_gradient([&](const Tensor& t) { return resize(t, to, o); }, randn({2, 4, 5, 2}));
      check_gradient([&](const Tensor& t) { return square(resize(t * t, to, o)); }, randn({1, 3, 5, 1}));
    }
}

TEST_CASE("resize: no images, and errors") {
  CHECK(resize(zeros({0, 3, 4, 2}), {5, 6}).shape() == Shape{0, 5, 6, 2});
  CHECK(resize(zeros({2, 3, 4, 0}), {5, 6}).shape() == Shape{2, 5, 6, 0});
  const Tensor x = zeros({1, 3, 4, 2});
  check_error<ShapeError>(
      [&] {
        resize(zeros({3, 4, 2}), {5, 6});
      },
      ": resize: images must be [N, H, W, C], got [3, 4, 2].");
  check_error<ShapeError>([&] { resize(x, {5}); },
                          ": resize: the size must be {height, width}, each at least 1, got [5].");
  check_error<ShapeError>(
      [&] {
        resize(x, {5, 0});
      },
      ": resize: the size must be {height, width}, each at least 1, got [5, 0].");
  check_error<ShapeError>(
      [&] {
        resize(zeros({1, 0, 4, 2}), {5, 6});
      },
      ": resize: images [1, 0, 4, 2] have no pixels.");
  check_error<DTypeError>(
      [&] {
        resize(zeros({1, 3, 4, 2}, DType::i32), {5, 6});
      },
      ": resize: bilinear needs a floating dtype, got i32. Cast it: x.astype(DType::f32).");
}
