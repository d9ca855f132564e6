// All state is Variables and all work is ops, so that a traced training step can hold its metrics.
#include <tapir/nn/confusion_metrics.h>
#include <tapir/nn/correlation_metrics.h>
#include <tapir/nn/error_metrics.h>
#include <tapir/nn/iou_metrics.h>
#include <tapir/nn/layer_state.h>
#include <tapir/nn/masks.h>
#include <tapir/nn/metric_impl.h>
#include <tapir/nn/names.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/gather.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <cmath>
#include <vector>

namespace tapir::nn {

void Metric::Impl::add_state(const std::string& what, const Shape& shape) {
  detail::Unrecorded unrecorded;
  state.emplace_back(zeros(shape, DType::f64), name + "/" + what, VariableOptions{.trainable = false});
}

namespace detail {

Tensor labels_like(const std::string& name, const Tensor& t, const Tensor& p) {
  Tensor r = astype(t, p.dtype());
  if (r.rank() + 1 == p.rank() && p.shape().back() == 1) r = expand_dims(r, -1);
  else if (p.rank() + 1 == r.rank() && r.shape().back() == 1) r = squeeze(r, {-1});
  if (r.shape() != p.shape())
    throw ShapeError(
        fmt::format("{}: y_true {} and y_pred {} differ in shape.", name, r.shape().str(), p.shape().str()));
  return r;
}

Tensor spread(const std::string& name, const Tensor& given, const Shape& shape) {
  Tensor weight = astype(given, DType::f64);
  if (weight.rank() == shape.rank() + 1 && weight.shape().back() == 1) weight = squeeze(weight, {-1});
  while (weight.rank() < shape.rank()) weight = expand_dims(weight, -1);
  Shape joined;
  if (!broadcast_shapes(weight.shape(), shape, joined) || joined != shape)
    throw ShapeError(
        fmt::format("{}: sample_weight {} does not fit the values {}.", name, given.shape().str(), shape.str()));
  return broadcast_to(weight, shape);
}

double ratio(double a, double b) { return b == 0 ? 0 : a / b; }

}  // namespace detail

namespace {

using detail::labels_like, detail::spread;
using Function = detail::MetricFunction;

void same_shape(const std::string& name, const Tensor& t, const Tensor& p) {
  if (t.shape() != p.shape())
    throw ShapeError(
        fmt::format("{}: y_true {} and y_pred {} differ in shape.", name, t.shape().str(), p.shape().str()));
}

// state: total, count.
struct MeanOf final : Metric::Impl {
  Function f;
  bool root;
  MeanOf(std::string name, Function g, bool square_root = false)
      : Impl(std::move(name)), f(std::move(g)), root(square_root) {
    add_state("total"), add_state("count");
  }

  void add(const Tensor& values, const Tensor& weight) {
    if (weight.defined()) {
      const Tensor w = spread(name, weight, values.shape());
      state[0].assign_add(sum(astype(values, DType::f64) * w));
      state[1].assign_add(sum(w));
    } else {
      // bool counts exactly, floats sum in f64
      state[0].assign_add(
          astype(sum(values.dtype() == DType::boolean ? values : astype(values, DType::f64)), DType::f64));
      state[1].assign_add(full({}, double(values.size()), DType::f64));
    }
  }
  void update(const Tensor& t, const Tensor& p, const Tensor& weight) override {
    const Tensor values = f(t, p), mask = values.rank() > 0 ? MaskScope::of(p) : Tensor();
    if (p.size() == 0) return;  // the mean of no errors is NaN
    if (!mask.defined()) return add(values, weight);
    const Tensor counts = spread(name, mask, values.shape());
    add(values, weight.defined() ? counts * spread(name, weight, values.shape()) : counts);
  }
  std::vector<double> results() const override {
    const double mean = detail::ratio(number(0), number(1));
    return {root ? std::sqrt(mean) : mean};
  }
};

struct SumOf final : Metric::Impl {
  explicit SumOf(std::string name) : Impl(std::move(name)) { add_state("total"); }
  void add(const Tensor& values, const Tensor& weight) {
    const Tensor v = astype(values, DType::f64);
    state[0].assign_add(sum(weight.defined() ? v * spread(name, weight, v.shape()) : v));
  }
  void update(const Tensor&, const Tensor&, const Tensor&) override {
    throw UsageError("sum: it adds up values, call update(values, sample_weight).");
  }
  std::vector<double> results() const override { return numbers(0); }
};

Tensor equal_values(const Tensor& t, const Tensor& p) { return equal(labels_like("accuracy", t, p), p); }

Function above(double threshold) {
  return [=](const Tensor& t, const Tensor& p) {
    return equal(labels_like("binary_accuracy", t, p), astype(p > threshold, p.dtype()));
  };
}

// Class numbers [N, ...] for predictions [N, ..., C].
Tensor class_numbers(const char* name, Tensor t, const Tensor& p) {
  if (t.rank() == p.rank() && t.rank() > 0 && t.shape().back() == 1) t = squeeze(t, {-1});
  if (p.rank() < 1 || t.shape() != p.shape().first(p.rank() - 1))
    throw ShapeError(
        fmt::format("{}: y_true {} are not the class numbers of y_pred {}.", name, t.shape().str(), p.shape().str()));
  return astype(t, DType::i64);
}

// Where the largest stands, of bools the first true.
Tensor largest(const Tensor& x) { return argmax(x.dtype() == DType::boolean ? astype(x, DType::u8) : x, {.axis = -1}); }

Tensor categorical(const Tensor& t, const Tensor& p) {
  same_shape("categorical_accuracy", t, p);
  return equal(largest(t), largest(p));
}
Tensor sparse_categorical(const Tensor& t, const Tensor& p) {
  return equal(class_numbers("sparse_categorical_accuracy", t, p), largest(p));
}

Tensor in_top(const Tensor& classes, const Tensor& p, int k) {
  Tensor own = take_along_axis(p, expand_dims(classes, -1), -1);
  return count_nonzero(p > own, {.axis = -1}) < k;
}
Function sparse_top_k(int k) {
  return [=](const Tensor& t, const Tensor& p) {
    return in_top(class_numbers("sparse_top_k_categorical_accuracy", t, p), p, k);
  };
}
Function top_k(int k) {
  return [=](const Tensor& t, const Tensor& p) {
    same_shape("top_k_categorical_accuracy", t, p);
    return in_top(largest(t), p, k);
  };
}

// As Keras resolves "accuracy".
Tensor resolved_accuracy(const Tensor& t, const Tensor& p) {
  if (p.rank() == 0 || p.shape().back() == 1 || (p.rank() == 1 && t.rank() == 1)) return above(0.5)(t, p);
  if (t.rank() < p.rank() || t.shape().back() == 1) return sparse_categorical(t, p);
  return categorical(t, p);
}

void check_k(const char* type, int k) {
  if (k < 1) throw UsageError(fmt::format("{}: k must be 1 or more, got {}.", type, k));
}

}  // namespace

std::shared_ptr<Metric::Impl> detail::mean_of(std::string name, MetricFunction f, bool root) {
  return std::make_shared<MeanOf>(std::move(name), std::move(f), root);
}

namespace metrics {

Mean::Mean(std::string name)
    : Metric(std::make_shared<MeanOf>(std::move(name), [](const Tensor&, const Tensor&) -> Tensor {
        throw UsageError(
            "mean: it averages values, call update(values, sample_weight); for y_true and y_pred give a function.");
      })) {}
void Mean::update(const Tensor& values, const Tensor& weight, Where where) {
  CallSite site(where);
  if (!values.defined()) throw UsageError(fmt::format("{}: values is an undefined tensor.", name()));
  static_cast<MeanOf&>(*impl_).add(values, weight);
}

Sum::Sum(std::string name) : Metric(std::make_shared<SumOf>(std::move(name))) {}
void Sum::update(const Tensor& values, const Tensor& weight, Where where) {
  CallSite site(where);
  if (!values.defined()) throw UsageError(fmt::format("{}: values is an undefined tensor.", name()));
  static_cast<SumOf&>(*impl_).add(values, weight);
}

Accuracy::Accuracy(std::string n) : Metric(std::make_shared<MeanOf>(std::move(n), equal_values)) {}
BinaryAccuracy::BinaryAccuracy(double threshold, std::string n, Where where)
    : Metric(std::make_shared<MeanOf>(std::move(n), above(threshold))) {
  CallSite site(where);
  if (!(threshold >= 0 && threshold <= 1))
    throw UsageError(fmt::format("BinaryAccuracy: thresholds must be in [0, 1], got {}.", threshold));
}
CategoricalAccuracy::CategoricalAccuracy(std::string n) : Metric(std::make_shared<MeanOf>(std::move(n), categorical)) {}
SparseCategoricalAccuracy::SparseCategoricalAccuracy(std::string n)
    : Metric(std::make_shared<MeanOf>(std::move(n), sparse_categorical)) {}
TopKCategoricalAccuracy::TopKCategoricalAccuracy(int k, std::string n, Where where)
    : Metric(std::make_shared<MeanOf>(std::move(n), top_k(k))) {
  CallSite site(where);
  check_k("TopKCategoricalAccuracy", k);
}
SparseTopKCategoricalAccuracy::SparseTopKCategoricalAccuracy(int k, std::string n, Where where)
    : Metric(std::make_shared<MeanOf>(std::move(n), sparse_top_k(k))) {
  CallSite site(where);
  check_k("SparseTopKCategoricalAccuracy", k);
}

}  // namespace metrics

namespace {
using Make = Metric (*)();
const std::pair<const char*, Make> table[] = {
    {"acc", nullptr},
    {"accuracy", nullptr},
    {"auc", [] { return Metric(metrics::AUC()); }},
    {"bce", [] { return Metric(metrics::BinaryCrossentropy({}, "bce")); }},
    {"binary_accuracy", [] { return Metric(metrics::BinaryAccuracy()); }},
    {"binary_crossentropy", [] { return Metric(metrics::BinaryCrossentropy()); }},
    {"binary_io_u", [] { return Metric(metrics::BinaryIoU()); }},
    {"categorical_accuracy", [] { return Metric(metrics::CategoricalAccuracy()); }},
    {"categorical_crossentropy", [] { return Metric(metrics::CategoricalCrossentropy()); }},
    {"categorical_hinge", [] { return Metric(metrics::CategoricalHinge()); }},
    {"concordance_correlation", [] { return Metric(metrics::ConcordanceCorrelation()); }},
    {"cosine_similarity", [] { return Metric(metrics::CosineSimilarity()); }},
    {"f1_score", [] { return Metric(metrics::F1Score()); }},
    {"false_negatives", [] { return Metric(metrics::FalseNegatives()); }},
    {"false_positives", [] { return Metric(metrics::FalsePositives()); }},
    {"fbeta_score", [] { return Metric(metrics::FBetaScore()); }},
    {"hinge", [] { return Metric(metrics::Hinge()); }},
    {"kl_divergence", [] { return Metric(metrics::KLDivergence()); }},
    {"log_cosh_error", [] { return Metric(metrics::LogCoshError("log_cosh_error")); }},
    {"mae", [] { return Metric(metrics::MeanAbsoluteError("mae")); }},
    {"mape", [] { return Metric(metrics::MeanAbsolutePercentageError("mape")); }},
    {"mean_absolute_error", [] { return Metric(metrics::MeanAbsoluteError()); }},
    {"mean_absolute_percentage_error", [] { return Metric(metrics::MeanAbsolutePercentageError()); }},
    {"mean_squared_error", [] { return Metric(metrics::MeanSquaredError()); }},
    {"mean_squared_logarithmic_error", [] { return Metric(metrics::MeanSquaredLogarithmicError()); }},
    {"mse", [] { return Metric(metrics::MeanSquaredError("mse")); }},
    {"msle", [] { return Metric(metrics::MeanSquaredLogarithmicError("msle")); }},
    {"pearson_correlation", [] { return Metric(metrics::PearsonCorrelation()); }},
    {"poisson", [] { return Metric(metrics::Poisson()); }},
    {"precision", [] { return Metric(metrics::Precision()); }},
    {"r2_score", [] { return Metric(metrics::R2Score()); }},
    {"recall", [] { return Metric(metrics::Recall()); }},
    {"root_mean_squared_error", [] { return Metric(metrics::RootMeanSquaredError()); }},
    {"sparse_categorical_accuracy", [] { return Metric(metrics::SparseCategoricalAccuracy()); }},
    {"sparse_categorical_crossentropy", [] { return Metric(metrics::SparseCategoricalCrossentropy()); }},
    {"sparse_top_k_categorical_accuracy", [] { return Metric(metrics::SparseTopKCategoricalAccuracy()); }},
    {"squared_hinge", [] { return Metric(metrics::SquaredHinge()); }},
    {"top_k_categorical_accuracy", [] { return Metric(metrics::TopKCategoricalAccuracy()); }},
    {"true_negatives", [] { return Metric(metrics::TrueNegatives()); }},
    {"true_positives", [] { return Metric(metrics::TruePositives()); }},
};
}  // namespace

Metric::Metric(const char* name, Where where) {
  CallSite site(where);
  name = detail::text_of(name);
  std::vector<std::string> known;
  for (auto& [n, make] : table) {
    if (std::string(n) == name) {
      impl_ = make ? make().impl_ : std::make_shared<MeanOf>(name, resolved_accuracy);
      return;
    }
    known.push_back(n);
  }
  detail::unknown_name("metric", name, known);
}
Metric::Metric(std::string name, Function f) : impl_(std::make_shared<MeanOf>(std::move(name), std::move(f))) {}

void Metric::update(const Tensor& y_true, const Tensor& y_pred, const Tensor& weight, Where where) {
  CallSite site(where);
  if (!y_true.defined() || !y_pred.defined())
    throw UsageError(fmt::format("{}: {} is an undefined tensor.", name(), y_pred.defined() ? "y_true" : "y_pred"));
  impl_->update(y_true, y_pred, weight);
}
double Metric::result() const { return impl_->results()[0]; }
std::vector<double> Metric::results() const { return impl_->results(); }
void Metric::reset() {
  for (auto& v : impl_->state) v.assign(zeros(v.shape(), v.dtype()));
}
const std::string& Metric::name() const { return impl_->name; }
std::vector<Variable> Metric::variables() const { return impl_->state; }
void Metric::set_state(const std::vector<Tensor>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i == impl_->state.size()) impl_->add_state("sums", values[i].shape());
    impl_->state[i].assign(values[i]);
  }
}

}  // namespace tapir::nn
