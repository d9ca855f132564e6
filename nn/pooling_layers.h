// Pooling layers.
#pragma once
#include <tapir/nn/layer_options.h>

namespace tapir::nn {

struct PoolLayerOptions {
  Sizes strides = {};  ///< empty: the window's size
  LayerPadding padding = "valid";
  DataFormat data_format = DataFormat::channels_last;
  std::string name = "";
};

/// What the six pooling layers share.
class PoolLayer : public LayerOf<PoolLayer> {
 protected:
  enum class Kind : std::uint8_t { max, average };
  PoolLayer(const char* type, Kind kind, int rank, const Shape& pool_size, const PoolLayerOptions& options,
            const Where& where);
  Tensor call(const Tensor& x, bool training) override;

 private:
  Kind kind_;
  Shape size_;
  PoolLayerOptions options_;
};

/// The largest of each window: x [N, W, C] -> [N, OW, C].
class MaxPooling1D : public PoolLayer {
 public:
  explicit MaxPooling1D(const Sizes& pool_size = 2, const PoolLayerOptions& options = {},
                        Where where = Where::current())
      : PoolLayer("MaxPooling1D", Kind::max, 1, pool_size, options, where) {}
};
/// x [N, H, W, C] -> [N, OH, OW, C].
class MaxPooling2D : public PoolLayer {
 public:
  explicit MaxPooling2D(const Sizes& pool_size = 2, const PoolLayerOptions& options = {},
                        Where where = Where::current())
      : PoolLayer("MaxPooling2D", Kind::max, 2, pool_size, options, where) {}
};
/// x [N, D, H, W, C] -> [N, OD, OH, OW, C].
class MaxPooling3D : public PoolLayer {
 public:
  explicit MaxPooling3D(const Sizes& pool_size = 2, const PoolLayerOptions& options = {},
                        Where where = Where::current())
      : PoolLayer("MaxPooling3D", Kind::max, 3, pool_size, options, where) {}
};
/// The mean of each window, padding not counted: x [N, W, C] -> [N, OW, C].
class AveragePooling1D : public PoolLayer {
 public:
  explicit AveragePooling1D(const Sizes& pool_size = 2, const PoolLayerOptions& options = {},
                            Where where = Where::current())
      : PoolLayer("AveragePooling1D", Kind::average, 1, pool_size, options, where) {}
};
/// x [N, H, W, C] -> [N, OH, OW, C].
class AveragePooling2D : public PoolLayer {
 public:
  explicit AveragePooling2D(const Sizes& pool_size = 2, const PoolLayerOptions& options = {},
                            Where where = Where::current())
      : PoolLayer("AveragePooling2D", Kind::average, 2, pool_size, options, where) {}
};
/// x [N, D, H, W, C] -> [N, OD, OH, OW, C].
class AveragePooling3D : public PoolLayer {
 public:
  explicit AveragePooling3D(const Sizes& pool_size = 2, const PoolLayerOptions& options = {},
                            Where where = Where::current())
      : PoolLayer("AveragePooling3D", Kind::average, 3, pool_size, options, where) {}
};

struct GlobalPoolLayerOptions {
  bool keepdims = false;
  DataFormat data_format = DataFormat::channels_last;
  std::string name = "";
};

/// What the six global pooling layers share: x [N, spatial..., C] -> [N, C].
class GlobalPoolLayer : public LayerOf<GlobalPoolLayer> {
 protected:
  GlobalPoolLayer(const char* type, bool max, int rank, const GlobalPoolLayerOptions& options);
  Tensor call(const Tensor& x, bool training) override;

 private:
  const char* type_;
  bool max_;
  int rank_;
  GlobalPoolLayerOptions options_;
};

/// The largest of each channel: x [N, W, C] -> [N, C].
class GlobalMaxPooling1D : public GlobalPoolLayer {
 public:
  explicit GlobalMaxPooling1D(const GlobalPoolLayerOptions& options = {})
      : GlobalPoolLayer("GlobalMaxPooling1D", true, 1, options) {}
};
/// The largest of each channel: x [N, H, W, C] -> [N, C].
class GlobalMaxPooling2D : public GlobalPoolLayer {
 public:
  explicit GlobalMaxPooling2D(const GlobalPoolLayerOptions& options = {})
      : GlobalPoolLayer("GlobalMaxPooling2D", true, 2, options) {}
};
/// The largest of each channel: x [N, D, H, W, C] -> [N, C].
class GlobalMaxPooling3D : public GlobalPoolLayer {
 public:
  explicit GlobalMaxPooling3D(const GlobalPoolLayerOptions& options = {})
      : GlobalPoolLayer("GlobalMaxPooling3D", true, 3, options) {}
};
/// The mean of each channel: x [N, W, C] -> [N, C]; of a masked x (see MaskScope) over the steps that count.
class GlobalAveragePooling1D : public GlobalPoolLayer {
 public:
  explicit GlobalAveragePooling1D(const GlobalPoolLayerOptions& options = {})
      : GlobalPoolLayer("GlobalAveragePooling1D", false, 1, options) {}
};
/// The mean of each channel: x [N, H, W, C] -> [N, C].
class GlobalAveragePooling2D : public GlobalPoolLayer {
 public:
  explicit GlobalAveragePooling2D(const GlobalPoolLayerOptions& options = {})
      : GlobalPoolLayer("GlobalAveragePooling2D", false, 2, options) {}
};
/// The mean of each channel: x [N, D, H, W, C] -> [N, C].
class GlobalAveragePooling3D : public GlobalPoolLayer {
 public:
  explicit GlobalAveragePooling3D(const GlobalPoolLayerOptions& options = {})
      : GlobalPoolLayer("GlobalAveragePooling3D", false, 3, options) {}
};

}  // namespace tapir::nn
