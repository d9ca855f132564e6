// ONNX: reductions, matrix products, losses.
#include <tapir/formats/onnx_call.h>
#include <tapir/ops/create.h>
#include <tapir/ops/matmul.h>
#include <tapir/ops/padding.h>
#include <tapir/ops/softmax.h>

#include <fmt/format.h>

namespace tapir::onnx::detail {

namespace {

Tensor l1(const Tensor& x, ReduceOptions o, Where) { return sum(abs(x), o); }
Tensor sum_square(const Tensor& x, ReduceOptions o, Where) { return sum(square(x), o); }
Tensor l2(const Tensor& x, ReduceOptions o, Where) {
  if (is_floating(x.dtype())) return norm(x, {.axis = o.axis, .keepdims = o.keepdims});
  return sqrt(sum(square(x.astype(DType::f64)), o)).astype(x.dtype());
}
Tensor log_sum(const Tensor& x, ReduceOptions o, Where) { return log(sum(x, o)); }
Tensor mean_of(const Tensor& x, ReduceOptions o, Where) {
  return is_floating(x.dtype()) ? mean(x, o) : mean(x.astype(DType::f64), o).astype(x.dtype());
}

// Axes were an attribute and became an input; none means all, or none at all if `noop_with_empty_axes`.
template <Tensor (*f)(const Tensor&, ReduceOptions, Where)>
Results reduce(const Call& c) {
  const Integers axes = c.either(1, "axes");
  if (axes.empty() && c.flag("noop_with_empty_axes")) return {c[0]};
  if (c[0].rank() == 0) return {f(reshape(c[0], {1}), {}, Where())};
  return {f(c[0], {.axis = Axes(axes), .keepdims = c.flag("keepdims", true)}, Where())};
}

template <Tensor (*f)(const Tensor&, ReduceOptions, Where)>
Results arg(const Call& c) {
  const auto axis = axis_of(c, c.integer("axis", 0), c[0].rank());
  const ReduceOptions options{.axis = axis, .keepdims = c.flag("keepdims", true)};
  if (!c.flag("select_last_index")) return {f(c[0], options, Where())};
  return {c[0].shape()[int(axis)] - 1 - f(flip(c[0], {.axis = axis}), options, Where())};
}

Results matmul_(const Call& c) { return {matmul(c[0], c[1])}; }
Results gemm(const Call& c) {
  const double alpha = c.number("alpha", 1), beta = c.number("beta", 1);
  Tensor y = matmul(c[0], c[1], {.transpose_a = c.flag("transA"), .transpose_b = c.flag("transB")});
  if (alpha != 1) y = y * alpha;
  if (!c.has(2)) return {y};
  return {y + (beta == 1 ? c[2] : c[2] * beta)};
}

// x [N, C, d...]: log probabilities, target [N, d...].
Tensor nll(const Call& c, const Tensor& logp) {
  Tensor target = c[1].astype(DType::i64);
  Tensor weight = ones_like(target, logp.dtype());
  if (c.given("ignore_index")) {
    const Tensor counts = not_equal(target, c.integer("ignore_index", 0));
    target = where(counts, target, 0);
    weight = counts.astype(logp.dtype());
  }
  if (c.has(2)) weight = weight * take(c[2], target);
  const Tensor loss = -squeeze(take_along_axis(logp, expand_dims(target, 1), 1), {1}) * weight;
  const std::string how = c.text("reduction", "mean");
  if (how == "none") return loss;
  if (how == "sum") return sum(loss);
  if (how == "mean") return sum(loss) / sum(weight);
  c.fail("reduction \"" + how + "\" is not supported");
}
Results nll_loss(const Call& c) { return {nll(c, c[0])}; }
Results cross_entropy_loss(const Call& c) {
  const Tensor logp = log_softmax(c[0], 1);
  return {nll(c, logp), logp};
}

constexpr Row rows[] = {
    {"ArgMax", arg<argmax>},
    {"ArgMin", arg<argmin>},
    {"Gemm", gemm, 7},
    {"MatMul", matmul_},
    {"NegativeLogLikelihoodLoss", nll_loss},
    {"ReduceL1", reduce<l1>, 1, 0, 1},
    {"ReduceL2", reduce<l2>, 1, 0, 1},
    {"ReduceLogSum", reduce<log_sum>, 1, 0, 1},
    {"ReduceLogSumExp", reduce<logsumexp>, 1, 0, 1},
    {"ReduceMax", reduce<max>, 1, 0, 1},
    {"ReduceMean", reduce<mean_of>, 1, 0, 1},
    {"ReduceMin", reduce<min>, 1, 0, 1},
    {"ReduceProd", reduce<prod>, 1, 0, 1},
    {"ReduceSum", reduce<sum>, 1, 0, 1},
    {"ReduceSumSquare", reduce<sum_square>, 1, 0, 1},
    {"SoftmaxCrossEntropyLoss", cross_entropy_loss},
};

}  // namespace

std::span<const Row> reduction_rows() { return rows; }

}  // namespace tapir::onnx::detail
