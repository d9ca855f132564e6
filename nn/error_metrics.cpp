#include <tapir/nn/error_metrics.h>
#include <tapir/nn/metric_impl.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>

namespace tapir::nn::metrics {
namespace {

using Made = std::shared_ptr<Metric::Impl>;

Made of_difference(const std::string& name, Tensor (*f)(const Tensor&), bool root = false) {
  auto error = [=](const Tensor& t, const Tensor& given) {
    const Tensor p = is_half(given.dtype()) ? astype(given, DType::f32) : given;
    const Tensor e = f(p - detail::labels_like(name, t, p));
    return e.rank() == 0 ? e : mean(e, {.axis = -1});
  };
  return detail::mean_of(name, error, root);
}
Tensor squared(const Tensor& e) { return square(e); }
Tensor absolute(const Tensor& e) { return abs(e); }

using LossFunction = Tensor (*)(const Operand&, const Operand&, const LossOptions&);
Made of_loss(LossFunction f, std::string name, LossOptions o = {}) {
  o.reduction = Reduction::none;
  o.sample_weight = {};
  return detail::mean_of(std::move(name), [f, o](const Tensor& t, const Tensor& p) { return f(t, p, o); });
}

}  // namespace

MeanSquaredError::MeanSquaredError(std::string n) : Metric(of_difference(n, squared)) {}
MeanAbsoluteError::MeanAbsoluteError(std::string n) : Metric(of_difference(n, absolute)) {}
RootMeanSquaredError::RootMeanSquaredError(std::string n) : Metric(of_difference(n, squared, true)) {}

MeanAbsolutePercentageError::MeanAbsolutePercentageError(std::string n)
    : Metric(of_loss(mean_absolute_percentage_error, std::move(n))) {}
MeanSquaredLogarithmicError::MeanSquaredLogarithmicError(std::string n)
    : Metric(of_loss(mean_squared_logarithmic_error, std::move(n))) {}
LogCoshError::LogCoshError(std::string n) : Metric(of_loss(log_cosh, std::move(n))) {}
CosineSimilarity::CosineSimilarity(int axis, std::string n)
    : Metric(detail::mean_of(std::move(n), [axis](const Tensor& t, const Tensor& p) {
        return -cosine_similarity(t, p, {.axis = axis, .reduction = Reduction::none});
      })) {}
Hinge::Hinge(std::string n) : Metric(of_loss(hinge, std::move(n))) {}
SquaredHinge::SquaredHinge(std::string n) : Metric(of_loss(squared_hinge, std::move(n))) {}
CategoricalHinge::CategoricalHinge(std::string n) : Metric(of_loss(categorical_hinge, std::move(n))) {}
KLDivergence::KLDivergence(std::string n) : Metric(of_loss(kl_divergence, std::move(n))) {}
Poisson::Poisson(std::string n) : Metric(of_loss(poisson, std::move(n))) {}
BinaryCrossentropy::BinaryCrossentropy(const LossOptions& o, std::string n)
    : Metric(of_loss(binary_crossentropy, std::move(n), o)) {}
CategoricalCrossentropy::CategoricalCrossentropy(const LossOptions& o, std::string n)
    : Metric(of_loss(categorical_crossentropy, std::move(n), o)) {}
SparseCategoricalCrossentropy::SparseCategoricalCrossentropy(const LossOptions& o, std::string n)
    : Metric(of_loss(sparse_categorical_crossentropy, std::move(n), o)) {}

}  // namespace tapir::nn::metrics
