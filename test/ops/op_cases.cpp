// One line a case. Inputs are chosen away from kinks, so that differences mean something.
#include <tapir/test/ops/op_cases.h>

#include <cmath>

using namespace tapir;

namespace {

using In = const std::vector<Tensor>&;

// Values in (low, high) without a pattern and without ties.
Tensor spread(const Shape& shape, double low, double high, double phase = 0) {
  std::vector<double> v(static_cast<std::size_t>(shape.size()));
  for (std::size_t i = 0; i < v.size(); ++i) {
    double u = 0.61803398875 * double(i + 1) + phase;
    v[i] = low + (high - low) * (u - std::floor(u));
  }
  return Tensor::from_vector(v, shape);
}

template <int rows = 3>
std::vector<Tensor> one() {
  return {spread({rows, 4}, -0.9, 0.9, 0.013)};
}
std::vector<Tensor> positive_one() { return {spread({3, 4}, 0.2, 0.9)}; }
std::vector<Tensor> above_one() { return {spread({3, 4}, 1.2, 2.5)}; }
std::vector<Tensor> two() { return {spread({3, 4}, -0.9, 0.9), spread({4}, -0.8, 0.95, 0.37)}; }
std::vector<Tensor> positive_two() { return {spread({3, 4}, 0.3, 0.9), spread({3, 1}, 0.4, 1.9, 0.37)}; }
std::vector<Tensor> bools() { return {spread({3, 4}, -1, 1) > 0.0, spread({4}, -1, 1, 0.4) > 0.0}; }
std::vector<Tensor> integers() { return {tensor({{5, -7, 12}, {3, 9, -2}}), tensor({2, 3, 1})}; }
std::vector<Tensor> picked() { return {spread({3, 4}, -1, 1), tensor({2, 0, 2})}; }
std::vector<Tensor> image() { return {spread({2, 6, 5, 2}, -1, 1), spread({3, 3, 2, 3}, -1, 1, 0.2)}; }
std::vector<Tensor> pixels() { return {spread({2, 4, 6, 3}, -1, 1)}; }
std::vector<Tensor> normalised() { return {spread({3, 2, 4}, -1, 1), spread({4}, 0.5, 1.5), spread({4}, -1, 1, 0.3)}; }
std::vector<Tensor> logits() { return {spread({3, 4}, -2, 2)}; }

#define UNARY(f)                              \
  {                                           \
#f, one < >, [](In x) { return f(x[0]); } \
  }
#define UNARY_FROM(f, from)                \
  {                                        \
#f, from, [](In x) { return f(x[0]); } \
  }
#define BINARY(f, from)                          \
  {                                              \
#f, from, [](In x) { return f(x[0], x[1]); } \
  }
#define NO_GRADIENT .differentiable = false

// A line a case.
// clang-format off
const std::vector<OpCase> elementwise_cases = {
    BINARY(add, two), BINARY(subtract, two), BINARY(multiply, two), BINARY(divide, positive_two),
    BINARY(maximum, two), BINARY(minimum, two), BINARY(pow, positive_two), BINARY(remainder, positive_two),
    {"floor_divide", positive_two, [](In x) { return floor_divide(x[0], x[1]); }, {NO_GRADIENT}},
    BINARY(atan2, positive_two), BINARY(hypot, positive_two), BINARY(logaddexp, two), BINARY(squared_difference, two),
    BINARY(copysign, two),
    {"nextafter", two, [](In x) { return nextafter(x[0], x[1]); }, {NO_GRADIENT, .halves = false}},
    {"clip", one, [](In x) { return clip(x[0], -0.5, 0.5); }},
    {"clip by tensors", two, [](In x) { return clip(x[0] * 2.0, x[1] - 1.0, 0.2 + square(x[1])); }},
    UNARY(negative), UNARY(positive), UNARY(abs), UNARY(square), UNARY(exp), UNARY(exp2), UNARY(expm1), UNARY(sin),
    UNARY(cos), UNARY(tan), UNARY(asin), UNARY(acos), UNARY(atan), UNARY(sinh), UNARY(cosh), UNARY(tanh), UNARY(asinh),
    UNARY(atanh), UNARY(erf), UNARY(erfc), UNARY(erfinv), UNARY_FROM(acosh, above_one), UNARY_FROM(log, positive_one),
    UNARY_FROM(log2, positive_one), UNARY_FROM(log10, positive_one), UNARY_FROM(log1p, positive_one),
    UNARY_FROM(sqrt, positive_one), UNARY_FROM(rsqrt, positive_one), UNARY_FROM(reciprocal, positive_one),
    {"lgamma", positive_one, [](In x) { return lgamma(x[0]); }},
    {"digamma", positive_one, [](In x) { return digamma(x[0]); }, {.tolerance = 1e-5}},
    UNARY(sign), UNARY(floor), UNARY(ceil), UNARY(round), UNARY(trunc),
    UNARY(relu), UNARY(relu6), UNARY(elu), UNARY(selu), UNARY(gelu), UNARY(silu), UNARY(mish), UNARY(softplus),
    UNARY(softsign), UNARY(sigmoid), UNARY(log_sigmoid), UNARY(hard_sigmoid), UNARY(hard_silu),
    {"leaky_relu", one, [](In x) { return leaky_relu(x[0], 0.3); }},
    {"gelu by tanh", one, [](In x) { return gelu(x[0], {.approximate = true}); }},
    {"where", two, [](In x) { return where(x[0] > 0.1, x[0] * 2.0, x[1]); }},
    {"comparisons", two, [](In x) {
       Tensor a = equal(x[0], x[1]), b = not_equal(x[0], x[1]);
       return stack({broadcast_to(a, b.shape()), b, less(x[0], x[1]), less_equal(x[0], x[1]), greater(x[0], x[1]),
                     greater_equal(x[0], x[1])}, {.axis = -1});
     }, {NO_GRADIENT}},
    {"tests of one number", one, [](In x) {
       return stack({isnan(x[0]), isinf(x[0]), isfinite(x[0]), signbit(x[0])}, {.axis = -1});
     }, {NO_GRADIENT}},
    {"logic", bools, [](In x) {
       return stack({logical_and(x[0], x[1]), logical_or(x[0], x[1]), logical_xor(x[0], x[1]),
                     logical_not(logical_and(x[0], x[1]))}, {.axis = -1});
     }, {NO_GRADIENT, .halves = false}},
    {"bits", integers, [](In x) {
       return stack({bitwise_and(x[0], x[1]), bitwise_or(x[0], x[1]), bitwise_xor(x[0], x[1]), bitwise_invert(x[0]),
                     bitwise_left_shift(x[0], x[1]), bitwise_right_shift(x[0], x[1])}, {.axis = -1});
     }, {NO_GRADIENT, .halves = false}},
};

const std::vector<OpCase> shape_cases = {
    {"reshape", one, [](In x) { return reshape(x[0], {-1, 2, 2}); }},
    {"permute_dims", one, [](In x) { return permute_dims(x[0], {1, 0}); }},
    {"broadcast_to", one, [](In x) { return broadcast_to(x[0], {2, x[0].shape()[0], 4}); }},
    {"contiguous", one, [](In x) { return contiguous(permute_dims(x[0], {1, 0})); }},
    {"astype", one, [](In x) { return x[0].astype(DType::f32).astype(DType::f64); }, {NO_GRADIENT}},
    {"stop_gradient", one, [](In x) { return x[0] * stop_gradient(x[0] * 2.0); }, {NO_GRADIENT}},
    {"concat", two, [](In x) { return concat({x[0], broadcast_to(x[1], x[0].shape())}, {.axis = 1}); }},
    {"stack", two, [](In x) { return stack({x[0], broadcast_to(x[1], x[0].shape())}, {.axis = 1}); }},
    {"split", one, [](In x) { auto p = split(x[0], 2, {.axis = 1}); return p[0] * p[1]; }},
    {"unstack", one, [](In x) { auto p = unstack(x[0], {.axis = 1}); return p[0] * p[3] + p[1]; }},
    {"tile", one, [](In x) { return tile(x[0], {2, 3}); }},
    {"repeat", one, [](In x) { return repeat(x[0], 3, {.axis = 1}); }},
    {"narrow", one, [](In x) { return narrow(x[0], 1, 1, 2); }},
    {"pad", one, [](In x) { return pad(x[0], {{0, 0}, {2, 1}}, {.value = 0.5}); }},
    {"pad, reflect", one,
     [](In x) { return pad(x[0], {{0, 0}, {2, 3}}, {.mode = PadMode::reflect}); }, {.batched = false}},
    {"pad, symmetric", one, [](In x) { return pad(x[0], {{0, 0}, {2, 3}}, {.mode = PadMode::symmetric}); }},
    {"pad, edge", one, [](In x) { return pad(x[0], {{0, 0}, {2, 3}}, {.mode = PadMode::edge}); }},
    {"flip", one, [](In x) { return flip(x[0], {.axis = 1}); }},
    {"roll", one, [](In x) { return roll(x[0], 3, {.axis = 1}); }},
    {"moveaxis", one, [](In x) { return moveaxis(x[0], 0, 1); }},
    {"expand_dims and squeeze", one, [](In x) { return squeeze(expand_dims(x[0], 1) * 2.0, {1}); }},
    {"space_to_depth", pixels, [](In x) { return space_to_depth(x[0], 2); }},
    {"depth_to_space", pixels,
     [](In x) { return depth_to_space(concat({x[0], x[0] * 2.0, x[0], x[0]}, {.axis = 3}), 2); }},
    {"diag_embed", one, [](In x) { return diag_embed(x[0], 1); }},
    {"diagonal", one, [](In x) { return diagonal(x[0], 1); }, {.batched = false}},
    {"tril", one, [](In x) { return tril(x[0]); }},
    {"triu", one, [](In x) { return triu(x[0], 1); }},
    {"strided_slice", one, [](In x) { return x[0](Slice(), Slice(none, none, -2)); }},
    {"arange", one,
     [](In x) {
       const std::int64_t n = x[0].shape()[0];
       return x[0] * reshape(arange(1, 2 * n + 1, 2, {.dtype = x[0].dtype()}), {n, 1});
     }},
    {"linspace", one,
     [](In x) {
       const std::int64_t n = x[0].shape()[0];
       return x[0] * reshape(linspace(-1, 2, n, {.dtype = x[0].dtype()}), {n, 1});
     }},
    {"embedding_lookup", picked, [](In x) { return embedding_lookup(permute_dims(x[0], {1, 0}), x[1]); }},
    {"take", picked, [](In x) { return take(x[0], x[1], 1); }},
    {"take_along_axis", picked,
     [](In x) { return take_along_axis(x[0], broadcast_to(x[1], {x[0].shape()[0], 3}), 1); }},
    {"gather_nd", picked, [](In x) { return gather_nd(x[0], stack({x[1], x[1]}, {.axis = -1})); }, {.batched = false}},
    {"tensor_scatter_add", picked, [](In x) {
       return tensor_scatter_add(x[0], expand_dims(x[1], -1), ones({3, 4}, x[0].dtype()) * 0.5) * x[0];
     }, {.batched = false}},
    {"tensor_scatter_max", picked, [](In x) {
       return tensor_scatter_max(x[0], expand_dims(x[1], -1), x[0] * 0.5);
     }, {.batched = false}},
    {"one_hot", picked, [](In x) { return one_hot(x[1], 4); }, {NO_GRADIENT, .halves = false, .batched = false}},
};

const std::vector<OpCase> reduce_cases = {
    {"sum", one, [](In x) { return sum(x[0], {.axis = 1}); }},
    {"sum of all", one, [](In x) { return sum(x[0]); }, {.batched = false}},
    {"prod", one, [](In x) { return prod(x[0], {.axis = 1}); }},
    {"mean", one, [](In x) { return mean(x[0], {.axis = {1}, .keepdims = true}); }},
    {"var", one, [](In x) { return var(x[0], {.axis = 1, .correction = 1}); }},
    {"stddev", one, [](In x) { return stddev(x[0], {.axis = 1}); }},
    {"min", one, [](In x) { return min(x[0], {.axis = 1}); }},
    {"max", one, [](In x) { return max(x[0], {.axis = 1}); }},
    {"argmin and argmax", one,
     [](In x) { return argmin(x[0], {.axis = 1}) * 10 + argmax(x[0], {.axis = 1}); }, {NO_GRADIENT}},
    {"any and all", bools, [](In x) { return stack({any(x[0], {.axis = 1}), all(x[0], {.axis = 1})}, {.axis = -1}); },
     {NO_GRADIENT, .halves = false}},
    {"count_nonzero", bools, [](In x) { return count_nonzero(x[0], {.axis = 1}); }, {NO_GRADIENT, .halves = false}},
    {"norm", one, [](In x) { return norm(x[0], {.axis = 1}); }},
    {"norm of order 3", one, [](In x) { return norm(x[0], {.axis = 1, .ord = 3}); }, {.tolerance = 1e-5}},
    {"logsumexp", logits, [](In x) { return logsumexp(x[0], {.axis = 1}); }},
    {"softmax", logits, [](In x) { return softmax(x[0]); }},
    {"log_softmax", logits, [](In x) { return log_softmax(x[0]); }},
    {"cumulative_sum", one, [](In x) { return cumulative_sum(x[0], {.axis = 1}); }},
    {"cumulative_prod", one, [](In x) { return cumulative_prod(x[0], {.axis = 1}); }},
    {"sort", one, [](In x) { return sort(x[0]); }},
    {"argsort", one, [](In x) { return argsort(x[0]); }, {NO_GRADIENT}},
    {"top_k", one, [](In x) { return top_k(x[0], 2).values; }},
    {"searchsorted", positive_one, [](In x) { return searchsorted(tensor({0.1, 0.4, 0.8}, x[0].dtype()), x[0]); },
     {NO_GRADIENT, .halves = false}},
};

const std::vector<OpCase> contraction_cases = {
    {"matmul", [] { return std::vector{spread({3, 4}, -1, 1), spread({4, 2}, -1, 1, 0.3)}; },
     [](In x) { return matmul(x[0], x[1]); }},
    {"matmul, batched and transposed", [] { return std::vector{spread({2, 4, 3}, -1, 1), spread({5, 4}, -1, 1, 0.3)}; },
     [](In x) { return matmul(x[0], x[1], {.transpose_a = true, .transpose_b = true}); }},
    {"vecdot", two, [](In x) { return vecdot(x[0], x[1]); }},
    {"outer", [] { return std::vector{spread({3}, -1, 1), spread({4}, -1, 1, 0.3)}; },
     [](In x) { return outer(x[0], x[1]); }},
    {"tensordot", [] { return std::vector{spread({2, 3, 4}, -1, 1), spread({4, 3}, -1, 1, 0.3)}; },
     [](In x) { return tensordot(x[0], x[1], {1, 2}, {1, 0}); }},
    {"einsum", [] { return std::vector{spread({2, 3, 4}, -1, 1), spread({4, 3}, -1, 1, 0.3)}; },
     [](In x) { return einsum("bij,ji->bi", {x[0], x[1]}); }},
};

std::vector<Tensor> square_pair() { return {spread({3, 3}, -1, 1), spread({3, 2}, -1, 1, 0.3)}; }
std::vector<Tensor> tall() { return {spread({4, 3}, -1, 1)}; }
std::vector<Tensor> wide() { return {spread({3, 5}, -1, 1)}; }
// Well away from singular, and symmetric.
Tensor spd(const Tensor& x) { return matmul(x, x, {.transpose_b = true}) + eye(x.shape()[0], {.dtype = x.dtype()}); }
Tensor away(const Tensor& x) { return x + 2.0 * eye(x.shape()[0], {.dtype = x.dtype()}); }

#define MATRIX .halves = false, .batched = false, .tolerance = 1e-5

const std::vector<OpCase> linalg_cases = {
    {"cholesky", square_pair, [](In x) { return linalg::cholesky(spd(x[0])); }, {MATRIX}},
    {"solve", square_pair, [](In x) { return linalg::solve(away(x[0]), x[1]); }, {MATRIX}},
    {"solve_triangular", square_pair, [](In x) { return linalg::solve_triangular(away(x[0]), x[1]); }, {MATRIX}},
    {"solve_triangular, transposed", square_pair,
     [](In x) {
       return linalg::solve_triangular(x[0], x[1], {.upper = true, .transpose = true, .unit_diagonal = true});
     }, {MATRIX}},
    {"inv", square_pair, [](In x) { return linalg::inv(away(x[0])); }, {MATRIX}},
    {"det", square_pair, [](In x) { return linalg::det(away(x[0])); }, {MATRIX}},
    {"slogdet", square_pair, [](In x) { return linalg::slogdet(away(x[0])).logabsdet; }, {MATRIX}},
    {"qr", tall, [](In x) { auto [q, r] = linalg::qr(x[0]); return concat({q, r}); }, {MATRIX}},
    {"svd of tall", tall, [](In x) { auto [u, s, vh] = linalg::svd(x[0]); return concat({u * s, vh}); }, {MATRIX}},
    {"svd of wide", wide,
     [](In x) {
       auto [u, s, vh] = linalg::svd(x[0]);
       return concat({u, vh * expand_dims(s, -1)}, {.axis = 1});
     }, {MATRIX}},
    {"eigh", square_pair,
     [](In x) { auto [w, v] = linalg::eigh(spd(x[0])); return concat({expand_dims(w, 0), v}); }, {MATRIX}},
    {"pinv", wide, [](In x) { return linalg::pinv(x[0]); }, {MATRIX}},
    {"fft", [] { return std::vector{spread({3, 5, 2}, -1, 1)}; },
     [](In x) { return fft::fft(x[0]) * fft::ifft(x[0], {.norm = "ortho"}); }},
    {"rfft", [] { return std::vector{spread({3, 6}, -1, 1)}; },
     [](In x) { return fft::irfft(square(fft::rfft(x[0], {.n = 7})), {.n = 8}); }},
};

const std::vector<OpCase> network_cases = {
    {"conv2d", image, [](In x) { return conv2d(x[0], x[1], {.strides = {2, 1}, .padding = Padding::same}); }},
    {"conv2d_transpose", [] { return std::vector{spread({1, 3, 3, 2}, -1, 1), spread({3, 3, 2, 2}, -1, 1, 0.2)}; },
     [](In x) { return conv2d_transpose(x[0], x[1], {.strides = {2, 2}}); }},
    {"depthwise_conv2d", [] { return std::vector{spread({1, 4, 4, 2}, -1, 1), spread({3, 3, 2, 1}, -1, 1, 0.2)}; },
     [](In x) { return depthwise_conv2d(x[0], x[1]); }},
    {"max_pool2d", pixels, [](In x) { return max_pool2d(x[0], {2, 2}); }},
    {"max_pool2d, overlapping", pixels,
     [](In x) { return max_pool2d(x[0], {3, 3}, {.strides = {1, 2}, .padding = Padding::same}); }},
    {"avg_pool2d", pixels,
     [](In x) { return avg_pool2d(x[0], {3, 2}, {.strides = {2, 2}, .padding = Padding::same}); }},
    {"global pooling", pixels, [](In x) { return global_max_pool(x[0]) * global_avg_pool(x[0]); }},
    {"batch_norm", normalised, [](In x) { return batch_norm(x[0], x[2], square(x[1]) + 0.1, x[1], x[2]); }},
    {"batch_norm_training", normalised, [](In x) {
       auto r = batch_norm_training(x[0], x[1], x[2]);
       return r.y + r.mean * r.variance;
     }},
    {"batch_norm_training of data", normalised, [](In x) {
       const Tensor data = spread({1, 2, 4}, -1, 1, 0.6).astype(x[0].dtype());
       return batch_norm_training(data, x[1], x[2]).y * x[0];
     }},
    {"group_norm of rows", normalised, [](In x) { return group_norm(reshape(x[0], {-1, 4}), 2, x[1], x[2]); }},
    {"group_norm", normalised, [](In x) { return group_norm(x[0], 2, x[1], x[2]); }},
    {"layer_norm", normalised, [](In x) { return layer_norm(x[0], x[1], x[2]); }},
    {"layer_norm over the middle", normalised, [](In x) { return layer_norm(x[0], {}, {}, {.axis = 1}); }},
    {"rms_norm", normalised, [](In x) { return rms_norm(x[0], x[1]); }},
    {"resize, bilinear", pixels, [](In x) { return resize(x[0], {7, 3}); }},
    {"resize, nearest", pixels, [](In x) { return resize(x[0], {3, 9}, {.method = ResizeMethod::nearest}); }},
    {"dropout", one, [](In x) { return dropout(x[0], 0.4, {.seed = 3}); }, {.halves = false}},
    {"sparse softmax cross entropy", logits, [](In x) {
       return sparse_softmax_cross_entropy_with_logits(argmin(x[0], {.axis = 1}), x[0]);
     }},
    {"softmax cross entropy", logits, [](In x) {
       return softmax_cross_entropy_with_logits(softmax(x[0] * 0.5), x[0]);
     }},
    {"sigmoid cross entropy", logits,
     [](In x) { return sigmoid_cross_entropy_with_logits(sigmoid(x[0] * 0.5), x[0]); }},
};

// Their numbers have tests of their own (test/ops/random_test.cpp); here they only have to run.
const std::vector<OpCase> random_cases = {
    {"random draws", one, [](In x) {
       Tensor draws = random::uniform({4}, {.dtype = DType::f64, .seed = 1}) +
                      random::normal({4}, {.dtype = DType::f64, .seed = 1}) +
                      random::truncated_normal({4}, {.dtype = DType::f64, .seed = 1}) +
                      random::integers({4}, 0, 9, {.seed = 1}).astype(DType::f64) +
                      random::bernoulli({4}, 0.5, {.seed = 1}).astype(DType::f64) +
                      random::categorical(zeros({1, 3}), 4, {.seed = 1}).astype(DType::f64) +
                      random::permutation(4, {.seed = 1}).astype(DType::f64);
       random::uniform({4});  // from the generator of the process
       return x[0].astype(DType::f64) * draws;
     }, {NO_GRADIENT, .halves = false}},
};

// No results: what they do is tested in test/graph/effects_test.cpp.
const std::vector<OpCase> effect_cases = {
    {"check", one, [](In x) {
       check(x[0] < 2.0, "below 2");
       return x[0] * 2.0;
     }},
    {"print", one, [](In x) {
       print(zeros({0}), "printed by the table");
       return x[0] * 2.0;
     }, {.order = 1, .halves = false}},
};

// Three steps of an optimizer on a variable with the value x[0] and the gradient x[0]^2.
template <class Rule>
Tensor stepped(In x) {
  Variable v(zeros_like(x[0]), "v");
  v.assign(x[0]);
  Rule rule;
  for (int i = 0; i < 3; ++i) rule.apply_gradients(std::vector<Tensor>{square(x[0])}, {v});
  return v.value();
}

const std::vector<OpCase> optimizer_cases = {
    {"sgd_update", one, stepped<optim::SGD>, {NO_GRADIENT, .halves = false, .batched = false, .pure = false}},
    {"adam_update", one, stepped<optim::Adam>, {NO_GRADIENT, .halves = false, .batched = false, .pure = false}},
    {"rmsprop_update", one, stepped<optim::RMSprop>, {NO_GRADIENT, .halves = false, .batched = false, .pure = false}},
    {"adagrad_update", one, stepped<optim::Adagrad>, {NO_GRADIENT, .halves = false, .batched = false, .pure = false}},
};

// clang-format on
}  // namespace

const std::vector<OpCase>& op_cases() {
  static const std::vector<OpCase> all = [] {
    std::vector<OpCase> out;
    for (auto* list : {&elementwise_cases, &shape_cases, &reduce_cases, &contraction_cases, &linalg_cases,
                       &network_cases, &random_cases, &effect_cases, &optimizer_cases})
      out.insert(out.end(), list->begin(), list->end());
    return out;
  }();
  return all;
}
