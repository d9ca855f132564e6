// Convolutions, their transposes, depthwise and separable ones, and which algorithm computes them.
#pragma once
#include <tapir/ops/precision.h>
#include <tapir/ops/spatial.h>

#include <optional>

namespace tapir {

/// How a convolution is computed. `automatic` takes the algorithm that is expected to be fastest for the shape.
///
/// `winograd` follows Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (CVPR 2016), in all three
/// directions of f32 convolutions with 3x3 kernels, stride 1, dilation 1 and one group: tiles of 4x4 or 2x2 outputs
/// from 36 or 16 multiplications a channel instead of 144 or 36. Its relative L2 error on normal data is up to 1.6e-6
/// and 6e-7, for any number of channels; `direct` has 4e-7 for 64 and 2.3e-6 for 2048. A NaN or an infinity spreads
/// over the tiles that see it.
enum class ConvAlgorithm : std::uint8_t {
  automatic,
  small_channels,  ///< own kernels over rows, made for few input channels (a group): first layers, grouped ones
  depthwise,       ///< own kernels for one channel per group
  winograd,        ///< own kernels for 3x3 windows: a quarter to a half of the multiplications, see above
  direct,          ///< oneDNN's direct convolutions, where the library was built with it
  gemm_1x1,        ///< a 1x1 kernel without padding, any strides: a matrix product of pixels as they lie
  im2col,          ///< patches as rows of a matrix, then a matrix product
  reference,       ///< plain loops, accumulated in f64
  bf16,            ///< oneDNN's direct convolutions of bf16 numbers, where `precision` and the machine allow it
};
/// "automatic", "direct", ...
const char* name_of(ConvAlgorithm algorithm);

struct ConvOptions {
  Shape strides = {};  ///< one per spatial dimension; one serves all; empty: 1
  Padding padding = Padding::valid;
  Shape dilations = {};     ///< as strides
  std::int64_t groups = 1;  ///< channels in `groups` equal parts that do not see each other
  DataFormat data_format = DataFormat::channels_last;
  ConvAlgorithm algorithm = ConvAlgorithm::automatic;
  std::optional<Precision> precision = {};  ///< of f32 products; none: matmul_precision()
};

/// Convolution as in tf.nn.convolution (a cross-correlation): x [N, W, C], kernel [KW, C / groups, K] -> [N, OW, K].
/// f16 and bf16 compute in f32. Throws ShapeError if ranks, channels, groups or the window do not fit, DTypeError if
/// the dtypes differ or are not floating, UsageError if a forced algorithm cannot compute it.
Tensor conv1d(const Tensor& x, const Tensor& kernel, const ConvOptions& options = {}, Where where = Where::current());
/// x [N, H, W, C], kernel [KH, KW, C / groups, K] -> [N, OH, OW, K]; else as conv1d.
Tensor conv2d(const Tensor& x, const Tensor& kernel, const ConvOptions& options = {}, Where where = Where::current());
/// x [N, D, H, W, C], kernel [KD, KH, KW, C / groups, K] -> [N, OD, OH, OW, K]; else as conv1d.
Tensor conv3d(const Tensor& x, const Tensor& kernel, const ConvOptions& options = {}, Where where = Where::current());

struct ConvTransposeOptions {
  Shape strides = {};
  Padding padding = Padding::valid;
  Shape dilations = {};
  std::int64_t groups = 1;
  DataFormat data_format = DataFormat::channels_last;
  Shape output_padding = {};  ///< added at the end of each spatial dimension, as in Keras; empty: Keras' default
  Shape output_size = {};     ///< the spatial sizes of the result, instead of output_padding
  ConvAlgorithm algorithm = ConvAlgorithm::automatic;
  std::optional<Precision> precision = {};
};

/// Transposed convolution as in tf.nn.conv1d_transpose, the input gradient of the convolution with the same options:
/// x [N, W, C], kernel [KW, K / groups, C] -> [N, OW, K]. By default OW is W * stride for `same` and
/// W * stride + max(extent - stride, 0) for `valid`. Throws ShapeError also if no convolution of the asked output
/// size gives W.
Tensor conv1d_transpose(const Tensor& x, const Tensor& kernel, const ConvTransposeOptions& options = {},
                        Where where = Where::current());
/// x [N, H, W, C], kernel [KH, KW, K / groups, C] -> [N, OH, OW, K]; else as conv1d_transpose.
Tensor conv2d_transpose(const Tensor& x, const Tensor& kernel, const ConvTransposeOptions& options = {},
                        Where where = Where::current());
/// x [N, D, H, W, C], kernel [KD, KH, KW, K / groups, C] -> [N, OD, OH, OW, K]; else as conv1d_transpose.
Tensor conv3d_transpose(const Tensor& x, const Tensor& kernel, const ConvTransposeOptions& options = {},
                        Where where = Where::current());

/// Each channel on its own: x [N, H, W, C], kernel [KH, KW, C, M] -> [N, OH, OW, C * M], result channel c * M + m.
/// `options.groups` must be left at 1. Throws as conv2d.
Tensor depthwise_conv2d(const Tensor& x, const Tensor& kernel, const ConvOptions& options = {},
                        Where where = Where::current());
/// depthwise_conv2d with `depthwise` [KH, KW, C, M] and the options, then conv2d with `pointwise` [1, 1, C * M, K].
Tensor separable_conv2d(const Tensor& x, const Tensor& depthwise, const Tensor& pointwise,
                        const ConvOptions& options = {}, Where where = Where::current());

/// While it lives, convolutions of this thread that leave the choice open, and their gradients, use `algorithm` where
/// it can compute them. Scopes nest; `automatic` restores the choice by shape.
class ConvAlgorithmScope {
 public:
  explicit ConvAlgorithmScope(ConvAlgorithm algorithm);
  ~ConvAlgorithmScope();
  ConvAlgorithmScope(const ConvAlgorithmScope&) = delete;
  ConvAlgorithmScope& operator=(const ConvAlgorithmScope&) = delete;

 private:
  ConvAlgorithm outer_;
};

enum class ConvDirection : std::uint8_t { forward, input_gradient, kernel_gradient };

/// What would compute one direction of a convolution on the CPU.
struct ConvPlan {
  ConvAlgorithm algorithm = ConvAlgorithm::automatic;
  std::string why;        ///< "forced", "measured", or "expected: 210 us on one thread"
  std::string passed_by;  ///< "direct: 350 us; winograd: stride 2, it takes 1; ...": the others, if times were compared
  std::string precision;  ///< "high: this CPU has no bf16 products, f32 is used": what became of it; none for `highest`
  /// "small_channels (expected: 210 us on one thread; passed by direct: ...)"
  std::string str() const;
};
/// Which algorithm `direction` of conv2d(x, kernel, options) takes, and why. Throws as conv2d.
ConvPlan conv2d_plan(const TensorSpec& x, const TensorSpec& kernel, const ConvOptions& options = {},
                     ConvDirection direction = ConvDirection::forward, Where where = Where::current());

/// From now on, the first call of a convolution that leaves the choice open measures the algorithms that are not
/// expected to be far behind, and later calls take the fastest. `file` is read first, and what is measured is added to
/// it; it may be shipped, for it says for which CPU and version of the library it holds. If it is another's, or broken,
/// it is left alone, with a line on stderr. An empty name goes back to the choice by expectation, which is the default;
/// TAPIR_AUTOTUNE=file in the environment is a call of this before the first convolution.
void autotune_convolutions(const std::string& file);

}  // namespace tapir
