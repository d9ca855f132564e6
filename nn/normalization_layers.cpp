#include <tapir/nn/normalization_layers.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

namespace tapir::nn {
namespace {
void check_epsilon(const char* layer, double epsilon) {
  if (!(epsilon > 0)) throw UsageError(fmt::format("{}: epsilon must be positive, got {}.", layer, epsilon));
}
}  // namespace

BatchNormalization::BatchNormalization(const BatchNormalizationOptions& options, Where where)
    : Layer(options.name), options_(options) {
  CallSite site(where);
  check_epsilon("BatchNormalization", options.epsilon);
  if (!(options.momentum >= 0 && options.momentum <= 1))
    throw UsageError(fmt::format("BatchNormalization: momentum must be in [0, 1], got {}.", options.momentum));
}

void BatchNormalization::make_weights(const Shape& s) {
  const int axis = check_axis("BatchNormalization", options_.axis, s.rank() + 1);
  if (axis == 0) throw ShapeError("BatchNormalization: axis 0 is the batch; name the axis of the features.");
  const Shape features{s[axis - 1]};
  const auto& o = options_;
  if (o.scale) gamma_ = add_weight("gamma", features, {.initializer = o.gamma_initializer});
  if (o.center) beta_ = add_weight("beta", features, {.initializer = o.beta_initializer});
  moving_mean_ = add_weight("moving_mean", features, {.initializer = o.moving_mean_initializer, .trainable = false});
  moving_variance_ =
      add_weight("moving_variance", features, {.initializer = o.moving_variance_initializer, .trainable = false});
}

Tensor BatchNormalization::call(const Tensor& x, bool training) {
  const int axis = check_axis("BatchNormalization", options_.axis, x.rank());
  Axes others;
  Shape features = Shape::filled(x.rank(), 1);
  features[axis] = x.shape()[axis];
  for (int i = 0; i < x.rank(); ++i)
    if (i != axis) others.push_back(i);

  Tensor mean, variance;
  if (training && !frozen()) {
    mean = tapir::mean(x, {.axis = others, .keepdims = true});
    variance = tapir::mean(square(x - mean), {.axis = others, .keepdims = true});
    const double keep = options_.momentum;
    auto move = [&](Variable& moving, const Tensor& batch) {
      moving.assign(moving * keep + reshape(stop_gradient(batch), moving.shape()) * (1 - keep));
    };
    move(moving_mean_, mean);
    move(moving_variance_, variance);
  } else {
    mean = reshape(moving_mean_, features);
    variance = reshape(moving_variance_, features);
  }
  Tensor factor = rsqrt(variance + options_.epsilon);
  if (options_.scale) factor = factor * reshape(gamma_, features);
  Tensor y = (x - mean) * factor;
  return options_.center ? std::move(y) + reshape(beta_, features) : y;
}

LayerNormalization::LayerNormalization(const LayerNormalizationOptions& options, Where where)
    : Layer(options.name), options_(options) {
  CallSite site(where);
  check_epsilon("LayerNormalization", options.epsilon);
}

Shape LayerNormalization::over(const Shape& shape) const {
  Shape out = Shape::filled(shape.rank(), 1);
  for (auto a : check_axes("LayerNormalization", options_.axis, shape.rank())) out[int(a)] = shape[int(a)];
  return out;
}

// Keras: the weights have one dimension per axis.
void LayerNormalization::make_weights(const Shape& s) {
  const Shape full = Shape({1}).concat(s);
  Shape features;
  for (auto a : check_axes("LayerNormalization", options_.axis, full.rank())) features.push_back(full[int(a)]);
  if (options_.scale) gamma_ = add_weight("gamma", features, {.initializer = options_.gamma_initializer});
  if (options_.center) beta_ = add_weight("beta", features, {.initializer = options_.beta_initializer});
}

Tensor LayerNormalization::call(const Tensor& x, bool) {
  const Shape features = over(x.shape());
  const Tensor centred = x - mean(x, {.axis = options_.axis, .keepdims = true});
  Tensor factor = rsqrt(mean(square(centred), {.axis = options_.axis, .keepdims = true}) + options_.epsilon);
  if (options_.scale) factor = factor * reshape(gamma_, features);
  Tensor y = centred * factor;
  return options_.center ? std::move(y) + reshape(beta_, features) : y;
}

}  // namespace tapir::nn
