// ONNX: normalisation, dropout.
#include <tapir/formats/onnx_call.h>
#include <tapir/ops/create.h>
#include <tapir/ops/dropout.h>
#include <tapir/ops/normalization.h>
#include <tapir/ops/padding.h>

#include <fmt/format.h>

#include <cmath>

namespace tapir::onnx::detail {

namespace {

// One number a channel, along dimension 1 of x.
Tensor per_channel(const Tensor& v, const Tensor& x) {
  Shape s = Shape::filled(x.rank(), 1);
  if (x.rank() > 1) s[1] = v.size();
  return reshape(v, s);
}
Axes from(int axis, int rank) {
  Axes axes;
  for (; axis < rank; ++axis) axes.push_back(axis);
  return axes;
}

Results batch_normalization(const Call& c) {
  const Tensor& x = c[0];
  const double epsilon = c.number("epsilon", 1e-5);
  if (c.opset() < 14 ? c.wants(1) : c.flag("training_mode")) {
    if (c.opset() < 14) c.fail("training is supported from opset 14 on");
    const double momentum = c.number("momentum", 0.9);
    const auto r = batch_norm_training(moveaxis(x, {1}, {-1}), c[1], c[2], epsilon);
    return {moveaxis(r.y, {-1}, {1}), c[3] * momentum + r.mean * (1 - momentum),
            c[4] * momentum + r.variance * (1 - momentum)};
  }
  return {
      batch_norm(x, per_channel(c[3], x), per_channel(c[4], x), per_channel(c[2], x), per_channel(c[1], x), epsilon)};
}

// (x - mean) / deviation over `axes`, and both.
struct Normalised {
  Tensor y, mean, inverse;
};
Normalised normalised(const Tensor& x, const Axes& axes, double epsilon) {
  const Tensor m = mean(x, {.axis = axes, .keepdims = true});
  const Tensor inverse = rsqrt(var(x, {.axis = axes, .keepdims = true}) + epsilon);
  return {(x - m) * inverse, m, inverse};
}

Results instance_normalization(const Call& c) {
  const Tensor& x = c[0];
  if (x.rank() < 3) c.fail("the input " + x.shape().str() + " has no spatial dimensions");
  const Tensor y = normalised(x, from(2, x.rank()), c.number("epsilon", 1e-5)).y;
  return {y * per_channel(c[1], x) + per_channel(c[2], x)};
}

Results layer_normalization(const Call& c) {
  const Tensor& x = c[0];
  const Axes axes = from(int(axis_of(c, c.integer("axis", -1), x.rank())), x.rank());
  const double epsilon = c.number("epsilon", 1e-5);
  const Shape normal = x.shape().last(axes.rank());
  if (!c.wants(1) && !c.wants(2) && c[1].shape() == normal && (!c.has(2) || c[2].shape() == normal))
    return {layer_norm(x, c[1], c.has(2) ? c[2] : Tensor(), {.axis = axes, .epsilon = epsilon})};
  const Normalised n = normalised(x, axes, epsilon);
  return {c.has(2) ? n.y * c[1] + c[2] : n.y * c[1], n.mean, n.inverse};
}

// Until opset 21 one scale a group, then one a channel.
Results group_normalization(const Call& c) {
  const Tensor& x = c[0];
  const std::int64_t groups = c.integer("num_groups", 0);
  if (x.rank() < 3 || groups < 1 || x.shape()[1] % groups)
    c.fail(fmt::format("{} groups of {}", groups, x.shape().str()));
  const Tensor apart = reshape(x, {x.shape()[0], groups, -1});
  const Tensor y = reshape(normalised(apart, {2}, c.number("epsilon", 1e-5)).y, x.shape());
  auto channels = [&](const Tensor& t) {
    return per_channel(t.size() == groups ? repeat(t, x.shape()[1] / groups) : t, x);
  };
  return {y * channels(c[1]) + channels(c[2])};
}

// Sums of squares over `size` neighbouring channels.
Results lrn(const Call& c) {
  const Tensor& x = c[0];
  const std::int64_t size = c.integer("size", 1);
  if (x.rank() < 2 || size < 1 || size > 4096) c.fail(fmt::format("size {} on {}", size, x.shape().str()));
  Paddings widths(static_cast<std::size_t>(x.rank()));
  widths[1] = {(size - 1) / 2, size / 2};
  const Tensor squares = pad(square(x), widths);
  Tensor all = narrow(squares, 1, 0, x.shape()[1]);
  for (std::int64_t i = 1; i < size; ++i) all = all + narrow(squares, 1, i, x.shape()[1]);
  const double alpha = c.number("alpha", 1e-4), beta = c.number("beta", 0.75), bias = c.number("bias", 1);
  return {x / pow(all * (alpha / double(size)) + bias, beta)};
}

Results lp_normalization(const Call& c) {
  const auto axis = axis_of(c, c.integer("axis", -1), c[0].rank());
  return {c[0] / norm(c[0], {.axis = axis, .keepdims = true, .ord = double(c.integer("p", 2))})};
}
Results mean_variance(const Call& c) {
  const Axes axes(c.integers("axes", {0, 2, 3}));
  const Tensor apart = c[0] - mean(c[0], {.axis = axes, .keepdims = true});
  return {apart / (stddev(c[0], {.axis = axes, .keepdims = true}) + 1e-9)};
}

// Before opset 12 models said it by being run; inference is the identity. A mask was floats before opset 10.
Results dropout_(const Call& c) {
  const Tensor& x = c[0];
  const DType mask = c.opset() >= 10 ? DType::boolean : x.dtype();
  const bool training = c.opset() >= 12 && c.has(2) && c.value(2) != 0;
  const double rate = c.has(1) ? c.value(1) : c.number("ratio", 0.5);
  if (!training || rate == 0) return {x, ones_like(x, mask)};
  const Tensor kept = dropout(ones_like(x), rate, {.seed = c.integer("seed", -1)});
  return {x * kept, not_equal(kept, 0)};
}

constexpr Row rows[] = {
    {"BatchNormalization", batch_normalization, 7, 0, 3},
    {"Dropout", dropout_, 7, 0, 1},
    {"GroupNormalization", group_normalization},
    {"InstanceNormalization", instance_normalization, 6},
    {"LRN", lrn},
    {"LayerNormalization", layer_normalization},
    {"LpNormalization", lp_normalization},
    {"MeanVarianceNormalization", mean_variance},
};

}  // namespace

std::span<const Row> normalization_rows() { return rows; }

}  // namespace tapir::onnx::detail
