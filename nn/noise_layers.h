// Layers that are random in training and do nothing else: noise, and dropout of other kinds.
#pragma once
#include <tapir/nn/core_layers.h>

namespace tapir::nn {

struct NoiseOptions {
  std::int64_t seed = -1;  ///< given: the draws of a new layer repeat
  std::string name = "";
};

/// In training adds normal numbers of this deviation.
class GaussianNoise : public LayerOf<GaussianNoise, SeededLayer> {
 public:
  explicit GaussianNoise(double stddev, const NoiseOptions& options = {}, Where where = Where::current());

 protected:
  Tensor call(const Tensor& x, bool training) override;

 private:
  double stddev_;
};

/// In training multiplies with normal numbers around 1 of variance rate / (1 - rate). Source: Srivastava et al., JMLR
/// 2014.
class GaussianDropout : public LayerOf<GaussianDropout, SeededLayer> {
 public:
  explicit GaussianDropout(double rate, const NoiseOptions& options = {}, Where where = Where::current());

 protected:
  Tensor call(const Tensor& x, bool training) override;

 private:
  double rate_;
};

/// Dropout to the negative saturation of selu, which keeps mean and variance. Source: Klambauer et al., NeurIPS 2017.
class AlphaDropout : public LayerOf<AlphaDropout, SeededLayer> {
 public:
  explicit AlphaDropout(double rate, const NoiseOptions& options = {}, Where where = Where::current());

 protected:
  Tensor call(const Tensor& x, bool training) override;

 private:
  double rate_;
};

/// What SpatialDropout1D to SpatialDropout3D share: dropout of whole channels of [N, spatial..., C].
class SpatialDropoutLayer : public LayerOf<SpatialDropoutLayer, SeededLayer> {
 protected:
  SpatialDropoutLayer(const char* type, int rank, double rate, const NoiseOptions& options, const Where& where);
  Tensor call(const Tensor& x, bool training) override;

 private:
  const char* type_;
  int rank_;
  double rate_;
};
/// Drops channels of [N, W, C]. Source: Tompson et al., CVPR 2015.
class SpatialDropout1D : public SpatialDropoutLayer {
 public:
  explicit SpatialDropout1D(double rate, const NoiseOptions& options = {}, Where where = Where::current())
      : SpatialDropoutLayer("SpatialDropout1D", 1, rate, options, where) {}
};
/// Drops channels of [N, H, W, C].
class SpatialDropout2D : public SpatialDropoutLayer {
 public:
  explicit SpatialDropout2D(double rate, const NoiseOptions& options = {}, Where where = Where::current())
      : SpatialDropoutLayer("SpatialDropout2D", 2, rate, options, where) {}
};
/// Drops channels of [N, D, H, W, C].
class SpatialDropout3D : public SpatialDropoutLayer {
 public:
  explicit SpatialDropout3D(double rate, const NoiseOptions& options = {}, Where where = Where::current())
      : SpatialDropoutLayer("SpatialDropout3D", 3, rate, options, where) {}
};

}  // namespace tapir::nn
