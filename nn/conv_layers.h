// Convolution layers. Layouts are channels-last unless `.data_format` says otherwise; kernels as in Keras.
#pragma once
#include <tapir/nn/layer_options.h>

namespace tapir::nn {

struct ConvLayerOptions {
  Sizes strides = 1;
  LayerPadding padding = "valid";
  Sizes dilation_rate = 1;
  std::int64_t groups = 1;
  DataFormat data_format = DataFormat::channels_last;
  ActivationFunction activation = {};
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform", bias_initializer = "zeros";
  Regularizer kernel_regularizer = {}, bias_regularizer = {}, activity_regularizer = {};
  Constraint kernel_constraint = {}, bias_constraint = {};
  std::int64_t seed = -1;  ///< of the initialisers; -1: the global generator
  std::string name = "";
};

/// What Conv1D to Conv3D share: activation(conv(x, kernel) + bias), kernel [spatial..., in / groups, filters].
class ConvLayer : public Layer {
 public:
  Variable kernel() const { return kernel_; }
  Variable bias() const { return bias_; }

 protected:
  ConvLayer(const char* type, int rank, std::int64_t filters, const Shape& kernel_size, const ConvLayerOptions& options,
            const Where& where);
  void make_weights(const Shape& input_shape) override;
  Tensor call(const Tensor& x, bool training) override;

 private:
  const char* type_;
  std::int64_t filters_;
  Shape kernel_size_;
  ConvLayerOptions options_;
  Variable kernel_, bias_;
};

/// x [N, W, C] -> [N, OW, filters]. Padding "causal" looks at the past only.
class Conv1D : public ConvLayer {
 public:
  explicit Conv1D(std::int64_t filters, const Sizes& kernel_size, const ConvLayerOptions& options = {},
                  Where where = Where::current())
      : ConvLayer("Conv1D", 1, filters, kernel_size, options, where) {}
};
/// x [N, H, W, C] -> [N, OH, OW, filters].
class Conv2D : public ConvLayer {
 public:
  explicit Conv2D(std::int64_t filters, const Sizes& kernel_size, const ConvLayerOptions& options = {},
                  Where where = Where::current())
      : ConvLayer("Conv2D", 2, filters, kernel_size, options, where) {}
};
/// x [N, D, H, W, C] -> [N, OD, OH, OW, filters].
class Conv3D : public ConvLayer {
 public:
  explicit Conv3D(std::int64_t filters, const Sizes& kernel_size, const ConvLayerOptions& options = {},
                  Where where = Where::current())
      : ConvLayer("Conv3D", 3, filters, kernel_size, options, where) {}
};

struct ConvTransposeLayerOptions {
  Sizes strides = 1;
  LayerPadding padding = "valid";
  Sizes output_padding = {};  ///< empty: Keras's choice
  Sizes dilation_rate = 1;
  DataFormat data_format = DataFormat::channels_last;
  ActivationFunction activation = {};
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform", bias_initializer = "zeros";
  Regularizer kernel_regularizer = {}, bias_regularizer = {}, activity_regularizer = {};
  Constraint kernel_constraint = {}, bias_constraint = {};
  std::int64_t seed = -1;
  std::string name = "";
};
/// Transposed convolution ("deconvolution"): x [N, H, W, C] -> [N, OH, OW, filters], kernel [KH, KW, filters, C].
class Conv2DTranspose : public Layer {
 public:
  explicit Conv2DTranspose(std::int64_t filters, const Sizes& kernel_size,
                           const ConvTransposeLayerOptions& options = {}, Where where = Where::current());

 protected:
  void make_weights(const Shape& input_shape) override;
  Tensor call(const Tensor& x, bool training) override;

 private:
  std::int64_t filters_;
  Shape kernel_size_;
  ConvTransposeLayerOptions options_;
  Variable kernel_, bias_;
};

struct DepthwiseConv2DOptions {
  Sizes strides = 1;
  LayerPadding padding = "valid";
  std::int64_t depth_multiplier = 1;
  Sizes dilation_rate = 1;
  DataFormat data_format = DataFormat::channels_last;
  ActivationFunction activation = {};
  bool use_bias = true;
  Initializer depthwise_initializer = "glorot_uniform", bias_initializer = "zeros";
  Regularizer depthwise_regularizer = {}, bias_regularizer = {}, activity_regularizer = {};
  Constraint depthwise_constraint = {}, bias_constraint = {};
  std::int64_t seed = -1;
  std::string name = "";
};
/// Each channel on its own: x [N, H, W, C] -> [N, OH, OW, C * depth_multiplier], kernel [KH, KW, C, depth_multiplier].
class DepthwiseConv2D : public Layer {
 public:
  explicit DepthwiseConv2D(const Sizes& kernel_size, const DepthwiseConv2DOptions& options = {},
                           Where where = Where::current());

 protected:
  void make_weights(const Shape& input_shape) override;
  Tensor call(const Tensor& x, bool training) override;

 private:
  Shape kernel_size_;
  DepthwiseConv2DOptions options_;
  Variable kernel_, bias_;
};

struct SeparableConv2DOptions {
  Sizes strides = 1;
  LayerPadding padding = "valid";
  Sizes dilation_rate = 1;
  std::int64_t depth_multiplier = 1;
  DataFormat data_format = DataFormat::channels_last;
  ActivationFunction activation = {};
  bool use_bias = true;
  Initializer depthwise_initializer = "glorot_uniform", pointwise_initializer = "glorot_uniform",
              bias_initializer = "zeros";
  Regularizer depthwise_regularizer = {}, pointwise_regularizer = {}, bias_regularizer = {}, activity_regularizer = {};
  Constraint depthwise_constraint = {}, pointwise_constraint = {}, bias_constraint = {};
  std::int64_t seed = -1;
  std::string name = "";
};
/// A depthwise convolution, then a 1x1 one. Source: Chollet, CVPR 2017.
class SeparableConv2D : public Layer {
 public:
  explicit SeparableConv2D(std::int64_t filters, const Sizes& kernel_size, const SeparableConv2DOptions& options = {},
                           Where where = Where::current());

 protected:
  void make_weights(const Shape& input_shape) override;
  Tensor call(const Tensor& x, bool training) override;

 private:
  std::int64_t filters_;
  Shape kernel_size_;
  SeparableConv2DOptions options_;
  Variable depthwise_, pointwise_, bias_;
};

struct ZeroPadding2DOptions {
  DataFormat data_format = DataFormat::channels_last;
  std::string name = "";
};
/// Rows and columns of zeros around x [N, H, W, C]: `ZeroPadding2D(1)`, `({height, width})`, `({{top, bottom}, {left,
/// right}})`.
class ZeroPadding2D : public Layer {
 public:
  explicit ZeroPadding2D(std::int64_t amount = 1, const ZeroPadding2DOptions& options = {},
                         Where where = Where::current());
  explicit ZeroPadding2D(std::initializer_list<std::int64_t> amounts, const ZeroPadding2DOptions& options = {},
                         Where where = Where::current());
  explicit ZeroPadding2D(std::initializer_list<std::initializer_list<std::int64_t>> amounts,
                         const ZeroPadding2DOptions& options = {}, Where where = Where::current());

 protected:
  Tensor call(const Tensor& x, bool training) override;

 private:
  Shape amounts_;  // top, bottom, left, right
  DataFormat format_;
};

struct UpSampling2DOptions {
  std::string interpolation = "nearest";  ///< or "bilinear"
  DataFormat data_format = DataFormat::channels_last;
  std::string name = "";
};
/// x [N, H, W, C] -> [N, H * size[0], W * size[1], C].
class UpSampling2D : public Layer {
 public:
  explicit UpSampling2D(const Sizes& size = 2, const UpSampling2DOptions& options = {}, Where where = Where::current());

 protected:
  Tensor call(const Tensor& x, bool training) override;

 private:
  Shape size_;
  bool bilinear_;
  DataFormat format_;
};

}  // namespace tapir::nn
