#include <tapir/test/reference/op_calls.h>

using namespace tapir;

namespace {

std::vector<Tensor> list(const Tensor& t) { return {t}; }
std::vector<Tensor> list(const std::vector<Tensor>& tensors) { return tensors; }
std::vector<Tensor> list(const TopK& t) { return {t.values, t.indices}; }
std::vector<Tensor> list(const linalg::Slogdet& r) { return {r.sign, r.logabsdet}; }
std::vector<Tensor> list(const linalg::QR& r) { return {r.Q, r.R}; }
std::vector<Tensor> list(const linalg::SVD& r) { return {r.U, r.S, r.Vh}; }
std::vector<Tensor> list(const linalg::Eigh& r) { return {r.eigenvalues, r.eigenvectors}; }
std::vector<Tensor> list(const BatchNormResult& r) { return {r.y, r.mean, r.variance}; }
std::vector<Tensor> list(bool) { return {}; }

// Distinct values in (0, 1), or from 1 on for integers.
Tensor some(const Shape& shape, DType dtype, double phase) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < shape.size(); ++i) {
    const double u = 0.61803398875 * double(i + 1) + phase, fraction = 0.1 + 0.8 * (u - double(std::int64_t(u)));
    values.push_back(is_floating(dtype) ? fraction : 1 + double(i % 3));
  }
  return Tensor::from_vector(values, shape).astype(dtype);
}

#define CALL(name, ...) CALL_AS(name, #__VA_ARGS__, __VA_ARGS__)
#define CALL_AS(name, text, ...)                                                                           \
  {                                                                                                        \
#name, text, [](const Operands& operands) {                                                              \
      const auto& [dtype, x, y, v, m, logits, numbers, image, image4, sequence, volume, kernel1, kernel2, kernel3,   \
                   back1, back2, back3, depthwise, pointwise, scale, offset, i, mask, labels] = operands; \
      (void)dtype; \
      return list(__VA_ARGS__);                                                                                      \
    } \
  }
#define UNARY(name) CALL(name, name(x))
#define BINARY(name) CALL(name, name(x, y))

// clang-format off
const std::vector<OpCall> calls = {
    // ops/create.h, ops/ranges.h
    CALL(zeros, zeros({2, 3}, dtype)), CALL(ones, ones({2, 3}, dtype)), CALL(empty, empty({2, 3}, dtype)),
    CALL(full, full({2, 3}, 1, dtype)), CALL(zeros_like, zeros_like(x)), CALL(ones_like, ones_like(x)),
    CALL(full_like, full_like(x, 1)), CALL(constant, constant(1, dtype)), CALL(tensor, tensor({{1, 0}, {0, 1}}, dtype)),
    CALL(arange, arange(0, 10, 2, {.dtype = dtype})), CALL(linspace, linspace(0, 1, 5, {.dtype = dtype})),
    CALL(eye, eye(2, 3, {.dtype = dtype})), CALL(meshgrid, meshgrid({v, v})),
    // ops/elementwise.h
    BINARY(add), BINARY(subtract), BINARY(multiply), BINARY(divide), BINARY(floor_divide), BINARY(remainder),
    BINARY(pow),
    BINARY(maximum), BINARY(minimum), CALL(clip, clip(x, 0, 1)), BINARY(squared_difference), BINARY(copysign),
    BINARY(nextafter), UNARY(negative), UNARY(positive), UNARY(abs), UNARY(sign), UNARY(floor), UNARY(ceil),
    UNARY(round),
    UNARY(trunc), UNARY(square), UNARY(exp), UNARY(exp2), UNARY(expm1), UNARY(log), UNARY(log2), UNARY(log10),
    UNARY(log1p), UNARY(sqrt), UNARY(rsqrt), UNARY(reciprocal), UNARY(sin), UNARY(cos), UNARY(tan), UNARY(asin),
    UNARY(acos), UNARY(atan), UNARY(sinh), UNARY(cosh), UNARY(tanh), UNARY(asinh), CALL(acosh, acosh(x + 1)),
    UNARY(atanh),
    BINARY(atan2), BINARY(hypot), BINARY(logaddexp), UNARY(erf), UNARY(erfc), UNARY(erfinv), UNARY(lgamma),
    UNARY(digamma),
    CALL(polygamma, polygamma(1, x)), UNARY(relu), UNARY(relu6), CALL(leaky_relu, leaky_relu(x, 0.1)), UNARY(elu),
    UNARY(selu), UNARY(gelu), UNARY(silu), UNARY(mish), UNARY(softplus), UNARY(softsign), UNARY(sigmoid),
    UNARY(log_sigmoid), UNARY(hard_sigmoid), UNARY(hard_silu), BINARY(equal), BINARY(not_equal), BINARY(less),
    BINARY(less_equal), BINARY(greater), BINARY(greater_equal), UNARY(isnan), UNARY(isinf), UNARY(isfinite),
    UNARY(signbit), CALL(where, where(mask, x, y)), BINARY(logical_and), BINARY(logical_or), BINARY(logical_xor),
    UNARY(logical_not), BINARY(bitwise_and), BINARY(bitwise_or), BINARY(bitwise_xor), UNARY(bitwise_invert),
    BINARY(bitwise_left_shift), BINARY(bitwise_right_shift),
    // ops/shaping.h, ops/rearrange.h, ops/joining.h, ops/padding.h
    CALL(reshape, reshape(x, {3, -1})), CALL(permute_dims, permute_dims(x, {1, 0})),
    CALL(broadcast_to, broadcast_to(v, {2, 3})), CALL(contiguous, contiguous(matrix_transpose(x))),
    CALL(astype, astype(x, DType::f64)), UNARY(stop_gradient), CALL(moveaxis, moveaxis(x, 0, 1)),
    CALL(swapaxes, swapaxes(x, 0, 1)), UNARY(matrix_transpose), CALL(expand_dims, expand_dims(x, 0)),
    CALL(squeeze, squeeze(image)), UNARY(flatten), UNARY(ravel), CALL(space_to_depth, space_to_depth(image, 2)),
    CALL(depth_to_space, depth_to_space(image4, 2)), CALL(diag, diag(v)), CALL(diagonal, diagonal(x)),
    CALL(diag_embed, diag_embed(x)), UNARY(tril), UNARY(triu), CALL(concat, concat({x, y}, {.axis = 1})),
    CALL(stack, stack({x, y})), CALL(unstack, unstack(x)), CALL(split, split(x, 3, {.axis = 1})),
    CALL(narrow, narrow(x, 1, 0, 2)), CALL(tile, tile(x, {2, 1})), CALL(repeat, repeat(x, 2, {.axis = 1})),
    CALL(pad, pad(x, {{0, 0}, {1, 2}})), CALL(flip, flip(x, {.axis = 1})), CALL(roll, roll(x, 1, {.axis = 1})),
    // ops/index.h, ops/gather.h
    CALL(index_with, index_with(x, std::vector<Index>{0, Slice(1, none)})),
    CALL(strided_slice, strided_slice(x, {0, 2}, {2, 2}, {1, -1})), CALL(take, take(x, i, 1)),
    CALL(take_along_axis, take_along_axis(x, expand_dims(i, 1), 1)), CALL(gather_nd, gather_nd(x, expand_dims(i, 1))),
    CALL(scatter_nd, scatter_nd(expand_dims(i, 1), x, {4, 3})),
    CALL(tensor_scatter_add, tensor_scatter_add(x, expand_dims(i, 1), y)),
    CALL(tensor_scatter_update, tensor_scatter_update(x, expand_dims(i, 1), y)),
    CALL(tensor_scatter_min, tensor_scatter_min(x, expand_dims(i, 1), y)),
    CALL(tensor_scatter_max, tensor_scatter_max(x, expand_dims(i, 1), y)), CALL(boolean_mask, boolean_mask(x, mask)),
    UNARY(nonzero), CALL(one_hot, one_hot(numbers, 4)),
    CALL(confusion_matrix, confusion_matrix(labels, i, {.num_classes = 4})),
    CALL(embedding_lookup, embedding_lookup(m, i)),
    // ops/reduce.h, ops/scan.h, ops/softmax.h, ops/sort.h
    CALL(sum, sum(x, {.axis = 1})), CALL(prod, prod(x, {.axis = 1})), CALL(mean, mean(x, {.axis = 1})),
    CALL(var, var(x, {.axis = 1})), CALL(stddev, stddev(x, {.axis = 1})), CALL(min, min(x, {.axis = 1})),
    CALL(max, max(x, {.axis = 1})), CALL(argmin, argmin(x, {.axis = 1})), CALL(argmax, argmax(x, {.axis = 1})),
    CALL(any, any(x, {.axis = 1})), CALL(all, all(x, {.axis = 1})), CALL(count_nonzero, count_nonzero(x, {.axis = 1})),
    CALL(norm, norm(x, {.axis = 1})), CALL(cumulative_sum, cumulative_sum(x, {.axis = 1})),
    CALL(cumulative_prod, cumulative_prod(x, {.axis = 1})), UNARY(softmax), UNARY(log_softmax),
    CALL(logsumexp, logsumexp(x, {.axis = 1})), UNARY(sort), UNARY(argsort), CALL(top_k, top_k(x, 2)),
    CALL(searchsorted, searchsorted(numbers, x)),
    // ops/matmul.h, ops/einsum.h
    CALL(matmul, matmul(x, m)), BINARY(vecdot), CALL(outer, outer(v, v)), CALL(tensordot, tensordot(x, m, 1)),
    CALL(einsum, einsum("ij,jk->ik", {x, m})),
    // ops/linalg.h, ops/fft.h
    CALL(linalg::cholesky, linalg::cholesky(matmul(x, y, {.transpose_b = true}) + eye(2, {.dtype = dtype}))),
    CALL(linalg::solve_triangular, linalg::solve_triangular(matmul(x, x, {.transpose_b = true}), y)),
    CALL(linalg::solve, linalg::solve(matmul(x, x, {.transpose_b = true}), y)),
    CALL(linalg::inv, linalg::inv(matmul(x, x, {.transpose_b = true}))),
    CALL(linalg::det, linalg::det(matmul(x, x, {.transpose_b = true}))),
    CALL(linalg::slogdet, linalg::slogdet(matmul(x, x, {.transpose_b = true}))),
    CALL(linalg::qr, linalg::qr(matrix_transpose(x))), CALL(linalg::svd, linalg::svd(x)),
    CALL(linalg::svdvals, linalg::svdvals(x)), CALL(linalg::eigh, linalg::eigh(matmul(x, x, {.transpose_b = true}))),
    CALL(linalg::eigvalsh, linalg::eigvalsh(matmul(x, x, {.transpose_b = true}))),
    CALL(linalg::pinv, linalg::pinv(x)), CALL(linalg::matrix_rank, linalg::matrix_rank(x)),
    CALL(linalg::lstsq, linalg::lstsq(matrix_transpose(x), matrix_transpose(y))),
    CALL(linalg::matrix_power, linalg::matrix_power(matmul(x, x, {.transpose_b = true}), 3)),
    CALL(linalg::trace, linalg::trace(x)), CALL(linalg::cross, linalg::cross(x, y)),
    CALL(linalg::matrix_norm, linalg::matrix_norm(x)), CALL(fft::fft, fft::fft(stack({x, y}, {.axis = -1}))),
    CALL(fft::ifft, fft::ifft(stack({x, y}, {.axis = -1}))), CALL(fft::rfft, fft::rfft(x)),
    CALL(fft::irfft, fft::irfft(stack({x, y}, {.axis = -1}))), CALL(fft::fftn, fft::fftn(stack({x, y}, {.axis = -1}))),
    CALL(fft::ifftn, fft::ifftn(stack({x, y}, {.axis = -1}))), CALL(fft::rfftn, fft::rfftn(x)),
    CALL(fft::irfftn, fft::irfftn(stack({x, y}, {.axis = -1}))), CALL(fft::fftfreq, fft::fftfreq(8)),
    CALL(fft::rfftfreq, fft::rfftfreq(8)), CALL(fft::fftshift, fft::fftshift(x)),
    CALL(fft::ifftshift, fft::ifftshift(x)),
    // ops/conv.h, ops/pool.h, ops/resize.h
    CALL(conv1d, conv1d(sequence, kernel1)), CALL(conv2d, conv2d(image, kernel2, {.padding = Padding::same})),
    CALL(conv3d, conv3d(volume, kernel3)), CALL(conv1d_transpose, conv1d_transpose(sequence, back1, {.strides = {2}})),
    CALL(conv2d_transpose, conv2d_transpose(image, back2, {.strides = {2, 2}})),
    CALL(conv3d_transpose, conv3d_transpose(volume, back3)), CALL(depthwise_conv2d, depthwise_conv2d(image, depthwise)),
    CALL(separable_conv2d, separable_conv2d(image, depthwise, pointwise)), CALL(max_pool1d, max_pool1d(sequence, {2})),
    CALL(max_pool2d, max_pool2d(image, {2, 2})), CALL(max_pool3d, max_pool3d(volume, {3, 3, 3})),
    CALL(avg_pool1d, avg_pool1d(sequence, {2})), CALL(avg_pool2d, avg_pool2d(image, {2, 2})),
    CALL(avg_pool3d, avg_pool3d(volume, {3, 3, 3})), CALL(global_max_pool, global_max_pool(image)),
    CALL(global_avg_pool, global_avg_pool(image)), CALL(resize, resize(image, {8, 8})),
    // ops/normalization.h, ops/cross_entropy.h, ops/dropout.h
    CALL(batch_norm, batch_norm(image, offset, scale, offset, scale)),
    CALL(batch_norm_training, batch_norm_training(image, scale, offset)),
    CALL(layer_norm, layer_norm(image, scale, offset)), CALL(group_norm, group_norm(image, 2, scale, offset)),
    CALL(rms_norm, rms_norm(image, scale)),
    CALL(softmax_cross_entropy_with_logits, softmax_cross_entropy_with_logits(x, logits)),
    CALL(sparse_softmax_cross_entropy_with_logits, sparse_softmax_cross_entropy_with_logits(labels, logits)),
    CALL(sigmoid_cross_entropy_with_logits, sigmoid_cross_entropy_with_logits(x, logits)),
    CALL(dropout, dropout(x, 0.5, {.seed = 1})),
    // ops/random.h
    CALL(random::uniform, random::uniform({2, 3}, {.dtype = dtype})),
    CALL(random::normal, random::normal({2, 3}, {.dtype = dtype})),
    CALL(random::truncated_normal, random::truncated_normal({2, 3}, {.dtype = dtype})),
    CALL(random::integers, random::integers({4}, 0, 2, {.dtype = dtype})),
    CALL(random::bernoulli, random::bernoulli({4}, 0.5, {.dtype = dtype})),
    CALL(random::categorical, random::categorical(logits, 4)), CALL(random::permutation, random::permutation(5)),
    CALL(random::shuffle, random::shuffle(x)), CALL(random::key, random::key()), CALL(random::keys, random::keys(2)),
    // ops/confusion_matrix.h, ops/close.h, ops/effects.h
    CALL(confusion_matrix, confusion_matrix(numbers, numbers)), BINARY(allclose), BINARY(array_equal),
    CALL_AS(print, "print(x)", (print(x), std::vector<Tensor>())),
    CALL_AS(check, "check(mask, \"all are true\")", (check(mask, "all are true"), std::vector<Tensor>())),
};
// clang-format on

}  // namespace

Operands::Operands(DType d)
    : dtype(d),
      x(some({2, 3}, d, 0.1)),
      y(some({2, 3}, d, 0.3)),
      v(some({3}, d, 0.2)),
      m(some({3, 4}, d, 0.5)),
      logits(some({2, 3}, d, 0.7)),
      numbers(arange(3).astype(d)),
      image(some({1, 4, 4, 2}, d, 0.1)),
      image4(some({1, 4, 4, 4}, d, 0.1)),
      sequence(some({1, 6, 2}, d, 0.1)),
      volume(some({1, 3, 3, 3, 2}, d, 0.1)),
      kernel1(some({3, 2, 4}, d, 0.4)),
      kernel2(some({3, 3, 2, 4}, d, 0.4)),
      kernel3(some({2, 2, 2, 2, 4}, d, 0.4)),
      back1(some({3, 4, 2}, d, 0.4)),
      back2(some({3, 3, 4, 2}, d, 0.4)),
      back3(some({2, 2, 2, 4, 2}, d, 0.4)),
      depthwise(some({3, 3, 2, 1}, d, 0.4)),
      pointwise(some({1, 1, 2, 4}, d, 0.6)),
      scale(some({2}, d, 0.3)),
      offset(some({2}, d, 0.8)),
      i(tensor({1, 0})),
      mask(ones({2, 3}, DType::boolean)),
      labels(tensor({2, 0}, DType::i64)) {}

std::vector<std::pair<const char*, Tensor>> Operands::named() const {
  return {{"x", x},
          {"y", y},
          {"v", v},
          {"m", m},
          {"logits", logits},
          {"numbers", numbers},
          {"image", image},
          {"image4", image4},
          {"sequence", sequence},
          {"volume", volume},
          {"kernel1", kernel1},
          {"kernel2", kernel2},
          {"kernel3", kernel3},
          {"back1", back1},
          {"back2", back2},
          {"back3", back3},
          {"depthwise", depthwise},
          {"pointwise", pointwise},
          {"scale", scale},
          {"offset", offset},
          {"i", i},
          {"mask", mask},
          {"labels", labels}};
}

std::vector<Tensor> Operands::all() const {
  std::vector<Tensor> out;
  for (auto& [name, t] : named()) out.push_back(t);
  return out;
}

const std::vector<OpCall>& op_calls() { return calls; }
