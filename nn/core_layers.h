// Dense, Embedding, Dropout, and layers that only reshape or rescale. Names, defaults and initialisers are Keras's.
#pragma once
#include <tapir/nn/layer_options.h>

namespace tapir::nn {

/// The options of layers that have no others.
struct LayerName {
  std::string name = "";  ///< made from the type if empty
};

struct DenseOptions {
  ActivationFunction activation = {};
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform", bias_initializer = "zeros";
  Regularizer kernel_regularizer = {}, bias_regularizer = {}, activity_regularizer = {};
  Constraint kernel_constraint = {}, bias_constraint = {};
  std::int64_t seed = -1;  ///< of the initialisers; -1: the global generator
  std::string name = "";
};
/// activation(x @ kernel + bias): x [..., in] -> [..., units]. f64 and f16 inputs are cast to the weights' f32, here
/// and in convolutions, as in Keras.
class Dense : public LayerOf<Dense> {
 public:
  explicit Dense(std::int64_t units, const DenseOptions& options = {}, Where where = Where::current());
  Variable kernel() const { return kernel_; }
  Variable bias() const { return bias_; }

 protected:
  void make_weights(const Shape& input_shape) override;
  Tensor call(const Tensor& x, bool training) override;

 private:
  std::int64_t units_;
  DenseOptions options_;
  Variable kernel_, bias_;
};

struct EmbeddingOptions {
  Initializer embeddings_initializer = "uniform";
  Regularizer embeddings_regularizer = {};
  Constraint embeddings_constraint = {};
  bool mask_zero = false;  ///< the number 0 stands for nothing: its steps are masked, see MaskScope
  std::int64_t seed = -1;
  std::string name = "";
};
/// A row of a table for each number: x [...], integers in [0, input_dim) -> [..., output_dim]. Floating x is cast.
/// Any other number throws UsageError, in function() on the call that brings it.
class Embedding : public LayerOf<Embedding> {
 public:
  Embedding(std::int64_t input_dim, std::int64_t output_dim, const EmbeddingOptions& options = {},
            Where where = Where::current());

 protected:
  void make_weights(const Shape& input_shape) override;
  Tensor call(const Tensor& x, bool training) override;

 private:
  std::int64_t input_dim_, output_dim_;
  EmbeddingOptions options_;
  Variable embeddings_;
};

struct MaskingOptions {
  double mask_value = 0;
  std::string name = "";
};
/// Masks the steps of x [N, T, features] at which all features are mask_value, and sets them to 0. See MaskScope.
class Masking : public LayerOf<Masking> {
 public:
  explicit Masking(const MaskingOptions& options = {}) : LayerOf(options.name), value_(options.mask_value) {
    needs_no_build();
  }

 protected:
  Tensor call(const Tensor& x, bool training) override;

 private:
  double value_;
};

/// A layer that draws random numbers: of each call others, traced too, and with a seed the same ones in each new layer.
class SeededLayer : public Layer {
 protected:
  SeededLayer(std::int64_t seed, const std::string& name);
  /// What a draw of this call is to be made from; see random::key.
  Tensor next_key();

 private:
  Variable stream_;  // undefined: the global generator
};

struct DropoutLayerOptions {
  std::int64_t seed = -1;  ///< given: the draws of a new layer repeat
  std::string name = "";
};
/// In training sets each element to 0 with probability `rate` and divides the others by 1 - rate; else x.
class Dropout : public LayerOf<Dropout, SeededLayer> {
 public:
  explicit Dropout(double rate, const DropoutLayerOptions& options = {}, Where where = Where::current());

 protected:
  Tensor call(const Tensor& x, bool training) override;

 private:
  double rate_;
};

/// [N, ...] -> [N, all the rest].
class Flatten : public LayerOf<Flatten> {
 public:
  explicit Flatten(const LayerName& options = {}) : LayerOf(options.name) {}

 protected:
  Tensor call(const Tensor& x, bool training) override;
};

/// [N, ...] -> [N, target_shape...]; one size may be -1.
class Reshape : public LayerOf<Reshape> {
 public:
  explicit Reshape(const Shape& target_shape, const LayerName& options = {}, Where where = Where::current());

 protected:
  Tensor call(const Tensor& x, bool training) override;

 private:
  Shape target_;
};

/// Reorders the dimensions after the first, counted from 1 as in Keras: Permute({2, 1}) exchanges the two.
class Permute : public LayerOf<Permute> {
 public:
  explicit Permute(const Shape& dims, const LayerName& options = {}, Where where = Where::current());

 protected:
  Tensor call(const Tensor& x, bool training) override;

 private:
  Shape dims_;
};

struct RescalingOptions {
  double offset = 0;
  std::string name = "";
};
/// x * scale + offset, in f32 if x is not floating.
class Rescaling : public LayerOf<Rescaling> {
 public:
  explicit Rescaling(double scale, const RescalingOptions& options = {})
      : LayerOf(options.name), scale_(scale), offset_(options.offset) {
    passes_mask();
  }

 protected:
  Tensor call(const Tensor& x, bool training) override;

 private:
  double scale_, offset_;
};

}  // namespace tapir::nn
