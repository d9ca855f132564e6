// Normalisation layers.
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
class BatchNormalization : public Layer {
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
class LayerNormalization : public Layer {
 public:
  explicit LayerNormalization(const LayerNormalizationOptions& options = {}, Where where = Where::current());

 protected:
  void make_weights(const Shape& input_shape) override;
  Tensor call(const Tensor& x, bool training) override;

 private:
  Shape over(const Shape& shape) const;  // `shape` with 1 in place of sizes that are not normalised over
  LayerNormalizationOptions options_;
  Variable gamma_, beta_;
};

}  // namespace tapir::nn
