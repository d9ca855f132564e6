// Attention: MultiHeadAttention, Attention, AdditiveAttention; and EinsumDense, which they and others are made of.
#pragma once
#include <tapir/nn/core_layers.h>

namespace tapir::nn {

struct EinsumDenseOptions {
  ActivationFunction activation = {};
  std::string bias_axes = "";  ///< letters of the result that have a bias: "d"; none: no bias
  Initializer kernel_initializer = "glorot_uniform", bias_initializer = "zeros";
  std::int64_t seed = -1;
  std::string name = "";
};
/// activation(einsum(equation, {x, kernel}) + bias): `EinsumDense("abc,cd->abd", {-1, 64}, {.bias_axes = "d"})`.
/// output_shape: of one example; -1 where a size is that of the input. An ellipsis may begin the equation's terms.
class EinsumDense : public LayerOf<EinsumDense> {
 public:
  EinsumDense(const std::string& equation, const Shape& output_shape, const EinsumDenseOptions& options = {},
              Where where = Where::current());
  Variable kernel() const { return kernel_; }
  Variable bias() const { return bias_; }

 protected:
  void make_weights(const Shape& input_shape) override;
  Tensor call(const Tensor& x, bool training) override;

 private:
  std::string equation_, input_, weight_, output_;  // letters; an ellipsis is "."
  Shape output_shape_;
  EinsumDenseOptions options_;
  Variable kernel_, bias_;
};

struct MultiHeadAttentionOptions {
  std::int64_t value_dim = 0;  ///< the size of each head's values; 0: key_dim
  double dropout = 0;          ///< of the attention, in training
  bool use_bias = true;
  std::int64_t output_shape = 0;         ///< features that come out; 0: those of the query
  bool use_causal_mask = false;          ///< a place sees itself and those before it
  bool return_attention_scores = false;  ///< outputs() gives the attention [N, heads, T, S] too
  Initializer kernel_initializer = "glorot_uniform", bias_initializer = "zeros";
  std::int64_t seed = -1;
  std::string name = "";
};
/// softmax(Q K' / sqrt(key_dim)) V for each head, joined by a matrix. Called on x [N, T, features] for self-attention,
/// on {query [N, T, f], value [N, S, g]}, {query, value, key [N, S, h]}, or {query, value, key, mask}, where mask,
/// bool, [N, T, S] or [1, T, S], is false where a place is not to be seen. Gives [N, T, output_shape]. Source: Vaswani
/// et al., NeurIPS 2017.
class MultiHeadAttention : public LayerOf<MultiHeadAttention> {
 public:
  MultiHeadAttention(std::int64_t num_heads, std::int64_t key_dim, const MultiHeadAttentionOptions& options = {},
                     Where where = Where::current());

 protected:
  void make_weights(const Shape& input_shape) override;
  void make_weights_list(const std::vector<Shape>& input_shapes) override;
  Tensor call(const Tensor& x, bool training) override;
  std::vector<Tensor> call_list(const std::vector<Tensor>& xs, bool training) override;

 private:
  EinsumDense projection(const char* name, std::int64_t size) const;
  std::int64_t heads_, key_dim_, value_dim_;
  MultiHeadAttentionOptions options_;
  std::vector<EinsumDense> projections_;  // query, key, value, output
};

struct AttentionOptions {
  bool use_scale = false;        ///< Attention: scores times a learned number; AdditiveAttention has it by default
  bool dot = true;               ///< Attention: false for sum(tanh(query + key)), Keras's score_mode "concat"
  double dropout = 0;            ///< of the attention, in training
  bool use_causal_mask = false;  ///< a place sees itself and those before it
  bool return_attention_scores = false;  ///< outputs() gives the attention [N, T, S] too
  std::int64_t seed = -1;
  std::string name = "";
};
/// softmax(query key') value, called on {query [N, T, f], value [N, S, f]} or {query, value, key}. Source: Luong et
/// al., EMNLP 2015.
class Attention : public LayerOf<Attention> {
 public:
  explicit Attention(const AttentionOptions& options = {}) : LayerOf(options.name), options_(options) {}

 protected:
  void make_weights(const Shape& input_shape) override;
  Tensor call(const Tensor& x, bool training) override;
  std::vector<Tensor> call_list(const std::vector<Tensor>& xs, bool training) override;

 private:
  AttentionOptions options_;
  Variable scale_, concat_weight_;
};

struct AdditiveAttentionOptions {
  bool use_scale = true;
  double dropout = 0;
  bool use_causal_mask = false;
  bool return_attention_scores = false;
  std::string name = "";
};
/// softmax(sum(scale * tanh(query + key))) value, called as Attention. Source: Bahdanau et al., ICLR 2015.
class AdditiveAttention : public LayerOf<AdditiveAttention> {
 public:
  explicit AdditiveAttention(const AdditiveAttentionOptions& options = {}) : LayerOf(options.name), options_(options) {}

 protected:
  void make_weights(const Shape& input_shape) override;
  Tensor call(const Tensor& x, bool training) override;
  std::vector<Tensor> call_list(const std::vector<Tensor>& xs, bool training) override;

 private:
  AdditiveAttentionOptions options_;
  Variable scale_;
};

}  // namespace tapir::nn
