// Max, average and global pooling over the spatial dimensions of images, sequences and volumes.
#pragma once
#include <tapir/ops/spatial.h>

namespace tapir {

struct PoolOptions {
  Shape strides = {};  ///< one per spatial dimension; one serves all; empty: the window's size
  Padding padding = Padding::valid;
  DataFormat data_format = DataFormat::channels_last;
};

/// The largest element of each window: x [N, W, C] -> [N, OW, C]. `size` is the window, one number per spatial
/// dimension or one for all. Padding never wins; NaN does. The first of equals takes the gradient. Floating dtypes.
/// Throws ShapeError if ranks or the window do not fit, DTypeError.
Tensor max_pool1d(const Tensor& x, const Shape& size, const PoolOptions& options = {}, Where where = Where::current());
/// x [N, H, W, C] -> [N, OH, OW, C]; else as max_pool1d.
Tensor max_pool2d(const Tensor& x, const Shape& size, const PoolOptions& options = {}, Where where = Where::current());
/// x [N, D, H, W, C] -> [N, OD, OH, OW, C]; else as max_pool1d.
Tensor max_pool3d(const Tensor& x, const Shape& size, const PoolOptions& options = {}, Where where = Where::current());

/// The mean of each window, padding not counted, as in TensorFlow: x [N, W, C] -> [N, OW, C]. Else as max_pool1d.
Tensor avg_pool1d(const Tensor& x, const Shape& size, const PoolOptions& options = {}, Where where = Where::current());
/// x [N, H, W, C] -> [N, OH, OW, C]; else as avg_pool1d.
Tensor avg_pool2d(const Tensor& x, const Shape& size, const PoolOptions& options = {}, Where where = Where::current());
/// x [N, D, H, W, C] -> [N, OD, OH, OW, C]; else as avg_pool1d.
Tensor avg_pool3d(const Tensor& x, const Shape& size, const PoolOptions& options = {}, Where where = Where::current());

struct GlobalPoolOptions {
  bool keepdims = false;  ///< keep the spatial dimensions with size 1
  DataFormat data_format = DataFormat::channels_last;
};

/// The largest element of each channel: x [N, spatial..., C] -> [N, C]. Throws ShapeError below rank 3.
Tensor global_max_pool(const Tensor& x, GlobalPoolOptions options = {}, Where where = Where::current());
/// The mean of each channel: x [N, spatial..., C] -> [N, C]. Throws ShapeError below rank 3, DTypeError.
Tensor global_avg_pool(const Tensor& x, GlobalPoolOptions options = {}, Where where = Where::current());

}  // namespace tapir
