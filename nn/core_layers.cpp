#include <tapir/nn/core_layers.h>
#include <tapir/nn/masks.h>
#include <tapir/nn/names.h>
#include <tapir/ops/dropout.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/gather.h>
#include <tapir/ops/matmul.h>
#include <tapir/ops/random.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>
#include <tapir/tensor/device_scope.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace tapir::nn {

LayerPadding::LayerPadding(const char* name, Where where) {
  CallSite site(where);
  const std::string n = detail::text_of(name);
  if (n == "same") padding_ = Padding::same;
  else if (n == "causal") causal_ = true;
  else if (n != "valid") detail::unknown_name("padding", n, {"causal", "same", "valid"});
}

namespace detail {

void check_positive(const char* layer, const char* what, std::int64_t n) {
  if (n < 1) throw UsageError(fmt::format("{}: {} must be 1 or more, got {}.", layer, what, n));
}

void check_rate(const char* layer, const char* what, double rate) {
  if (!(rate >= 0 && rate < 1)) throw UsageError(fmt::format("{}: {} must be in [0, 1), got {}.", layer, what, rate));
}

Shape checked_sizes(const char* layer, const char* what, const Shape& given, int rank) {
  bool good = given.rank() == 1 || given.rank() == rank;
  for (auto n : given) good &= n >= 1;
  if (!good)
    throw UsageError(fmt::format("{}: {} must be {} size{} of 1 or more, or one for all, got {}.", layer, what, rank,
                                 rank == 1 ? "" : "s", listed(given)));
  return given.rank() == rank ? given : Shape::filled(rank, given[0]);
}

void check_rank(const char* layer, const Tensor& x, int rank) {
  if (x.rank() != rank)
    throw ShapeError(fmt::format("{}: needs an input of rank {}, got {}.", layer, rank, x.shape().str()));
}

std::string listed(const Shape& sizes) { return fmt::format("[{}]", fmt::join(sizes.to_vector(), ", ")); }

Tensor as_weights(const Tensor& x, const Variable& weights) {
  const DType wanted = weights.trainable() && weights.dtype() == DType::f32 ? autocast_dtype() : weights.dtype();
  return is_floating(x.dtype()) && x.dtype() != wanted ? astype(x, wanted) : x;
}

}  // namespace detail

Dense::Dense(std::int64_t units, const DenseOptions& options, Where where)
    : LayerOf(options.name), units_(units), options_(options) {
  CallSite site(where);
  detail::check_positive("Dense", "units", units);
  passes_mask();
}

void Dense::make_weights(const Shape& s) {
  if (s.empty()) throw ShapeError("Dense: needs an input [N, ..., features], got rank 1 or less.");
  kernel_ = add_weight(
      "kernel", {s.back(), units_},
      {options_.kernel_initializer, true, options_.seed, options_.kernel_regularizer, options_.kernel_constraint});
  if (options_.use_bias)
    bias_ = add_weight(
        "bias", {units_},
        {options_.bias_initializer, true, options_.seed, options_.bias_regularizer, options_.bias_constraint});
}

Tensor Dense::call(const Tensor& x, bool) {
  if (x.rank() < 2 || x.shape().back() != kernel_.shape()[0])
    throw ShapeError(fmt::format("Dense: '{}' was built for {} features, got an input {}.", name(), kernel_.shape()[0],
                                 x.shape().str()));
  Tensor y = matmul(detail::as_weights(x, kernel_), kernel_);
  if (options_.use_bias) y = std::move(y) + bias_;
  return with_activity(options_.activation(y), options_.activity_regularizer);
}

Embedding::Embedding(std::int64_t input_dim, std::int64_t output_dim, const EmbeddingOptions& options, Where where)
    : LayerOf(options.name), input_dim_(input_dim), output_dim_(output_dim), options_(options) {
  CallSite site(where);
  detail::check_positive("Embedding", "input_dim", input_dim);
  detail::check_positive("Embedding", "output_dim", output_dim);
}

void Embedding::make_weights(const Shape&) {
  embeddings_ = add_weight("embeddings", {input_dim_, output_dim_},
                           {options_.embeddings_initializer, true, options_.seed, options_.embeddings_regularizer,
                            options_.embeddings_constraint});
}

Tensor Embedding::call(const Tensor& x, bool) {
  const Tensor y = embedding_lookup(embeddings_, is_integer(x.dtype()) ? x : astype(x, DType::i64));
  if (options_.mask_zero) MaskScope::set(y, not_equal(x, 0));
  return y;
}

Tensor Masking::call(const Tensor& x, bool) {
  if (x.rank() < 2) throw ShapeError(fmt::format("Masking: needs an input [N, T, features], got {}.", x.shape().str()));
  const Tensor seen = any(not_equal(x, value_), {.axis = -1, .keepdims = true});
  const Tensor y = where(seen, x, 0);
  MaskScope::set(y, squeeze(seen, {-1}));
  return y;
}

SeededLayer::SeededLayer(std::int64_t seed, const std::string& name) : Layer(name) {
  if (seed != -1) stream_ = add_stream(seed);
  needs_no_build();
  passes_mask();
}

// A seeded layer draws from seed, seed + 2^32, ...: each call its own numbers, the same for each new layer.
Tensor SeededLayer::next_key() {
  if (!stream_.defined()) return random::key();
  const Tensor key = stream_.value();
  DeviceScope there(key.device());
  stream_.assign(key + Tensor::from_vector(std::vector<std::int64_t>{std::int64_t(1) << 32, 0}));
  return key;
}

Dropout::Dropout(double rate, const DropoutLayerOptions& options, Where where)
    : LayerOf(options.seed, options.name), rate_(rate) {
  CallSite site(where);
  detail::check_rate("Dropout", "rate", rate);
}

Tensor Dropout::call(const Tensor& x, bool training) {
  return !training || rate_ == 0 ? x : dropout(x, rate_, {.key = next_key()});
}

Tensor Flatten::call(const Tensor& x, bool) {
  std::int64_t features = 1;
  for (int i = 1; i < x.rank(); ++i) features *= x.shape()[i];
  return reshape(x, {x.rank() == 0 ? 1 : x.shape()[0], features});
}

Reshape::Reshape(const Shape& target_shape, const LayerName& options, Where where)
    : LayerOf(options.name), target_(target_shape) {
  CallSite site(where);
  for (auto d : target_)
    if (d < -1 || std::count(target_.begin(), target_.end(), -1) > 1)
      throw UsageError(
          fmt::format("Reshape: sizes must be 0 or more and at most one -1, got {}.", detail::listed(target_)));
  needs_no_build();
}

Tensor Reshape::call(const Tensor& x, bool) {
  if (x.rank() == 0) throw ShapeError("Reshape: needs an input [N, ...], got [].");
  Shape to = target_;
  if (x.shape()[0] == 0) {  // where there are no examples, -1 still means what it does for one
    std::int64_t rest = x.shape().last(x.rank() - 1).size();
    for (auto d : to) rest /= d > 0 ? d : 1;
    for (auto& d : to) d = d < 0 ? rest : d;
  }
  return reshape(x, x.shape().first(1).concat(to));
}

Permute::Permute(const Shape& dims, const LayerName& options, Where where) : LayerOf(options.name), dims_(dims) {
  CallSite site(where);
  std::vector<std::int64_t> sorted = dims.to_vector();
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 0; i < sorted.size(); ++i)
    if (sorted[i] != std::int64_t(i) + 1)
      throw UsageError(
          fmt::format("Permute: dims must be 1 to {}, each once, got {}.", dims.rank(), detail::listed(dims)));
}

Tensor Permute::call(const Tensor& x, bool) {
  detail::check_rank("Permute", x, dims_.rank() + 1);
  Axes axes{0};
  for (auto d : dims_) axes.push_back(d);
  return permute_dims(x, axes);
}

Tensor Rescaling::call(const Tensor& x, bool) {
  return (is_floating(x.dtype()) ? x : astype(x, DType::f32)) * scale_ + offset_;
}

}  // namespace tapir::nn
