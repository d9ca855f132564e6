#include <tapir/nn/layer_options.h>
#include <tapir/nn/layer_state.h>
#include <tapir/nn/masks.h>
#include <tapir/nn/normalization_layers.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/matmul.h>
#include <tapir/ops/normalization.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <algorithm>

namespace tapir::nn {
namespace {

void check_epsilon(const char* layer, double epsilon) {
  if (!(epsilon > 0)) throw UsageError(fmt::format("{}: epsilon must be positive, got {}.", layer, epsilon));
}

// The axis of the features of an input of this rank.
int feature_axis(const char* layer, int axis, int rank) {
  const int a = check_axis(layer, axis, rank);
  if (a == 0) throw ShapeError(fmt::format("{}: axis 0 is the batch; name the axis of the features.", layer));
  return a;
}

// f wants the features last.
template <class F>
Tensor features_last(const Tensor& x, int axis, F&& f) {
  if (axis == x.rank() - 1) return f(x);
  return moveaxis(f(contiguous(moveaxis(x, axis, -1))), -1, axis);
}

// Keras: the weights have one dimension for each axis, in the order in which the axes are named.
Shape sizes_of(const char* layer, const Axes& axes, const Shape& example) {
  const Shape full = Shape({1}).concat(example);
  Shape sizes;
  for (auto a : check_axes(layer, axes, full.rank())) {
    if (a == 0) throw ShapeError(fmt::format("{}: axis 0 is the batch; name the axes of the features.", layer));
    sizes.push_back(full[int(a)]);
  }
  return sizes;
}

// ... and are read in the order of x.
Tensor in_order(const Variable& weight, const char* layer, const Axes& axes, const Tensor& x) {
  Axes sorted = check_axes(layer, axes, x.rank());
  std::sort(sorted.begin(), sorted.end());
  Shape sizes;
  for (auto a : sorted) sizes.push_back(x.shape()[int(a)]);
  return weight.shape() == sizes ? weight.value() : reshape(weight, sizes);
}

// Statistics of the steps that count: t [..., features], mask of t's first dimensions.
BatchNormResult masked_training(const Tensor& t, const Tensor& mask, const Tensor& gamma, const Tensor& beta,
                                double epsilon) {
  Tensor seen = mask;
  while (seen.rank() < t.rank()) seen = expand_dims(seen, -1);
  Axes all;
  for (int i = 0; i + 1 < t.rank(); ++i) all.push_back(i);
  auto over_all = [&](const Tensor& x) { return sum(where(seen, x, 0), {.axis = all}); };
  const Tensor count = over_all(ones_like(t)) + 1e-7;
  const Tensor mean = over_all(t) / count, variance = over_all(square(t - mean)) / count;
  return {batch_norm(t, mean, variance, beta, gamma, epsilon), mean, variance};
}

}  // namespace

BatchNormalization::BatchNormalization(const BatchNormalizationOptions& options, Where where)
    : LayerOf(options.name), options_(options) {
  CallSite site(where);
  check_epsilon("BatchNormalization", options.epsilon);
  passes_mask();
  if (!(options.momentum >= 0 && options.momentum <= 1))
    throw UsageError(fmt::format("BatchNormalization: momentum must be in [0, 1], got {}.", options.momentum));
}

void BatchNormalization::make_weights(const Shape& s) {
  const Shape features{s[feature_axis("BatchNormalization", options_.axis, s.rank() + 1) - 1]};
  const auto& o = options_;
  if (o.scale) gamma_ = add_weight("gamma", features, {.initializer = o.gamma_initializer});
  if (o.center) beta_ = add_weight("beta", features, {.initializer = o.beta_initializer});
  moving_mean_ = add_weight("moving_mean", features, {.initializer = o.moving_mean_initializer, .trainable = false});
  moving_variance_ =
      add_weight("moving_variance", features, {.initializer = o.moving_variance_initializer, .trainable = false});
}

Tensor BatchNormalization::call(const Tensor& input, bool training) {
  const Tensor x = detail::as_weights(input, moving_mean_);
  auto weight = [&](bool has, const Variable& v) { return has ? astype(v, x.dtype()) : Tensor(); };
  const Tensor gamma = weight(options_.scale, gamma_), beta = weight(options_.center, beta_);
  const Tensor mask = MaskScope::of(input);
  const Tensor y = features_last(x, check_axis("BatchNormalization", options_.axis, x.rank()), [&](const Tensor& t) {
    if (!training || frozen()) return batch_norm(t, moving_mean_, moving_variance_, beta, gamma, options_.epsilon);
    BatchNormResult r = mask.defined() ? masked_training(t, mask, gamma, beta, options_.epsilon)
                                       : batch_norm_training(t, gamma, beta, options_.epsilon);
    const double keep = options_.momentum;
    moving_mean_.assign(moving_mean_ * keep + stop_gradient(r.mean) * (1 - keep));
    moving_variance_.assign(moving_variance_ * keep + stop_gradient(r.variance) * (1 - keep));
    return r.y;
  });
  return is_half(detail::autocast_dtype()) ? astype(y, detail::autocast_dtype()) : y;  // statistics are f32
}

LayerNormalization::LayerNormalization(const LayerNormalizationOptions& options, Where where)
    : LayerOf(options.name), options_(options) {
  CallSite site(where);
  check_epsilon("LayerNormalization", options.epsilon);
  passes_mask();
}

void LayerNormalization::make_weights(const Shape& s) {
  const Shape sizes = sizes_of("LayerNormalization", options_.axis, s);
  if (options_.scale) gamma_ = add_weight("gamma", sizes, {.initializer = options_.gamma_initializer});
  if (options_.center) beta_ = add_weight("beta", sizes, {.initializer = options_.beta_initializer});
}

Tensor LayerNormalization::call(const Tensor& input, bool) {
  const Tensor x = options_.scale    ? detail::as_weights(input, gamma_)
                   : options_.center ? detail::as_weights(input, beta_)
                                     : input;
  auto weight = [&](bool has, const Variable& v) {
    return has ? in_order(v, "LayerNormalization", options_.axis, x) : Tensor();
  };
  return layer_norm(x, weight(options_.scale, gamma_), weight(options_.center, beta_),
                    {.axis = options_.axis, .epsilon = options_.epsilon});
}

GroupNormalization::GroupNormalization(const GroupNormalizationOptions& options, Where where)
    : LayerOf(options.name), options_(options) {
  CallSite site(where);
  check_epsilon("GroupNormalization", options.epsilon);
  passes_mask();
  if (options.groups < 1 && options.groups != -1)
    throw UsageError(
        fmt::format("GroupNormalization: groups must be positive, or -1 for one a feature, got {}.", options.groups));
}

void GroupNormalization::make_weights(const Shape& s) {
  const std::int64_t features = s[feature_axis("GroupNormalization", options_.axis, s.rank() + 1) - 1];
  if (options_.groups > 0 && features % options_.groups)
    throw ShapeError(
        fmt::format("GroupNormalization: {} groups do not divide {} features.", options_.groups, features));
  if (options_.scale) gamma_ = add_weight("gamma", {features}, {.initializer = options_.gamma_initializer});
  if (options_.center) beta_ = add_weight("beta", {features}, {.initializer = options_.beta_initializer});
}

Tensor GroupNormalization::call(const Tensor& input, bool) {
  const Tensor x = options_.scale    ? detail::as_weights(input, gamma_)
                   : options_.center ? detail::as_weights(input, beta_)
                                     : input;
  const int axis = check_axis("GroupNormalization", options_.axis, x.rank());
  const std::int64_t groups = options_.groups > 0 ? options_.groups : x.shape()[axis];
  return features_last(x, axis, [&](const Tensor& t) {
    return group_norm(t, groups, options_.scale ? gamma_.value() : Tensor(), options_.center ? beta_.value() : Tensor(),
                      {.epsilon = options_.epsilon});
  });
}

RMSNormalization::RMSNormalization(const RMSNormalizationOptions& options, Where where)
    : LayerOf(options.name), options_(options) {
  CallSite site(where);
  check_epsilon("RMSNormalization", options.epsilon);
}

void RMSNormalization::make_weights(const Shape& s) {
  scale_ = add_weight("scale", sizes_of("RMSNormalization", options_.axis, s), {.initializer = "ones"});
}

Tensor RMSNormalization::call(const Tensor& input, bool) {
  const Tensor x = detail::as_weights(input, scale_);
  return rms_norm(x, in_order(scale_, "RMSNormalization", options_.axis, x),
                  {.axis = options_.axis, .epsilon = options_.epsilon});
}

Tensor UnitNormalization::call(const Tensor& x, bool) {
  return x / maximum(sqrt(sum(x * x, {.axis = axis_, .keepdims = true})), 1e-12);
}

SpectralNormalization::SpectralNormalization(const AnyLayer& layer, const SpectralNormalizationOptions& options,
                                             Where where)
    : LayerOf(options.name), layer_(layer), iterations_(options.power_iterations) {
  CallSite site(where);
  detail::check_positive("SpectralNormalization", "power_iterations", iterations_);
}

void SpectralNormalization::make_weights(const Shape& s) {
  layer_->build(s);
  state()->attach(layer_->state());
  for (auto& v : layer_->variables())
    if (v.name().ends_with("/kernel") || v.name().ends_with("/embeddings")) kernel_ = v;
  if (!kernel_.defined()) throw UsageError(fmt::format("SpectralNormalization: '{}' has no kernel.", layer_->name()));
  u_ = add_weight("vector_u", {1, kernel_.shape().back()},
                  {.initializer = initializers::truncated_normal({.stddev = 0.02}), .trainable = false});
}

Tensor SpectralNormalization::call(const Tensor& x, bool training) {
  if (training && !frozen()) {
    const detail::Autocast plain(DType::f32);
    // No part of the gradient, as in Keras.
    const Tensor kernel = stop_gradient(kernel_);
    const Tensor w = reshape(kernel, {-1, kernel.shape().back()});
    auto unit = [](const Tensor& t) { return t / maximum(sqrt(sum(t * t)), 1e-12); };
    Tensor u = stop_gradient(u_), v;
    for (int i = 0; i < iterations_; ++i) {
      v = unit(matmul(u, w, {.transpose_b = true}));
      u = unit(matmul(v, w));
    }
    const Tensor sigma = matmul(matmul(v, w), u, {.transpose_b = true});
    u_.assign(u);
    kernel_.assign(kernel / reshape(sigma, {}));
  }
  return (*layer_)(x);
}

}  // namespace tapir::nn
