#include <tapir/nn/correlation_metrics.h>
#include <tapir/nn/metric_impl.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <cmath>

namespace tapir::nn::metrics {
namespace {

// What is left of x around its mean along `axis`.
Tensor centred(const Tensor& x, int axis) { return x - mean(x, {.axis = axis, .keepdims = true}); }

Tensor pearson(const Tensor& t, const Tensor& p, int axis) {
  auto standard = [&](const Tensor& x) {
    const Tensor c = centred(x, axis);
    return c / stddev(c, {.axis = axis, .keepdims = true});
  };
  return mean(standard(t) * standard(p), {.axis = axis});
}

Tensor concordance(const Tensor& t, const Tensor& p, int axis) {
  const Tensor apart = mean(t, {.axis = axis}) - mean(p, {.axis = axis});
  const Tensor both = mean(centred(t, axis) * centred(p, axis), {.axis = axis});
  return 2 * both / (var(t, {.axis = axis}) + var(p, {.axis = axis}) + square(apart) + 1e-7);
}

std::shared_ptr<Metric::Impl> correlation(std::string name, int axis, Tensor (*f)(const Tensor&, const Tensor&, int)) {
  auto of_batch = [=](const Tensor& t, const Tensor& given) {
    const Tensor p = is_half(given.dtype()) ? astype(given, DType::f32) : given;
    return f(detail::labels_like(name, t, p), p, axis);
  };
  return detail::mean_of(name, of_batch);
}

// state: how many examples have a weight; [4, outputs]: sum of w t, of w t^2, of w (t - p)^2, of w.
struct R2 final : Metric::Impl {
  R2ScoreOptions options;
  explicit R2(const R2ScoreOptions& o) : Impl(o.name), options(o) { add_state("num_samples"); }

  void update(const Tensor& y_true, const Tensor& y_pred, const Tensor& weight) override {
    Tensor p = y_pred, t = detail::labels_like(name, y_true, y_pred);
    if (p.rank() == 1) p = expand_dims(p, 1), t = expand_dims(t, 1);
    if (p.rank() != 2)
      throw ShapeError(fmt::format("{}: y_pred must be [N, outputs] or [N], got {}.", name, y_pred.shape().str()));
    const std::int64_t outputs = p.shape()[1];
    if (state.size() == 1) add_state("sums", {4, outputs});
    else if (state[1].shape()[1] != outputs)
      throw ShapeError(fmt::format("{}: had {} outputs, got {}.", name, state[1].shape()[1], outputs));
    p = astype(p, DType::f64), t = astype(t, DType::f64);
    const Tensor w = weight.defined() ? detail::spread(name, weight, p.shape()) : ones(p.shape(), DType::f64);
    auto total = [](const Tensor& x) { return sum(x, {.axis = 0}); };
    const Tensor weighted = t * w;
    state[1].assign_add(stack({total(weighted), total(weighted * t), total(square(t - p) * w), total(w)}));
    state[0].assign_add(astype(sum(any(not_equal(w, 0), {.axis = 1})), DType::f64));
  }

  std::vector<double> results() const override {
    if (state.size() == 1 || number(0) == 0) return {0};
    const std::vector<double> s = numbers(1);
    const std::size_t n = s.size() / 4;
    std::vector<double> scores;
    double mean = 0, weighted = 0, weights = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double variance = s[n + i] - s[i] * s[i] / s[3 * n + i], score = 1 - s[2 * n + i] / variance;
      scores.push_back(std::isinf(score) ? 0 : score);
      mean += scores.back() / double(n), weighted += variance * scores.back(), weights += variance;
    }
    if (options.class_aggregation == Aggregation::uniform_average) scores = {mean};
    if (options.class_aggregation == Aggregation::variance_weighted_average) scores = {weighted / weights};
    const double samples = number(0), spare = samples - options.num_regressors - 1;
    if (options.num_regressors > 0 && spare > 0)
      for (double& r : scores) r = 1 - (1 - r) * (samples - 1) / spare;
    return scores;
  }
};

}  // namespace

PearsonCorrelation::PearsonCorrelation(int axis, std::string n) : Metric(correlation(std::move(n), axis, pearson)) {}
ConcordanceCorrelation::ConcordanceCorrelation(int axis, std::string n)
    : Metric(correlation(std::move(n), axis, concordance)) {}

R2Score::R2Score(const R2ScoreOptions& o, Where where) : Metric(std::make_shared<R2>(o)) {
  CallSite site(where);
  if (o.num_regressors < 0)
    throw UsageError(fmt::format("R2Score: num_regressors must be 0 or more, got {}.", o.num_regressors));
}

}  // namespace tapir::nn::metrics
