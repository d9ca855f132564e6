// Activations as layers.
#pragma once
#include <tapir/nn/core_layers.h>

namespace tapir::nn {

/// Any activation, by name or function.
class Activation : public LayerOf<Activation> {
 public:
  explicit Activation(ActivationFunction function, const LayerName& options = {})
      : LayerOf(options.name), function_(std::move(function)) {
    needs_no_build();
    passes_mask();
  }

 protected:
  Tensor call(const Tensor& x, bool) override { return function_(x); }

 private:
  ActivationFunction function_;
};

struct ReLUOptions {
  double max_value = -1;  ///< the result is at most this; negative: no limit
  double negative_slope = 0, threshold = 0;
  std::string name = "";
};
/// x where x >= threshold, else negative_slope * (x - threshold); at most max_value.
class ReLU : public LayerOf<ReLU> {
 public:
  explicit ReLU(const ReLUOptions& options = {}, Where where = Where::current());

 protected:
  Tensor call(const Tensor& x, bool) override;

 private:
  ReLUOptions options_;
};

struct LeakyReLUOptions {
  double negative_slope = 0.3;
  std::string name = "";
};
/// x where x > 0, else negative_slope * x.
class LeakyReLU : public LayerOf<LeakyReLU> {
 public:
  explicit LeakyReLU(const LeakyReLUOptions& options = {});

 protected:
  Tensor call(const Tensor& x, bool) override;

 private:
  double slope_;
};

struct ELUOptions {
  double alpha = 1;
  std::string name = "";
};
/// x where x > 0, else alpha * (exp(x) - 1). Source: Clevert et al., ICLR 2016.
class ELU : public LayerOf<ELU> {
 public:
  explicit ELU(const ELUOptions& options = {});

 protected:
  Tensor call(const Tensor& x, bool) override;

 private:
  double alpha_;
};

struct PReLUOptions {
  Initializer alpha_initializer = "zeros";
  Axes shared_axes = {};   ///< one slope along these, counted with the batch as 0: {1, 2} for images
  std::int64_t seed = -1;  ///< of the initialiser; -1: the global generator
  std::string name = "";
};
/// As LeakyReLU, with one learned slope per feature. Source: He et al., ICCV 2015.
class PReLU : public LayerOf<PReLU> {
 public:
  explicit PReLU(const PReLUOptions& options = {}) : LayerOf(options.name), options_(options) { passes_mask(); }

 protected:
  void make_weights(const Shape& input_shape) override;
  Tensor call(const Tensor& x, bool) override;

 private:
  PReLUOptions options_;
  Variable alpha_;
};

struct SoftmaxOptions {
  int axis = -1;
  std::string name = "";
};
/// exp(x) / sum(exp(x)) along `axis`.
class Softmax : public LayerOf<Softmax> {
 public:
  explicit Softmax(const SoftmaxOptions& options = {});

 protected:
  Tensor call(const Tensor& x, bool) override;

 private:
  int axis_;
};

}  // namespace tapir::nn
