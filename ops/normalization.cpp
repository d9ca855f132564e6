#include <tapir/ops/elementwise.h>
#include <tapir/ops/normalization.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <algorithm>

namespace tapir {
namespace {

void check_floating(const char* op, const Tensor& x) {
  if (!is_floating(x.dtype()))
    throw DTypeError(fmt::format("{}: needs a floating dtype, got {}. Cast it first: x.astype(DType::f32).", op,
                                 name_of(x.dtype())));
}

Tensor widened(const Tensor& t) { return t.defined() && is_half(t.dtype()) ? astype(t, DType::f32) : t; }

// A scale or offset that must have exactly `shape`, seen as `as`.
Tensor parameter(const char* op, const char* what, const Tensor& t, const Shape& shape, const Shape& as) {
  if (!t.defined()) return t;
  if (!(t.shape() == shape))
    throw ShapeError(fmt::format("{}: {} must have shape {}, got {}.", op, what, shape.str(), t.shape().str()));
  Tensor wide = widened(t);
  return wide.shape() == as ? wide : reshape(wide, as);
}

Tensor scaled(const Tensor& x, const Tensor& scale, const Tensor& offset, DType dtype) {
  Tensor y = scale.defined() ? x * scale : x;
  if (offset.defined()) y = y + offset;
  return y.dtype() == dtype ? y : astype(y, dtype);
}

// The sizes of `axes` of x, and x's shape with 1 everywhere else.
void sizes_of_axes(const Tensor& x, const Axes& axes, Shape& sizes, Shape& aligned) {
  for (int i = 0; i < x.rank(); ++i) {
    bool in = std::find(axes.begin(), axes.end(), i) != axes.end();
    if (in) sizes.push_back(x.shape()[i]);
    aligned.push_back(in ? x.shape()[i] : 1);
  }
}

struct Moments {
  Tensor centred, mean, variance;
};
Moments moments(const Tensor& x, const Axes& axes) {
  Tensor m = mean(x, {axes, true}), centred = x - m;
  return {centred, m, mean(square(centred), {axes, true})};
}

Tensor inverse_deviation(const Tensor& variance, double epsilon) { return 1.0 / sqrt(variance + epsilon); }

}  // namespace

Tensor batch_norm(const Tensor& x, const Tensor& m, const Tensor& variance, const Tensor& offset, const Tensor& scale,
                  double epsilon, Where w) {
  CallSite site(w);
  check_floating("batch_norm", x);
  Tensor factor = inverse_deviation(widened(variance), epsilon);
  if (scale.defined()) factor = factor * widened(scale);
  return scaled(widened(x) - widened(m), factor, widened(offset), x.dtype());
}

BatchNormResult batch_norm_training(const Tensor& x, const Tensor& scale, const Tensor& offset, double epsilon,
                                    Where w) {
  CallSite site(w);
  const char* op = "batch_norm_training";
  check_floating(op, x);
  if (x.rank() < 2)
    throw ShapeError(fmt::format("{}: input needs a batch and channels, [..., C], got {}.", op, x.shape().str()));
  const Shape channels = {x.shape().back()};
  Tensor s = parameter(op, "scale", scale, channels, channels), o = parameter(op, "offset", offset, channels, channels);
  Axes axes;
  for (int i = 0; i + 1 < x.rank(); ++i) axes.push_back(i);
  auto [centred, m, v] = moments(widened(x), axes);
  Tensor factor = reshape(inverse_deviation(v, epsilon), channels);
  if (s.defined()) factor = factor * s;
  return {scaled(centred, factor, o, x.dtype()), reshape(m, channels), reshape(v, channels)};
}

Tensor layer_norm(const Tensor& x, const Tensor& scale, const Tensor& offset, const LayerNormOptions& o, Where w) {
  CallSite site(w);
  check_floating("layer_norm", x);
  const Axes axes = check_axes("layer_norm", o.axis, x.rank());
  Shape sizes, aligned;
  sizes_of_axes(x, axes, sizes, aligned);
  Tensor s = parameter("layer_norm", "scale", scale, sizes, aligned),
         b = parameter("layer_norm", "offset", offset, sizes, aligned);
  auto [centred, m, v] = moments(widened(x), axes);
  return scaled(centred * inverse_deviation(v, o.epsilon), s, b, x.dtype());
}

Tensor group_norm(const Tensor& x, std::int64_t groups, const Tensor& scale, const Tensor& offset,
                  const GroupNormOptions& o, Where w) {
  CallSite site(w);
  check_floating("group_norm", x);
  if (x.rank() < 2)
    throw ShapeError(fmt::format("group_norm: input needs a batch and channels, [N, ..., C], got {}.", x.shape().str()));
  const std::int64_t n = x.shape()[0], c = x.shape().back();
  if (groups < 1 || c % groups)
    throw ShapeError(fmt::format("group_norm: {} groups do not divide {} channels.", groups, c));
  Tensor s = parameter("group_norm", "scale", scale, {c}, {c}), b = parameter("group_norm", "offset", offset, {c}, {c});
  std::int64_t positions = 1;
  for (int i = 1; i + 1 < x.rank(); ++i) positions *= x.shape()[i];
  auto [centred, m, v] = moments(reshape(widened(x), {n, positions, groups, c / groups}), {1, 3});
  return scaled(reshape(centred * inverse_deviation(v, o.epsilon), x.shape()), s, b, x.dtype());
}

Tensor rms_norm(const Tensor& x, const Tensor& scale, const RmsNormOptions& o, Where w) {
  CallSite site(w);
  check_floating("rms_norm", x);
  const Axes axes = check_axes("rms_norm", o.axis, x.rank());
  Shape sizes, aligned;
  sizes_of_axes(x, axes, sizes, aligned);
  Tensor s = parameter("rms_norm", "scale", scale, sizes, aligned), wide = widened(x);
  return scaled(wide * inverse_deviation(mean(square(wide), {axes, true}), o.epsilon), s, Tensor(), x.dtype());
}

void list_normalization(std::vector<const OpDef*>& out) { (void)out; }  // composed of other rows

}  // namespace tapir
