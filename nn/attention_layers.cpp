#include <tapir/nn/attention_layers.h>
#include <tapir/nn/layer_state.h>
#include <tapir/nn/masks.h>
#include <tapir/ops/create.h>
#include <tapir/ops/dropout.h>
#include <tapir/ops/einsum.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/matmul.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>
#include <tapir/ops/softmax.h>

#include <fmt/format.h>

#include <cmath>

namespace tapir::nn {

// ---- EinsumDense

namespace {

// "...ab" -> ".ab"
std::string letters(std::string term) {
  if (auto dots = term.find("..."); dots != std::string::npos) term.replace(dots, 3, ".");
  std::string out;
  for (char c : term)
    if (c != ' ') out += c;
  return out;
}

// The size of each letter of `term` in `shape`, which has the batch; an ellipsis takes what is left. -1: not in it.
std::int64_t size_of(char letter, const std::string& term, const Shape& shape) {
  const auto at = term.find(letter), dots = term.find('.');
  if (at == std::string::npos) return -1;
  const std::int64_t place =
      dots != std::string::npos && at > dots ? shape.rank() - std::int64_t(term.size() - at) : std::int64_t(at);
  return place >= 0 && place < shape.rank() ? shape[int(place)] : -1;
}

}  // namespace

EinsumDense::EinsumDense(const std::string& equation, const Shape& output_shape, const EinsumDenseOptions& options,
                         Where where)
    : LayerOf(options.name), equation_(equation), output_shape_(output_shape), options_(options) {
  CallSite site(where);
  const auto comma = equation.find(','), arrow = equation.find("->");
  if (comma == std::string::npos || arrow == std::string::npos || comma > arrow)
    throw UsageError(fmt::format("EinsumDense: the equation must be like \"ab,bc->ac\", got \"{}\".", equation));
  input_ = letters(equation.substr(0, comma));
  weight_ = letters(equation.substr(comma + 1, arrow - comma - 1));
  output_ = letters(equation.substr(arrow + 2));
  for (char c : options.bias_axes)
    if (output_.find(c) == std::string::npos)
      throw UsageError(fmt::format("EinsumDense: bias_axes \"{}\" are not all in the result of \"{}\".",
                                   options.bias_axes, equation));
}

void EinsumDense::make_weights(const Shape& s) {
  const Shape in = Shape({1}).concat(s), out = Shape({1}).concat(output_shape_);
  auto size = [&](char c) {
    const std::int64_t given = size_of(c, input_, in), wanted = size_of(c, output_, out);
    if (given < 0 && wanted < 0)
      throw UsageError(fmt::format("EinsumDense: nothing says how large '{}' is in \"{}\".", c, equation_));
    if (given >= 0 && wanted >= 0 && given != wanted)
      throw ShapeError(fmt::format("EinsumDense: '{}' is {} in the input and {} in output_shape.", c, given, wanted));
    return given >= 0 ? given : wanted;
  };
  Shape kernel, bias;
  for (char c : weight_) kernel.push_back(size(c));
  kernel_ = add_weight("kernel", kernel, {.initializer = options_.kernel_initializer, .seed = options_.seed});
  if (options_.bias_axes.empty()) return;
  // The bias has the sizes of its letters, and ones from its first letter on where there are others.
  bool begun = false;
  for (char c : output_) {
    const bool has = options_.bias_axes.find(c) != std::string::npos;
    begun |= has;
    if (begun) bias.push_back(has ? size(c) : 1);
  }
  bias_ = add_weight("bias", bias, {.initializer = options_.bias_initializer, .seed = options_.seed});
}

Tensor EinsumDense::call(const Tensor& x, bool) {
  Tensor y = einsum(equation_, {detail::as_weights(x, kernel_), kernel_});
  if (bias_.defined()) y = std::move(y) + bias_;
  return options_.activation(y);
}

// ---- attention

namespace {

Tensor causal_mask(std::int64_t queries, std::int64_t keys) { return equal(tril(ones({queries, keys})), 1); }

// Both, if both are defined.
Tensor both(const Tensor& a, const Tensor& b) { return !a.defined() ? b : !b.defined() ? a : logical_and(a, b); }
// The mask of x, which lies along `axis` of the scores [N, T, S]; undefined if it has none.
Tensor mask_along(const Tensor& x, std::int64_t axis) {
  const Tensor mask = MaskScope::of(x);
  return mask.defined() ? expand_dims(mask, axis == 1 ? -1 : -2) : mask;
}

// softmax over the last axis, where `mask` is false as good as zero; an undefined mask is true everywhere.
Tensor masked_softmax(const Tensor& scores, const Tensor& mask) {
  if (!mask.defined()) return softmax(scores);
  return softmax(where(mask, scores, scores - (scores.dtype() == DType::f16 ? 65504 : 1e9)));
}

void check_inputs(const char* type, const std::vector<Tensor>& xs, std::size_t most) {
  if (xs.size() < 2 || xs.size() > most)
    throw UsageError(
        fmt::format("{}: takes {{query, value}} or {{query, value, key}}, got {} tensors.", type, xs.size()));
  for (auto& x : xs)
    if (x.rank() != 3) throw ShapeError(fmt::format("{}: needs inputs of rank 3, got {}.", type, x.shape().str()));
}

}  // namespace

MultiHeadAttention::MultiHeadAttention(std::int64_t num_heads, std::int64_t key_dim,
                                       const MultiHeadAttentionOptions& options, Where where)
    : LayerOf(options.name),
      heads_(num_heads),
      key_dim_(key_dim),
      value_dim_(options.value_dim > 0 ? options.value_dim : key_dim),
      options_(options) {
  CallSite site(where);
  detail::check_positive("MultiHeadAttention", "num_heads", num_heads);
  detail::check_positive("MultiHeadAttention", "key_dim", key_dim);
  detail::check_rate("MultiHeadAttention", "dropout", options.dropout);
  projections_ = {projection("query", key_dim_), projection("key", key_dim_), projection("value", value_dim_)};
}

EinsumDense MultiHeadAttention::projection(const char* name, std::int64_t size) const {
  return EinsumDense("abc,cde->abde", {-1, heads_, size},
                     {.bias_axes = options_.use_bias ? "de" : "",
                      .kernel_initializer = options_.kernel_initializer,
                      .bias_initializer = options_.bias_initializer,
                      .seed = options_.seed,
                      .name = name});
}

void MultiHeadAttention::make_weights(const Shape& s) { make_weights_list({s}); }

void MultiHeadAttention::make_weights_list(const std::vector<Shape>& shapes) {
  for (auto& s : shapes)
    if (s.rank() != 2)
      throw ShapeError(fmt::format("MultiHeadAttention: needs inputs of rank 3, got rank {}.", s.rank() + 1));
  const Shape& query = shapes[0];
  const Shape& value = shapes.size() > 1 ? shapes[1] : query;
  const Shape& key = shapes.size() > 2 ? shapes[2] : value;
  projections_.resize(3, projections_[0]);
  projections_.push_back(EinsumDense("abcd,cde->abe",
                                     {-1, options_.output_shape > 0 ? options_.output_shape : query[1]},
                                     {.bias_axes = options_.use_bias ? "e" : "",
                                      .kernel_initializer = options_.kernel_initializer,
                                      .bias_initializer = options_.bias_initializer,
                                      .seed = options_.seed,
                                      .name = "attention_output"}));
  // In this order, which is that of the weights.
  if (state()->policy)
    for (auto& p : projections_) p.set_dtype_policy(*state()->policy);
  const Shape of[] = {query, key, value};
  for (int i = 0; i < 3; ++i) {
    projections_[std::size_t(i)].build(of[i]);
    state()->attach(projections_[std::size_t(i)].state());
  }
  projections_[3].build({query[0], heads_, value_dim_});
  state()->attach(projections_[3].state());
}

Tensor MultiHeadAttention::call(const Tensor& x, bool training) { return call_list({x, x}, training)[0]; }

std::vector<Tensor> MultiHeadAttention::call_list(const std::vector<Tensor>& given, bool training) {
  std::vector<Tensor> xs = given;
  if (xs.size() == 1) xs.push_back(xs[0]);
  check_inputs("MultiHeadAttention", xs, 4);
  const Tensor& key_source = xs.size() > 2 ? xs[2] : xs[1];
  // [N, T, heads, size] -> [N, heads, T, size]
  auto by_head = [&](std::size_t i, const Tensor& x) { return permute_dims(projections_[i](x), {0, 2, 1, 3}); };
  const Tensor query = by_head(0, xs[0]) * (1 / std::sqrt(double(key_dim_)));
  const Tensor key = by_head(1, key_source), value = by_head(2, xs[1]);
  Tensor mask = both(mask_along(xs[0], 1), mask_along(xs[1], 2));  // [N, T, S]
  if (xs.size() > 2) mask = both(mask, mask_along(xs[2], 2));
  if (options_.use_causal_mask) mask = both(mask, causal_mask(xs[0].shape()[1], key_source.shape()[1]));
  if (xs.size() == 4) mask = both(mask, astype(xs[3], DType::boolean));
  Tensor scores = matmul(query, key, {.transpose_b = true});
  if (mask.defined() && mask.rank() == 3) mask = expand_dims(mask, 1);
  if (mask.defined()) scores = where(mask, scores, scores.dtype() == DType::f16 ? -3e4 : -1e9);
  scores = softmax(scores);
  // Of a place that sees nothing, Keras gives zeros where it computes scores, else the mean of all values.
  if (mask.defined() && (options_.return_attention_scores || options_.dropout > 0)) scores = where(mask, scores, 0);
  const Tensor kept = training && options_.dropout > 0 ? dropout(scores, options_.dropout) : scores;
  const Tensor y = projections_[3](permute_dims(matmul(kept, value), {0, 2, 1, 3}));
  MaskScope::set(y, MaskScope::of(xs[0]));
  return options_.return_attention_scores ? std::vector<Tensor>{y, scores} : std::vector<Tensor>{y};
}

namespace {

// What both of Keras's simple attentions do with their scores [N, T, S].
template <class Options>
std::vector<Tensor> attend(const Tensor& scores, const Tensor& query, const Tensor& value, const Options& o,
                           bool training) {
  Tensor mask = mask_along(value, 2);
  if (o.use_causal_mask) mask = both(mask, causal_mask(scores.shape()[1], scores.shape()[2]));
  Tensor weights = masked_softmax(scores, mask);
  if (training && o.dropout > 0) weights = dropout(weights, o.dropout);
  Tensor y = matmul(weights, value);
  if (const Tensor seen = mask_along(query, 1); seen.defined()) {
    y = where(seen, y, 0);
    MaskScope::set(y, MaskScope::of(query));
  }
  return o.return_attention_scores ? std::vector<Tensor>{y, weights} : std::vector<Tensor>{y};
}

// query + key of each pair: [N, T, S, f].
Tensor pairs(const Tensor& query, const Tensor& key) { return expand_dims(query, 2) + expand_dims(key, 1); }

}  // namespace

void Attention::make_weights(const Shape&) {
  if (options_.use_scale) scale_ = add_weight("scale", {}, {.initializer = "ones"});
  if (!options_.dot) concat_weight_ = add_weight("concat_score_weight", {}, {.initializer = "ones"});
}

Tensor Attention::call(const Tensor& x, bool training) { return call_list({x, x}, training)[0]; }

std::vector<Tensor> Attention::call_list(const std::vector<Tensor>& xs, bool training) {
  check_inputs("Attention", xs, 3);
  const Tensor& key = xs.size() > 2 ? xs[2] : xs[1];
  if (!options_.dot) {
    Tensor pair = pairs(xs[0], key);
    if (options_.use_scale) pair = pair * scale_;
    return attend(concat_weight_ * sum(tanh(pair), {.axis = -1}), xs[0], xs[1], options_, training);
  }
  Tensor scores = matmul(xs[0], key, {.transpose_b = true});
  if (options_.use_scale) scores = scores * scale_;
  return attend(scores, xs[0], xs[1], options_, training);
}

void AdditiveAttention::make_weights(const Shape& s) {
  if (options_.use_scale) scale_ = add_weight("scale", {s.back()}, {.initializer = "glorot_uniform"});
}

Tensor AdditiveAttention::call(const Tensor& x, bool training) { return call_list({x, x}, training)[0]; }

std::vector<Tensor> AdditiveAttention::call_list(const std::vector<Tensor>& xs, bool training) {
  check_inputs("AdditiveAttention", xs, 3);
  const Tensor all = tanh(pairs(xs[0], xs.size() > 2 ? xs[2] : xs[1]));
  return attend(sum(options_.use_scale ? all * scale_ : all, {.axis = -1}), xs[0], xs[1], options_, training);
}

}  // namespace tapir::nn
