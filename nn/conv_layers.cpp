#include <tapir/nn/conv_layers.h>
#include <tapir/nn/names.h>
#include <tapir/ops/conv.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/padding.h>
#include <tapir/ops/resize.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

namespace tapir::nn {
namespace {

using detail::as_weights;
using detail::check_positive;
using detail::check_rank;
using detail::checked_sizes;

bool first(DataFormat f) { return f == DataFormat::channels_first; }

// The channels of an input without its batch dimension, [spatial..., C] or [C, spatial...].
std::int64_t channels(const char* layer, const Shape& s, int rank, DataFormat format) {
  if (s.rank() != rank + 1)
    throw ShapeError(fmt::format("{}: needs an input of rank {}, got rank {}.", layer, rank + 2, s.rank() + 1));
  return first(format) ? s[0] : s.back();
}

Tensor with_bias(Tensor y, const Variable& bias, DataFormat format) {
  if (!first(format)) return std::move(y) + bias;
  const Tensor per_channel = reshape(bias, Shape({bias.size()}).concat(Shape::filled(y.rank() - 2, 1)));
  return std::move(y) + per_channel;
}

// Checks and spreads what all these layers have. `same` for valid only.
template <class Options>
void check_window(const char* layer, int rank, Shape& kernel_size, Options& o) {
  kernel_size = checked_sizes(layer, "kernel_size", kernel_size, rank);
  o.strides = checked_sizes(layer, "strides", o.strides, rank);
  o.dilation_rate = checked_sizes(layer, "dilation_rate", o.dilation_rate, rank);
  if (o.padding.causal() && std::string(layer) != "Conv1D")
    throw UsageError(fmt::format("{}: padding 'causal' is for Conv1D.", layer));
}

template <class Options>
ConvOptions conv_options(const Options& o) {
  return {
      .strides = o.strides, .padding = o.padding.padding(), .dilations = o.dilation_rate, .data_format = o.data_format};
}

}  // namespace

ConvLayer::ConvLayer(const char* type, int rank, std::int64_t filters, const Shape& kernel_size,
                     const ConvLayerOptions& options, const Where& where)
    : LayerOf(options.name), type_(type), filters_(filters), kernel_size_(kernel_size), options_(options) {
  CallSite site(where);
  check_positive(type, "filters", filters);
  check_positive(type, "groups", options.groups);
  check_window(type, rank, kernel_size_, options_);
  if (filters % options.groups != 0)
    throw UsageError(fmt::format("{}: {} filters cannot be split into {} groups.", type, filters, options.groups));
}

void ConvLayer::make_weights(const Shape& s) {
  const auto c = channels(type_, s, kernel_size_.rank(), options_.data_format);
  if (c % options_.groups != 0)
    throw ShapeError(fmt::format("{}: {} input channels cannot be split into {} groups.", type_, c, options_.groups));
  kernel_ = add_weight(
      "kernel", kernel_size_.concat({c / options_.groups, filters_}),
      {options_.kernel_initializer, true, options_.seed, options_.kernel_regularizer, options_.kernel_constraint});
  if (options_.use_bias)
    bias_ = add_weight(
        "bias", {filters_},
        {options_.bias_initializer, true, options_.seed, options_.bias_regularizer, options_.bias_constraint});
}

Tensor ConvLayer::call(const Tensor& input, bool) {
  const ConvLayerOptions& l = options_;
  ConvOptions o = conv_options(l);
  o.groups = l.groups;
  Tensor x = as_weights(input, kernel_);
  if (l.padding.causal()) {
    const std::int64_t past = (kernel_size_[0] - 1) * l.dilation_rate[0];
    x = first(l.data_format) ? pad(x, {{0, 0}, {0, 0}, {past, 0}}) : pad(x, {{0, 0}, {past, 0}, {0, 0}});
  }
  const int rank = kernel_size_.rank();
  Tensor y = rank == 1 ? conv1d(x, kernel_, o) : rank == 2 ? conv2d(x, kernel_, o) : conv3d(x, kernel_, o);
  if (l.use_bias) y = with_bias(std::move(y), bias_, l.data_format);
  return with_activity(l.activation(y), l.activity_regularizer);
}

ConvTransposeLayer::ConvTransposeLayer(const char* type, int rank, std::int64_t filters, const Shape& kernel_size,
                                       const ConvTransposeLayerOptions& options, const Where& where)
    : LayerOf(options.name), type_(type), filters_(filters), kernel_size_(kernel_size), options_(options) {
  CallSite site(where);
  check_positive(type, "filters", filters);
  check_window(type, rank, kernel_size_, options_);
}

void ConvTransposeLayer::make_weights(const Shape& s) {
  const auto c = channels(type_, s, kernel_size_.rank(), options_.data_format);
  kernel_ = add_weight(
      "kernel", kernel_size_.concat({filters_, c}),
      {options_.kernel_initializer, true, options_.seed, options_.kernel_regularizer, options_.kernel_constraint});
  if (options_.use_bias)
    bias_ = add_weight(
        "bias", {filters_},
        {options_.bias_initializer, true, options_.seed, options_.bias_regularizer, options_.bias_constraint});
}

Tensor ConvTransposeLayer::call(const Tensor& input, bool) {
  const auto& l = options_;
  const ConvTransposeOptions o{.strides = l.strides,
                               .padding = l.padding.padding(),
                               .dilations = l.dilation_rate,
                               .data_format = l.data_format,
                               .output_padding = l.output_padding};
  const Tensor x = as_weights(input, kernel_);
  const int rank = kernel_size_.rank();
  Tensor y = rank == 1   ? conv1d_transpose(x, kernel_, o)
             : rank == 2 ? conv2d_transpose(x, kernel_, o)
                         : conv3d_transpose(x, kernel_, o);
  if (l.use_bias) y = with_bias(std::move(y), bias_, l.data_format);
  return with_activity(l.activation(y), l.activity_regularizer);
}

DepthwiseConvLayer::DepthwiseConvLayer(const char* type, int rank, const Shape& kernel_size,
                                       const DepthwiseConvOptions& options, const Where& where)
    : LayerOf(options.name), type_(type), kernel_size_(kernel_size), options_(options) {
  CallSite site(where);
  check_positive(type, "depth_multiplier", options.depth_multiplier);
  check_window(type, rank, kernel_size_, options_);
}

void DepthwiseConvLayer::make_weights(const Shape& s) {
  const auto c = channels(type_, s, kernel_size_.rank(), options_.data_format), m = options_.depth_multiplier;
  kernel_ = add_weight("kernel", kernel_size_.concat({c, m}),
                       {options_.depthwise_initializer, true, options_.seed, options_.depthwise_regularizer,
                        options_.depthwise_constraint});
  if (options_.use_bias)
    bias_ = add_weight(
        "bias", {c * m},
        {options_.bias_initializer, true, options_.seed, options_.bias_regularizer, options_.bias_constraint});
}

namespace {
// [W, C, M] as the kernel [W, 1, C * M] of a convolution with a group for each channel.
Tensor depthwise1d(const Tensor& x, const Tensor& kernel, ConvOptions o) {
  const Shape& k = kernel.shape();
  o.groups = k[1];
  return conv1d(x, reshape(kernel, {k[0], 1, k[1] * k[2]}), o);
}
}  // namespace

Tensor DepthwiseConvLayer::call(const Tensor& input, bool) {
  const Tensor x = as_weights(input, kernel_);
  check_rank(type_, x, kernel_size_.rank() + 2);
  const ConvOptions o = conv_options(options_);
  Tensor y = kernel_size_.rank() == 1 ? depthwise1d(x, kernel_, o) : depthwise_conv2d(x, kernel_, o);
  if (options_.use_bias) y = with_bias(std::move(y), bias_, options_.data_format);
  return with_activity(options_.activation(y), options_.activity_regularizer);
}

SeparableConvLayer::SeparableConvLayer(const char* type, int rank, std::int64_t filters, const Shape& kernel_size,
                                       const SeparableConvOptions& options, const Where& where)
    : LayerOf(options.name), type_(type), filters_(filters), kernel_size_(kernel_size), options_(options) {
  CallSite site(where);
  check_positive(type, "filters", filters);
  check_positive(type, "depth_multiplier", options.depth_multiplier);
  check_window(type, rank, kernel_size_, options_);
}

void SeparableConvLayer::make_weights(const Shape& s) {
  const int rank = kernel_size_.rank();
  const auto c = channels(type_, s, rank, options_.data_format), m = options_.depth_multiplier;
  const auto seed = options_.seed;
  depthwise_ = add_weight(
      "depthwise_kernel", kernel_size_.concat({c, m}),
      {options_.depthwise_initializer, true, seed, options_.depthwise_regularizer, options_.depthwise_constraint});
  pointwise_ = add_weight(
      "pointwise_kernel", Shape::filled(rank, 1).concat({c * m, filters_}),
      {options_.pointwise_initializer, true, seed, options_.pointwise_regularizer, options_.pointwise_constraint});
  if (options_.use_bias)
    bias_ = add_weight("bias", {filters_},
                       {options_.bias_initializer, true, seed, options_.bias_regularizer, options_.bias_constraint});
}

Tensor SeparableConvLayer::call(const Tensor& input, bool) {
  const Tensor x = as_weights(input, depthwise_);
  check_rank(type_, x, kernel_size_.rank() + 2);
  const ConvOptions o = conv_options(options_);
  Tensor y = kernel_size_.rank() == 1
                 ? conv1d(depthwise1d(x, depthwise_, o), pointwise_, {.data_format = options_.data_format})
                 : separable_conv2d(x, depthwise_, pointwise_, o);
  if (options_.use_bias) y = with_bias(std::move(y), bias_, options_.data_format);
  return with_activity(options_.activation(y), options_.activity_regularizer);
}

namespace {
Shape checked_amounts(const Shape& a, const Where& where) {
  CallSite site(where);
  bool good = a.rank() == 4;
  for (auto n : a) good &= n >= 0;
  if (!good)
    throw UsageError(
        "ZeroPadding2D: needs one amount, {height, width} or {{top, bottom}, {left, right}}, each 0 or more.");
  return a;
}
Shape flattened(std::initializer_list<std::initializer_list<std::int64_t>> amounts) {
  Shape s;
  for (auto& a : amounts) {
    if (a.size() != 2 || s.rank() >= 4) return {};
    for (auto n : a) s.push_back(n);
  }
  return s;
}
Shape mirrored(std::initializer_list<std::int64_t> a) {
  if (a.size() != 2) return {};
  return {a.begin()[0], a.begin()[0], a.begin()[1], a.begin()[1]};
}
}  // namespace

ZeroPadding2D::ZeroPadding2D(std::int64_t n, const ZeroPadding2DOptions& options, Where where)
    : LayerOf(options.name), amounts_(checked_amounts({n, n, n, n}, where)), format_(options.data_format) {}
ZeroPadding2D::ZeroPadding2D(std::initializer_list<std::int64_t> amounts, const ZeroPadding2DOptions& options,
                             Where where)
    : LayerOf(options.name), amounts_(checked_amounts(mirrored(amounts), where)), format_(options.data_format) {}
ZeroPadding2D::ZeroPadding2D(std::initializer_list<std::initializer_list<std::int64_t>> amounts,
                             const ZeroPadding2DOptions& options, Where where)
    : LayerOf(options.name), amounts_(checked_amounts(flattened(amounts), where)), format_(options.data_format) {}

Tensor ZeroPadding2D::call(const Tensor& x, bool) {
  check_rank("ZeroPadding2D", x, 4);
  const Shape& a = amounts_;
  if (first(format_)) return pad(x, {{0, 0}, {0, 0}, {a[0], a[1]}, {a[2], a[3]}});
  return pad(x, {{0, 0}, {a[0], a[1]}, {a[2], a[3]}, {0, 0}});
}

UpSampling2D::UpSampling2D(const Sizes& size, const UpSampling2DOptions& options, Where where)
    : LayerOf(options.name), bilinear_(options.interpolation == "bilinear"), format_(options.data_format) {
  CallSite site(where);
  size_ = checked_sizes("UpSampling2D", "size", size, 2);
  if (!bilinear_ && options.interpolation != "nearest")
    detail::unknown_name("interpolation", options.interpolation, {"bilinear", "nearest"});
}

Tensor UpSampling2D::call(const Tensor& x, bool) {
  check_rank("UpSampling2D", x, 4);
  const int h = first(format_) ? 2 : 1;
  if (!bilinear_) return repeat(repeat(x, size_[0], {.axis = h}), size_[1], {.axis = h + 1});
  const Shape to{x.shape()[h] * size_[0], x.shape()[h + 1] * size_[1]};
  if (!first(format_)) return resize(x, to);
  return permute_dims(resize(permute_dims(x, {0, 2, 3, 1}), to), {0, 3, 1, 2});
}

}  // namespace tapir::nn
