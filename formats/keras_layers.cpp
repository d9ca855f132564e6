// The layers that Keras names, made from their settings.
#include <tapir/formats/keras_config.h>
#include <tapir/nn/activation_layers.h>
#include <tapir/nn/attention_layers.h>
#include <tapir/nn/conv_layers.h>
#include <tapir/nn/merge_layers.h>
#include <tapir/nn/noise_layers.h>
#include <tapir/nn/normalization_layers.h>
#include <tapir/nn/pooling_layers.h>
#include <tapir/nn/preprocessing_layers.h>
#include <tapir/nn/recurrent_layers.h>
#include <tapir/nn/spatial_layers.h>
#include <tapir/tensor/error.h>

#include <fmt/format.h>

#include <map>

namespace tapir::detail {
namespace {

using namespace nn;
using Config = KerasConfig;

// What the options of weighted layers have in common.
template <class Options>
void common(Config& c, Options& o) {
  o.activation = c.activation();
  o.use_bias = c.flag("use_bias", true);
  o.bias_initializer = c.initializer();
  o.bias_regularizer = c.regularizer("bias_regularizer");
  o.bias_constraint = c.constraint("bias_constraint");
  o.activity_regularizer = c.regularizer("activity_regularizer");
  o.name = c.name();
}
template <class Options>
void with_kernel(Config& c, Options& o) {
  common(c, o);
  o.kernel_initializer = c.initializer();
  o.kernel_regularizer = c.regularizer("kernel_regularizer");
  o.kernel_constraint = c.constraint("kernel_constraint");
}
template <class Options>
void spatial(Config& c, Options& o) {
  o.strides = c.sizes("strides");
  o.padding = c.padding();
  o.dilation_rate = c.sizes("dilation_rate");
  o.data_format = c.data_format();
}
template <class Options>
void depthwise(Config& c, Options& o) {
  spatial(c, o);
  o.depth_multiplier = c.size("depth_multiplier");
  o.depthwise_initializer = c.initializer();
  o.depthwise_regularizer = c.regularizer("depthwise_regularizer");
  o.depthwise_constraint = c.constraint("depthwise_constraint");
}

AnyLayer dense(Config& c) {
  DenseOptions o;
  with_kernel(c, o);
  return Dense(c.size("units"), o);
}
template <class L>
AnyLayer conv(Config& c) {
  ConvLayerOptions o;
  with_kernel(c, o);
  spatial(c, o);
  o.groups = c.integer("groups", 1);
  return L(c.size("filters"), c.sizes("kernel_size"), o);
}
template <class L>
AnyLayer conv_transpose(Config& c) {
  ConvTransposeLayerOptions o;
  with_kernel(c, o);
  spatial(c, o);
  if (c.has("output_padding")) o.output_padding = c.integers("output_padding");
  return L(c.size("filters"), c.sizes("kernel_size"), o);
}
template <class L>
AnyLayer depthwise_conv(Config& c) {
  DepthwiseConvOptions o;
  common(c, o);
  depthwise(c, o);
  return L(c.sizes("kernel_size"), o);
}
template <class L>
AnyLayer separable_conv(Config& c) {
  SeparableConvOptions o;
  common(c, o);
  depthwise(c, o);
  o.pointwise_initializer = c.initializer();
  o.pointwise_regularizer = c.regularizer("pointwise_regularizer");
  o.pointwise_constraint = c.constraint("pointwise_constraint");
  return L(c.size("filters"), c.sizes("kernel_size"), o);
}
template <class L>
AnyLayer pool(Config& c) {
  PoolLayerOptions o{.padding = c.padding(), .data_format = c.data_format(), .name = c.name()};
  if (c.has("strides")) o.strides = c.sizes("strides");
  return L(c.sizes("pool_size"), o);
}
template <class L>
AnyLayer global_pool(Config& c) {
  return L({.keepdims = c.flag("keepdims", false), .data_format = c.data_format(), .name = c.name()});
}
template <class L>
AnyLayer named(Config& c) {
  return L(LayerName{c.name()});
}
AnyLayer flatten(Config& c) {
  if (c.data_format() != DataFormat::channels_last) c.fail("only channels_last is read.");
  return Flatten({c.name()});
}
template <class L>
AnyLayer rate(Config& c) {  // the seed concerns training alone
  c.value("seed");
  return L(c.number("rate", 0), {.name = c.name()});
}
AnyLayer gaussian_noise(Config& c) {
  c.value("seed");
  return GaussianNoise(c.number("stddev", 0), {.name = c.name()});
}
AnyLayer embedding(Config& c) {
  EmbeddingOptions o{.embeddings_initializer = c.initializer(),
                     .embeddings_regularizer = c.regularizer("embeddings_regularizer"),
                     .embeddings_constraint = c.constraint("embeddings_constraint"),
                     .name = c.name()};
  o.mask_zero = c.flag("mask_zero", false);
  const std::int64_t rows = c.size("input_dim");
  return Embedding(rows, c.size("output_dim"), o);
}

Axes axes(Config& c, const char* key) {
  const Shape given = c.integers(key);
  if (given.rank() == 1) return Axes(int(given[0]));
  Axes out;
  for (auto a : given) out.push_back(int(a));
  return out;
}

template <class Options>
Options center_and_scale(Config& c) {
  Options o;
  o.epsilon = c.number("epsilon", 1e-3);
  o.center = c.flag("center", true);
  o.scale = c.flag("scale", true);
  o.beta_initializer = o.gamma_initializer = c.initializer();
  o.name = c.name();
  return o;
}
AnyLayer masking(Config& c) { return Masking({.mask_value = c.number("mask_value", 0), .name = c.name()}); }
AnyLayer batch_normalization(Config& c) {
  auto o = center_and_scale<BatchNormalizationOptions>(c);
  o.axis = int(c.integer("axis", -1));
  o.momentum = c.number("momentum", 0.99);
  o.moving_mean_initializer = o.moving_variance_initializer = c.initializer();
  if (!c.flag("renorm", false)) c.value("renorm_momentum");
  return BatchNormalization(o);
}
AnyLayer layer_normalization(Config& c) {
  auto o = center_and_scale<LayerNormalizationOptions>(c);
  o.axis = axes(c, "axis");
  return LayerNormalization(o);
}
AnyLayer group_normalization(Config& c) {
  auto o = center_and_scale<GroupNormalizationOptions>(c);
  o.groups = c.integer("groups", 32);
  o.axis = int(c.integer("axis", -1));
  return GroupNormalization(o);
}
AnyLayer rms_normalization(Config& c) {
  return RMSNormalization({.axis = axes(c, "axis"), .epsilon = c.number("epsilon", 1e-6), .name = c.name()});
}
AnyLayer unit_normalization(Config& c) { return UnitNormalization({.axis = axes(c, "axis"), .name = c.name()}); }

AnyLayer activation(Config& c) { return Activation(c.activation(), {c.name()}); }
AnyLayer relu(Config& c) {
  return ReLU({.max_value = c.number("max_value", -1),
               .negative_slope = c.number("negative_slope", 0),
               .threshold = c.number("threshold", 0),
               .name = c.name()});
}
AnyLayer leaky_relu(Config& c) {
  return LeakyReLU({.negative_slope = c.number("negative_slope", 0.3), .name = c.name()});
}
AnyLayer elu(Config& c) { return ELU({.alpha = c.number("alpha", 1), .name = c.name()}); }
AnyLayer prelu(Config& c) {
  PReLUOptions o{.alpha_initializer = c.initializer(), .name = c.name()};
  if (c.has("shared_axes")) o.shared_axes = axes(c, "shared_axes");
  return PReLU(o);
}
AnyLayer softmax(Config& c) { return Softmax({.axis = int(c.integer("axis", -1)), .name = c.name()}); }

AnyLayer reshape(Config& c) { return Reshape(c.integers("target_shape"), {c.name()}); }
AnyLayer permute(Config& c) { return Permute(c.integers("dims"), {c.name()}); }
AnyLayer rescaling(Config& c) {
  return Rescaling(c.number("scale", 1), {.offset = c.number("offset", 0), .name = c.name()});
}
AnyLayer repeat_vector(Config& c) { return RepeatVector(c.integer("n", 1), {c.name()}); }
AnyLayer zero_padding2d(Config& c) {
  const Json& p = c.value("padding");
  auto number = [&](std::size_t i, std::size_t k) {
    if (!p.is_array() || p.size() != 2 || !p[i].is_array() || p[i].size() != 2 || !p[i][k].is_number_integer())
      c.fail("'padding' is no list of two pairs.");
    return p[i][k].get<std::int64_t>();
  };
  return ZeroPadding2D({{number(0, 0), number(0, 1)}, {number(1, 0), number(1, 1)}},
                       {.data_format = c.data_format(), .name = c.name()});
}
AnyLayer up_sampling2d(Config& c) {
  return UpSampling2D(
      c.sizes("size"),
      {.interpolation = c.text("interpolation", "nearest"), .data_format = c.data_format(), .name = c.name()});
}
AnyLayer concatenate(Config& c) { return Concatenate({.axis = int(c.integer("axis", -1)), .name = c.name()}); }
AnyLayer dot(Config& c) {
  const Shape a = c.integers("axes");
  if (a.rank() < 1 || a.rank() > 2) c.fail("'axes' are not one or two.");
  return Dot(int(a[0]), int(a.back()), {.normalize = c.flag("normalize", false), .name = c.name()});
}

RecurrentOptions recurrent_options(Config& c, bool lstm) {
  RecurrentOptions o;
  o.activation = c.activation();
  if (c.has("recurrent_activation")) o.recurrent_activation = c.activation("recurrent_activation");
  o.use_bias = c.flag("use_bias", true);
  o.kernel_initializer = o.recurrent_initializer = o.bias_initializer = c.initializer();
  c.flag("unit_forget_bias", lstm);  // about the first values of a weight
  o.unit_forget_bias = false;
  o.reset_after = c.flag("reset_after", true);
  o.dropout = c.number("dropout", 0);
  o.recurrent_dropout = c.number("recurrent_dropout", 0);
  o.return_sequences = c.flag("return_sequences", false);
  o.return_state = c.flag("return_state", false);
  o.go_backwards = c.flag("go_backwards", false);
  o.stateful = c.flag("stateful", false);
  o.zero_output_for_mask = c.flag("zero_output_for_mask", false);
  c.value("unroll");  // how it is computed, not what
  c.value("seed");
  o.name = c.name();
  return o;
}
template <class L>
AnyLayer recurrent(Config& c) {
  const RecurrentOptions o = recurrent_options(c, std::is_same_v<L, LSTM>);
  return L(c.size("units"), o);
}

AnyLayer einsum_dense(Config& c) {
  Shape out = c.integers("output_shape");
  return EinsumDense(c.text("equation", ""), out,
                     {.activation = c.activation(),
                      .bias_axes = c.text("bias_axes", ""),
                      .kernel_initializer = c.initializer(),
                      .bias_initializer = c.initializer(),
                      .name = c.name()});
}

MultiHeadAttentionOptions attention_options(Config& c, bool causal) {
  MultiHeadAttentionOptions o{.value_dim = c.integer("value_dim", 0),
                              .dropout = c.number("dropout", 0),
                              .use_bias = c.flag("use_bias", true),
                              .use_causal_mask = causal,
                              .kernel_initializer = c.initializer(),
                              .bias_initializer = c.initializer(),
                              .name = c.name()};
  if (c.has("output_shape")) o.output_shape = c.size("output_shape");
  if (o.value_dim > c.limit()) c.fail("'value_dim' is larger than the weights in the file.");
  if (c.has("attention_axes") && c.integers("attention_axes") != Shape{1})
    c.fail("only attention along axis 1 is read.");
  c.value("seed");
  return o;
}

AnyLayer wrapped(Config& c);
const std::map<std::string, AnyLayer (*)(Config&)>& makers() {
  static const std::map<std::string, AnyLayer (*)(Config&)> all{
      {"Dense", dense},
      {"Embedding", embedding},
      {"Masking", masking},
      {"EinsumDense", einsum_dense},
      {"Conv1D", conv<Conv1D>},
      {"Conv2D", conv<Conv2D>},
      {"Conv3D", conv<Conv3D>},
      {"Conv1DTranspose", conv_transpose<Conv1DTranspose>},
      {"Conv2DTranspose", conv_transpose<Conv2DTranspose>},
      {"Conv3DTranspose", conv_transpose<Conv3DTranspose>},
      {"DepthwiseConv1D", depthwise_conv<DepthwiseConv1D>},
      {"DepthwiseConv2D", depthwise_conv<DepthwiseConv2D>},
      {"SeparableConv1D", separable_conv<SeparableConv1D>},
      {"SeparableConv2D", separable_conv<SeparableConv2D>},
      {"MaxPooling1D", pool<MaxPooling1D>},
      {"MaxPooling2D", pool<MaxPooling2D>},
      {"MaxPooling3D", pool<MaxPooling3D>},
      {"AveragePooling1D", pool<AveragePooling1D>},
      {"AveragePooling2D", pool<AveragePooling2D>},
      {"AveragePooling3D", pool<AveragePooling3D>},
      {"GlobalMaxPooling1D", global_pool<GlobalMaxPooling1D>},
      {"GlobalMaxPooling2D", global_pool<GlobalMaxPooling2D>},
      {"GlobalMaxPooling3D", global_pool<GlobalMaxPooling3D>},
      {"GlobalAveragePooling1D", global_pool<GlobalAveragePooling1D>},
      {"GlobalAveragePooling2D", global_pool<GlobalAveragePooling2D>},
      {"GlobalAveragePooling3D", global_pool<GlobalAveragePooling3D>},
      {"BatchNormalization", batch_normalization},
      {"LayerNormalization", layer_normalization},
      {"GroupNormalization", group_normalization},
      {"RMSNormalization", rms_normalization},
      {"UnitNormalization", unit_normalization},
      {"Activation", activation},
      {"ReLU", relu},
      {"LeakyReLU", leaky_relu},
      {"ELU", elu},
      {"PReLU", prelu},
      {"Softmax", softmax},
      {"Flatten", flatten},
      {"Reshape", reshape},
      {"Permute", permute},
      {"Rescaling", rescaling},
      {"RepeatVector", repeat_vector},
      {"ZeroPadding2D", zero_padding2d},
      {"UpSampling2D", up_sampling2d},
      {"Dropout", rate<Dropout>},
      {"GaussianDropout", rate<GaussianDropout>},
      {"AlphaDropout", rate<AlphaDropout>},
      {"SpatialDropout1D", rate<SpatialDropout1D>},
      {"SpatialDropout2D", rate<SpatialDropout2D>},
      {"SpatialDropout3D", rate<SpatialDropout3D>},
      {"GaussianNoise", gaussian_noise},
      {"Add", named<Add>},
      {"Subtract", named<Subtract>},
      {"Multiply", named<Multiply>},
      {"Average", named<Average>},
      {"Maximum", named<Maximum>},
      {"Minimum", named<Minimum>},
      {"Concatenate", concatenate},
      {"Dot", dot},
      {"SimpleRNN", recurrent<SimpleRNN>},
      {"LSTM", recurrent<LSTM>},
      {"GRU", recurrent<GRU>},
      {"Bidirectional", wrapped},
      {"TimeDistributed", wrapped},
  };
  return all;
}

AnyLayer wrapped(Config& c) {
  Config inner(c.context(), c.value("layer"), c.limit());
  if (inner.type() == "Bidirectional" || inner.type() == "TimeDistributed")
    c.fail("a wrapper within a wrapper is not read.");
  const AnyLayer layer = keras_layer(inner, false);
  if (c.type() == "TimeDistributed") return TimeDistributed(layer, {c.name()});
  const RNN* rnn = dynamic_cast<const RNN*>(&*layer);
  if (!rnn) c.fail(fmt::format("it goes both ways over a {}, which is no recurrent layer.", inner.type()));
  c.value("backward_layer");
  return Bidirectional(
      *rnn, {.merge_mode = c.has("merge_mode") ? c.text("merge_mode", "concat") : (c.value("merge_mode"), "none"),
             .name = c.name()});
}

}  // namespace

AnyLayer keras_layer(KerasConfig& c, bool causal) {
  auto made = [&]() -> AnyLayer {
    if (c.type() == "MultiHeadAttention") {
      const auto o = attention_options(c, causal);
      const std::int64_t heads = c.size("num_heads");
      return MultiHeadAttention(heads, c.size("key_dim"), o);
    }
    const auto it = makers().find(c.type());
    if (it == makers().end()) c.fail("there is no such layer here.");
    return it->second(c);
  };
  AnyLayer layer = made();
  if (c.policy()) layer->set_dtype_policy(*c.policy());
  c.check_all_read();
  return layer;
}

}  // namespace tapir::detail
