#include <tapir/nn/augmentation_layers.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/gather.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/padding.h>
#include <tapir/ops/random.h>
#include <tapir/ops/ranges.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <numbers>

namespace tapir::nn {

AugmentationLayer::AugmentationLayer(const char* type, std::int64_t seed, const std::string& name)
    : SeededLayer(seed, name), type_(type) {}

Tensor AugmentationLayer::draw(std::int64_t n, const Range& r) {
  if (!(r.low() <= r.high()))
    throw UsageError(fmt::format("{}: a range must ascend, got {} to {}.", type_, r.low(), r.high()));
  if (r.low() == r.high()) return full({n, 1}, float(r.low()));
  return random::uniform({n, 1}, {.low = r.low(), .high = r.high(), .key = next_key()});
}

Tensor AugmentationLayer::images(const Tensor& x) const {
  detail::check_rank(type_, x, 4);
  return is_floating(x.dtype()) ? x : astype(x, DType::f32);
}

RandomFlip::RandomFlip(const FlipLayerOptions& o)
    : LayerOf("RandomFlip", o.seed, o.name), horizontal_(o.horizontal), vertical_(o.vertical) {}

Tensor RandomFlip::call(const Tensor& input, bool training) {
  const Tensor x = images(input);
  if (!training) return x;
  Axes axes;
  if (vertical_) axes.push_back(1);
  if (horizontal_) axes.push_back(2);
  if (axes.empty()) return x;
  const Tensor chosen = reshape(draw(x.shape()[0], Range(0, 1)), {x.shape()[0], 1, 1, 1}) <= 0.5;
  return where(chosen, flip(x, {.axis = axes}), x);
}

// ---- geometry

namespace {

// Where in [0, size) a coordinate beyond the edge is looked up, as TensorFlow's ImageProjectiveTransformV3.
Tensor folded(const Tensor& at, double size, FillMode mode) {
  const double last = size - 1;
  if (mode == FillMode::constant) return at;
  if (mode == FillMode::nearest || size <= 1) return clip(at, 0, last);
  if (mode == FillMode::reflect) {
    const double period = 2 * size;
    const Tensor below = at + period * floor(-at / period);  // > -period
    const Tensor above = at - period * floor(at / period);
    return clip(where(at < 0, where(below < -size, below + period, -below - 1),
                      where(at > last, where(above >= size, period - above - 1, above), at)),
                0, last);
  }
  return clip(where(at < 0, at + size * (floor(-at / last) + 1), where(at > last, at - size * floor(at / last), at)), 0,
              last);
}

// Pixels of x [N, H, W, C] at whole coordinates ix, iy [N, P]: [N, P, C]; `fill` where there are none.
Tensor pixels(const Tensor& x, const Tensor& ix, const Tensor& iy, double fill) {
  const std::int64_t n = x.shape()[0], h = x.shape()[1], w = x.shape()[2], c = x.shape()[3];
  const Tensor first = reshape(arange(n) * (h * w), {n, 1});
  const Tensor place = astype(clip(iy, 0, double(h - 1)) * double(w) + clip(ix, 0, double(w - 1)), DType::i64) + first;
  const Tensor found = take(reshape(x, {n * h * w, c}), place, 0);
  const Tensor inside =
      logical_and(logical_and(ix >= 0, ix <= double(w - 1)), logical_and(iy >= 0, iy <= double(h - 1)));
  return where(expand_dims(inside, -1), found, fill);
}

}  // namespace

TransformLayer::TransformLayer(const char* type, const RandomTransformOptions& options)
    : AugmentationLayer(type, options.seed, options.name), options_(options) {}

Tensor TransformLayer::call(const Tensor& input, bool training) {
  const Tensor x = images(input);
  if (!training) return x;
  const std::int64_t n = x.shape()[0], h = x.shape()[1], w = x.shape()[2];
  const auto& o = options_;
  const Matrix m = matrix(n, double(h), double(w));
  // The pixels of the result, row by row: [1, H * W].
  const Tensor px = reshape(tile(arange(double(w)), {h}), {1, h * w});
  const Tensor py = reshape(repeat(arange(double(h)), w), {1, h * w});
  const Tensor sx = folded(m.a * px + m.b * py + m.c, double(w), o.fill_mode);
  const Tensor sy = folded(m.d * px + m.e * py + m.f, double(h), o.fill_mode);
  Tensor y;
  if (!o.bilinear) {
    y = pixels(x, floor(sx + 0.5), floor(sy + 0.5), o.fill_value);
  } else {
    const Tensor x0 = floor(sx), y0 = floor(sy), fx = expand_dims(sx - x0, -1), fy = expand_dims(sy - y0, -1);
    auto row = [&](const Tensor& iy) {
      return (1 - fx) * pixels(x, x0, iy, o.fill_value) + fx * pixels(x, x0 + 1, iy, o.fill_value);
    };
    y = (1 - fy) * row(y0) + fy * row(y0 + 1);
  }
  return reshape(astype(y, x.dtype()), x.shape());
}

TransformLayer::Matrix RandomRotation::matrix(std::int64_t n, double height, double width) {
  const Tensor angle = draw(n, factor_) * (2 * std::numbers::pi);
  const Tensor c = cos(angle), s = sin(angle);
  const double cx = (width - 1) / 2, cy = (height - 1) / 2;
  return {c, -s, cx - cx * c + cy * s, s, c, cy - cx * s - cy * c};
}

TransformLayer::Matrix RandomTranslation::matrix(std::int64_t n, double height, double width) {
  const Tensor down = draw(n, height_) * height, right = draw(n, width_) * width;
  const Tensor one = ones({n, 1}), zero = zeros({n, 1});
  return {one, zero, -right, zero, one, -down};
}

TransformLayer::Matrix RandomZoom::matrix(std::int64_t n, double height, double width) {
  const Tensor tall = 1 + draw(n, height_), wide = width_ ? 1 + draw(n, *width_) : tall;
  const Tensor zero = zeros({n, 1});
  return {wide, zero, (width - 1) / 2 * (1 - wide), zero, tall, (height - 1) / 2 * (1 - tall)};
}

RandomCrop::RandomCrop(std::int64_t height, std::int64_t width, const CropLayerOptions& o, Where where)
    : LayerOf("RandomCrop", o.seed, o.name), height_(height), width_(width) {
  CallSite site(where);
  detail::check_positive("RandomCrop", "height", height);
  detail::check_positive("RandomCrop", "width", width);
}

Tensor RandomCrop::call(const Tensor& input, bool training) {
  const Tensor x = images(input);
  const std::int64_t h = x.shape()[1], w = x.shape()[2];
  if (h < height_ || w < width_)
    throw ShapeError(fmt::format("RandomCrop: {} x {} pixels do not fit into {}.", height_, width_, x.shape().str()));
  const std::int64_t free_rows = h - height_, free_columns = w - width_;
  if (!training) return contiguous(narrow(narrow(x, 1, free_rows / 2, height_), 2, free_columns / 2, width_));
  auto part = [&](const Tensor& t, int axis, std::int64_t free, std::int64_t size) {
    if (free == 0) return t;
    const Tensor u = reshape(draw(1, Range(0, 1)), {});
    const Tensor start = astype(floor(u * double(free + 1)), DType::i64);
    return take(t, start + arange(size), axis);
  };
  return part(part(x, 1, free_rows, height_), 2, free_columns, width_);
}

// ---- colours

Tensor RandomContrast::call(const Tensor& input, bool training) {
  const Tensor x = images(input);
  if (!training) return x;
  const Tensor factor = reshape(1 + draw(x.shape()[0], factor_), {x.shape()[0], 1, 1, 1});
  const Tensor middle = mean(x, {.axis = {1, 2}, .keepdims = true});
  return clip((x - middle) * factor + middle, options_.low, options_.high);
}

Tensor RandomBrightness::call(const Tensor& input, bool training) {
  const Tensor x = images(input);
  if (!training) return x;
  const Tensor more = draw(x.shape()[0], factor_) * (options_.high - options_.low);
  return clip(x + reshape(more, {x.shape()[0], 1, 1, 1}), options_.low, options_.high);
}

}  // namespace tapir::nn
