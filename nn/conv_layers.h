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
class ConvLayer : public LayerOf<ConvLayer> {
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
/// What Conv1DTranspose to Conv3DTranspose share: transposed convolutions ("deconvolutions"), kernel [spatial...,
/// filters, in].
class ConvTransposeLayer : public LayerOf<ConvTransposeLayer> {
 protected:
  ConvTransposeLayer(const char* type, int rank, std::int64_t filters, const Shape& kernel_size,
                     const ConvTransposeLayerOptions& options, const Where& where);
  void make_weights(const Shape& input_shape) override;
  Tensor call(const Tensor& x, bool training) override;

 private:
  const char* type_;
  std::int64_t filters_;
  Shape kernel_size_;
  ConvTransposeLayerOptions options_;
  Variable kernel_, bias_;
};

/// x [N, W, C] -> [N, OW, filters].
class Conv1DTranspose : public ConvTransposeLayer {
 public:
  explicit Conv1DTranspose(std::int64_t filters, const Sizes& kernel_size,
                           const ConvTransposeLayerOptions& options = {}, Where where = Where::current())
      : ConvTransposeLayer("Conv1DTranspose", 1, filters, kernel_size, options, where) {}
};
/// x [N, H, W, C] -> [N, OH, OW, filters].
class Conv2DTranspose : public ConvTransposeLayer {
 public:
  explicit Conv2DTranspose(std::int64_t filters, const Sizes& kernel_size,
                           const ConvTransposeLayerOptions& options = {}, Where where = Where::current())
      : ConvTransposeLayer("Conv2DTranspose", 2, filters, kernel_size, options, where) {}
};
/// x [N, D, H, W, C] -> [N, OD, OH, OW, filters].
class Conv3DTranspose : public ConvTransposeLayer {
 public:
  explicit Conv3DTranspose(std::int64_t filters, const Sizes& kernel_size,
                           const ConvTransposeLayerOptions& options = {}, Where where = Where::current())
      : ConvTransposeLayer("Conv3DTranspose", 3, filters, kernel_size, options, where) {}
};

struct DepthwiseConvOptions {
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
using DepthwiseConv2DOptions = DepthwiseConvOptions;
/// What DepthwiseConv1D and DepthwiseConv2D share: each channel on its own, kernel [spatial..., C, depth_multiplier].
class DepthwiseConvLayer : public LayerOf<DepthwiseConvLayer> {
 protected:
  DepthwiseConvLayer(const char* type, int rank, const Shape& kernel_size, const DepthwiseConvOptions& options,
                     const Where& where);
  void make_weights(const Shape& input_shape) override;
  Tensor call(const Tensor& x, bool training) override;

 private:
  const char* type_;
  Shape kernel_size_;
  DepthwiseConvOptions options_;
  Variable kernel_, bias_;
};
/// x [N, W, C] -> [N, OW, C * depth_multiplier].
class DepthwiseConv1D : public DepthwiseConvLayer {
 public:
  explicit DepthwiseConv1D(const Sizes& kernel_size, const DepthwiseConvOptions& options = {},
                           Where where = Where::current())
      : DepthwiseConvLayer("DepthwiseConv1D", 1, kernel_size, options, where) {}
};
/// x [N, H, W, C] -> [N, OH, OW, C * depth_multiplier].
class DepthwiseConv2D : public DepthwiseConvLayer {
 public:
  explicit DepthwiseConv2D(const Sizes& kernel_size, const DepthwiseConvOptions& options = {},
                           Where where = Where::current())
      : DepthwiseConvLayer("DepthwiseConv2D", 2, kernel_size, options, where) {}
};

struct SeparableConvOptions {
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
using SeparableConv2DOptions = SeparableConvOptions;
/// What SeparableConv1D and SeparableConv2D share: a depthwise convolution, then one of size 1. Source: Chollet, CVPR
/// 2017.
class SeparableConvLayer : public LayerOf<SeparableConvLayer> {
 protected:
  SeparableConvLayer(const char* type, int rank, std::int64_t filters, const Shape& kernel_size,
                     const SeparableConvOptions& options, const Where& where);
  void make_weights(const Shape& input_shape) override;
  Tensor call(const Tensor& x, bool training) override;

 private:
  const char* type_;
  std::int64_t filters_;
  Shape kernel_size_;
  SeparableConvOptions options_;
  Variable depthwise_, pointwise_, bias_;
};
/// x [N, W, C] -> [N, OW, filters].
class SeparableConv1D : public SeparableConvLayer {
 public:
  explicit SeparableConv1D(std::int64_t filters, const Sizes& kernel_size, const SeparableConvOptions& options = {},
                           Where where = Where::current())
      : SeparableConvLayer("SeparableConv1D", 1, filters, kernel_size, options, where) {}
};
/// x [N, H, W, C] -> [N, OH, OW, filters].
class SeparableConv2D : public SeparableConvLayer {
 public:
  explicit SeparableConv2D(std::int64_t filters, const Sizes& kernel_size, const SeparableConvOptions& options = {},
                           Where where = Where::current())
      : SeparableConvLayer("SeparableConv2D", 2, filters, kernel_size, options, where) {}
};

struct ZeroPadding2DOptions {
  DataFormat data_format = DataFormat::channels_last;
  std::string name = "";
};
/// Rows and columns of zeros around x [N, H, W, C]: `ZeroPadding2D(1)`, `({height, width})`, `({{top, bottom}, {left,
/// right}})`.
class ZeroPadding2D : public LayerOf<ZeroPadding2D> {
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
class UpSampling2D : public LayerOf<UpSampling2D> {
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
