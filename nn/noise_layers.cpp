#include <tapir/nn/noise_layers.h>
#include <tapir/ops/create.h>
#include <tapir/ops/dropout.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/random.h>

#include <fmt/format.h>

#include <cmath>

namespace tapir::nn {
GaussianNoise::GaussianNoise(double stddev, const NoiseOptions& options, Where where)
    : LayerOf(options.seed, options.name), stddev_(stddev) {
  CallSite site(where);
  if (!(stddev >= 0)) throw UsageError(fmt::format("GaussianNoise: stddev must be 0 or more, got {}.", stddev));
}
Tensor GaussianNoise::call(const Tensor& x, bool training) {
  if (!training || stddev_ == 0) return x;
  return x + random::normal(x.shape(), {.stddev = stddev_, .dtype = x.dtype(), .key = next_key()});
}

GaussianDropout::GaussianDropout(double rate, const NoiseOptions& options, Where where)
    : LayerOf(options.seed, options.name), rate_(rate) {
  CallSite site(where);
  detail::check_rate("GaussianDropout", "rate", rate);
}
Tensor GaussianDropout::call(const Tensor& x, bool training) {
  if (!training || rate_ == 0) return x;
  const double deviation = std::sqrt(rate_ / (1 - rate_));
  return x * random::normal(x.shape(), {.mean = 1, .stddev = deviation, .dtype = x.dtype(), .key = next_key()});
}

AlphaDropout::AlphaDropout(double rate, const NoiseOptions& options, Where where)
    : LayerOf(options.seed, options.name), rate_(rate) {
  CallSite site(where);
  detail::check_rate("AlphaDropout", "rate", rate);
}
Tensor AlphaDropout::call(const Tensor& x, bool training) {
  if (!training || rate_ == 0) return x;
  constexpr double saturation = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946;
  const double a = 1 / std::sqrt((1 - rate_) * (1 + rate_ * saturation * saturation)), b = -a * saturation * rate_;
  const Tensor kept = random::uniform(x.shape(), {.dtype = x.dtype(), .key = next_key()}) >= rate_;
  return where(kept, x, saturation) * a + b;
}

SpatialDropoutLayer::SpatialDropoutLayer(const char* type, int rank, double rate, const NoiseOptions& options,
                                         const Where& where)
    : LayerOf(options.seed, options.name), type_(type), rank_(rank), rate_(rate) {
  CallSite site(where);
  detail::check_rate(type, "rate", rate);
}
Tensor SpatialDropoutLayer::call(const Tensor& x, bool training) {
  detail::check_rank(type_, x, rank_ + 2);
  if (!training || rate_ == 0) return x;
  Shape mask = Shape::filled(x.rank(), 1);
  mask[0] = x.shape()[0], mask[x.rank() - 1] = x.shape().back();
  return x * dropout(ones(mask, x.dtype()), rate_, {.key = next_key()});
}

}  // namespace tapir::nn
