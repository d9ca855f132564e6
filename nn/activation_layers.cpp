#include <tapir/nn/activation_layers.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/shaping.h>
#include <tapir/ops/softmax.h>

#include <fmt/format.h>

namespace tapir::nn {

ReLU::ReLU(const ReLUOptions& options, Where where) : LayerOf(options.name), options_(options) {
  CallSite site(where);
  needs_no_build();
  passes_mask();
  if (!(options.negative_slope >= 0) || !(options.threshold >= 0))
    throw UsageError(fmt::format("ReLU: negative_slope and threshold must be 0 or more, got {} and {}.",
                                 options.negative_slope, options.threshold));
}

Tensor ReLU::call(const Tensor& x, bool) {
  const auto& o = options_;
  Tensor y;
  if (o.threshold == 0) y = o.negative_slope == 0 ? relu(x) : leaky_relu(x, o.negative_slope);
  else y = where(x >= o.threshold, x, o.negative_slope * (x - o.threshold));
  return o.max_value >= 0 ? minimum(y, o.max_value) : y;
}

LeakyReLU::LeakyReLU(const LeakyReLUOptions& o) : LayerOf(o.name), slope_(o.negative_slope) {
  needs_no_build();
  passes_mask();
}
Tensor LeakyReLU::call(const Tensor& x, bool) { return leaky_relu(x, slope_); }

ELU::ELU(const ELUOptions& o) : LayerOf(o.name), alpha_(o.alpha) {
  needs_no_build();
  passes_mask();
}
Tensor ELU::call(const Tensor& x, bool) { return elu(x, alpha_); }

void PReLU::make_weights(const Shape& s) {
  Shape features = s;
  for (auto a : options_.shared_axes) {
    const int axis = check_axis("PReLU", a, s.rank() + 1);
    if (axis == 0) throw ShapeError("PReLU: axis 0 is the batch, whose examples share the slopes anyway.");
    features[axis - 1] = 1;
  }
  alpha_ = add_weight("alpha", features, {.initializer = options_.alpha_initializer, .seed = options_.seed});
}
Tensor PReLU::call(const Tensor& input, bool) {
  const Tensor x = detail::as_weights(input, alpha_);
  return relu(x) - alpha_ * relu(-x);
}

Softmax::Softmax(const SoftmaxOptions& o) : LayerOf(o.name), axis_(o.axis) {
  needs_no_build();
  passes_mask();
}
Tensor Softmax::call(const Tensor& x, bool) {
  Tensor y = softmax(x, axis_);
  if (axis_ == -1 || axis_ == x.rank() - 1) detail::LogitsScope::remember(y, x, "softmax");
  return y;
}

}  // namespace tapir::nn
