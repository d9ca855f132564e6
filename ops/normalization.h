// Normalisation: batch, layer, group and root mean square. Variances are those of a population and right where the mean
// is far from zero; f16 and bf16 compute in f32. An undefined `scale` or `offset` takes no part. No result depends on
// the number of threads.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {

/// (x - mean) / sqrt(variance + epsilon) * scale + offset with given statistics, as tf.nn.batch_normalization: x [...,
/// C], the others [C] or anything that broadcasts to x. Throws DTypeError for integers, ShapeError.
Tensor batch_norm(const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& offset,
                  const Tensor& scale, double epsilon = 1e-3, Where where = Where::current());

struct BatchNormResult {
  Tensor y, mean, variance;  ///< x's shape, [C], [C]; f32 statistics for f16 and bf16
};
/// Batch normalisation with the statistics of x [..., C] over all axes but the last (Ioffe and Szegedy 2015). The
/// gradient goes through the statistics too. scale, offset: [C]. Throws ShapeError, DTypeError.
BatchNormResult batch_norm_training(const Tensor& x, const Tensor& scale, const Tensor& offset, double epsilon = 1e-3,
                                    Where where = Where::current());

struct LayerNormOptions {
  Axes axis = {-1};  ///< normalised together; scale and offset have their sizes
  double epsilon = 1e-3;
};
/// Normalises each example over `axis` (Ba et al. 2016); scale and offset have the sizes of those axes, in x's order.
/// Throws ShapeError, DTypeError.
Tensor layer_norm(const Tensor& x, const Tensor& scale, const Tensor& offset, const LayerNormOptions& options = {},
                  Where where = Where::current());

struct GroupNormOptions {
  double epsilon = 1e-3;
};
/// Normalises x [N, ..., C] per example over all positions and each of `groups` equal parts of the channels (Wu and He
/// 2018); scale, offset: [C]. Throws ShapeError if groups do not divide C, DTypeError.
Tensor group_norm(const Tensor& x, std::int64_t groups, const Tensor& scale, const Tensor& offset,
                  const GroupNormOptions& options = {}, Where where = Where::current());

struct RmsNormOptions {
  Axes axis = {-1};
  double epsilon = 1e-6;
};
/// x / sqrt(mean(x^2) + epsilon) * scale over `axis` (Zhang and Sennrich 2019). Throws ShapeError, DTypeError.
Tensor rms_norm(const Tensor& x, const Tensor& scale, const RmsNormOptions& options = {},
                Where where = Where::current());

}  // namespace tapir
