#include <tapir/nn/masks.h>
#include <tapir/nn/pooling_layers.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/pool.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/reduce.h>

#include <fmt/format.h>

namespace tapir::nn {

PoolLayer::PoolLayer(const char* type, Kind kind, int rank, const Shape& pool_size, const PoolLayerOptions& options,
                     const Where& where)
    : LayerOf(options.name), kind_(kind), options_(options) {
  CallSite site(where);
  needs_no_build();
  size_ = detail::checked_sizes(type, "pool_size", pool_size, rank);
  if (!options.strides.empty()) options_.strides = detail::checked_sizes(type, "strides", options.strides, rank);
  if (options.padding.causal()) throw UsageError(fmt::format("{}: padding 'causal' is for Conv1D.", type));
}

Tensor PoolLayer::call(const Tensor& x, bool) {
  const PoolOptions o{
      .strides = options_.strides, .padding = options_.padding.padding(), .data_format = options_.data_format};
  const int rank = size_.rank();
  if (kind_ == Kind::max)
    return rank == 1 ? max_pool1d(x, size_, o) : rank == 2 ? max_pool2d(x, size_, o) : max_pool3d(x, size_, o);
  return rank == 1 ? avg_pool1d(x, size_, o) : rank == 2 ? avg_pool2d(x, size_, o) : avg_pool3d(x, size_, o);
}

GlobalPoolLayer::GlobalPoolLayer(const char* type, bool max, int rank, const GlobalPoolLayerOptions& options)
    : LayerOf(options.name), type_(type), max_(max), rank_(rank), options_(options) {
  needs_no_build();
}

Tensor GlobalPoolLayer::call(const Tensor& x, bool) {
  detail::check_rank(type_, x, rank_ + 2);
  if (const Tensor mask = MaskScope::of(x);
      !max_ && rank_ == 1 && mask.defined()) {  // the mean of the steps that count
    const Tensor seen = expand_dims(mask, -1);
    auto over_steps = [&](const Tensor& t) {
      return sum(where(seen, t, 0), {.axis = 1, .keepdims = options_.keepdims});
    };
    return over_steps(x) / over_steps(ones_like(x));
  }
  const GlobalPoolOptions o{.keepdims = options_.keepdims, .data_format = options_.data_format};
  return max_ ? global_max_pool(x, o) : global_avg_pool(x, o);
}

}  // namespace tapir::nn
