// Normalisation layers. Their options are Keras's.
#pragma once
#include <tapir/nn/layer_options.h>

namespace tapir::nn {

struct BatchNormalizationOptions {
  int axis = -1;
  double momentum = 0.99, epsilon = 1e-3;
  bool center = true, scale = true;
  Initializer beta_initializer = "zeros", gamma_initializer = "ones", moving_mean_initializer = "zeros",
              moving_variance_initializer = "ones";
  std::string name = "";
};
/// In training normalises each feature by the batch's mean and variance, and moves the moving statistics towards them;
/// else (and where frozen) normalises by the moving statistics. Source: Ioffe and Szegedy, ICML 2015.
class BatchNormalization : public LayerOf<BatchNormalization> {
 public:
  explicit BatchNormalization(const BatchNormalizationOptions& options = {}, Where where = Where::current());

 protected:
  void make_weights(const Shape& input_shape) override;
  Tensor call(const Tensor& x, bool training) override;

 private:
  BatchNormalizationOptions options_;
  Variable gamma_, beta_, moving_mean_, moving_variance_;
};

struct LayerNormalizationOptions {
  Axes axis = -1;
  double epsilon = 1e-3;
  bool center = true, scale = true;
  Initializer beta_initializer = "zeros", gamma_initializer = "ones";
  std::string name = "";
};
/// Normalises each example over `axis`. Source: Ba et al., 2016.
class LayerNormalization : public LayerOf<LayerNormalization> {
 public:
  explicit LayerNormalization(const LayerNormalizationOptions& options = {}, Where where = Where::current());

 protected:
  void make_weights(const Shape& input_shape) override;
  Tensor call(const Tensor& x, bool training) override;

 private:
  LayerNormalizationOptions options_;
  Variable gamma_, beta_;
};

struct GroupNormalizationOptions {
  std::int64_t groups = 32;  ///< that the features are cut into; -1: each is one (instance normalisation)
  int axis = -1;
  double epsilon = 1e-3;
  bool center = true, scale = true;
  Initializer beta_initializer = "zeros", gamma_initializer = "ones";
  std::string name = "";
};
/// Normalises each group of features of each example over all positions. Source: Wu and He, ECCV 2018.
class GroupNormalization : public LayerOf<GroupNormalization> {
 public:
  explicit GroupNormalization(const GroupNormalizationOptions& options = {}, Where where = Where::current());

 protected:
  void make_weights(const Shape& input_shape) override;
  Tensor call(const Tensor& x, bool training) override;

 private:
  GroupNormalizationOptions options_;
  Variable gamma_, beta_;
};

struct RMSNormalizationOptions {
  Axes axis = -1;
  double epsilon = 1e-6;
  std::string name = "";
};
/// Divides each example by its root mean square over `axis`. Source: Zhang and Sennrich, NeurIPS 2019.
class RMSNormalization : public LayerOf<RMSNormalization> {
 public:
  explicit RMSNormalization(const RMSNormalizationOptions& options = {}, Where where = Where::current());

 protected:
  void make_weights(const Shape& input_shape) override;
  Tensor call(const Tensor& x, bool training) override;

 private:
  RMSNormalizationOptions options_;
  Variable scale_;
};

struct UnitNormalizationOptions {
  Axes axis = -1;
  std::string name = "";
};
/// Divides each example by its Euclidean norm over `axis`.
class UnitNormalization : public LayerOf<UnitNormalization> {
 public:
  explicit UnitNormalization(const UnitNormalizationOptions& options = {})
      : LayerOf(options.name), axis_(options.axis) {
    passes_mask();
  }

 protected:
  Tensor call(const Tensor& x, bool training) override;

 private:
  Axes axis_;
};

struct SpectralNormalizationOptions {
  int power_iterations = 1;  ///< each training step
  std::string name = "";
};
/// Divides the kernel of a layer by its largest singular value in each training step. Source: Miyato et al., ICLR 2018.
class SpectralNormalization : public LayerOf<SpectralNormalization> {
 public:
  explicit SpectralNormalization(const AnyLayer& layer, const SpectralNormalizationOptions& options = {},
                                 Where where = Where::current());

 protected:
  void make_weights(const Shape& input_shape) override;
  Tensor call(const Tensor& x, bool training) override;

 private:
  AnyLayer layer_;
  int iterations_;
  Variable kernel_, u_;  // u: [1, columns of the kernel seen as a matrix]
};

}  // namespace tapir::nn
