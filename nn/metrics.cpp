// All state is Variables and all work is ops, so that a traced training step can hold its metrics.
#include <tapir/graph/trace.h>
#include <tapir/nn/metrics.h>
#include <tapir/nn/names.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/gather.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>
#include <tapir/ops/sort.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace tapir::nn {

struct Metric::Impl {
  std::string name;
  explicit Impl(std::string n) : name(std::move(n)) {}
  virtual ~Impl() = default;
  virtual void update(const Tensor& t, const Tensor& p, const Tensor& weight) = 0;
  virtual double result() const = 0;
  virtual std::vector<Variable> variables() const = 0;
  void reset() {
    for (auto& v : variables()) Variable(v).assign(zeros(v.shape(), v.dtype()));
  }
};

namespace {

using Function = Callable<Tensor(const Tensor&, const Tensor&)>;

// State is kept in Variables, so that a traced step can add to it.
Variable zero_state(const std::string& name, const Shape& shape = {}) {
  return Variable(zeros(shape, DType::f64), name, {.trainable = false});
}

void same_shape(const std::string& name, const Tensor& t, const Tensor& p) {
  if (t.shape() != p.shape())
    throw ShapeError(
        fmt::format("{}: y_true {} and y_pred {} differ in shape.", name, t.shape().str(), p.shape().str()));
}

// Weights for values of `shape`: those of the examples, spread over what belongs to each.
Tensor spread(const std::string& name, const Tensor& given, const Shape& shape) {
  Tensor weight = given;
  if (weight.rank() == shape.rank() + 1 && weight.shape().back() == 1) weight = squeeze(weight, {-1});
  while (weight.rank() < shape.rank()) weight = expand_dims(weight, -1);
  Shape joined;
  if (!broadcast_shapes(weight.shape(), shape, joined) || joined != shape)
    throw ShapeError(
        fmt::format("{}: sample_weight {} does not fit the values {}.", name, given.shape().str(), shape.str()));
  return broadcast_to(weight, shape);
}

// The weighted mean of f(t, p); `root` takes its square root.
struct MeanOf final : Metric::Impl {
  Function f;
  bool root;
  Variable total, count;
  MeanOf(const std::string& name, Function g, bool square_root = false)
      : Impl(name),
        f(std::move(g)),
        root(square_root),
        total(zero_state(name + "/total")),
        count(zero_state(name + "/count")) {}

  void add(Tensor values, const Tensor& weight) {
    if (weight.defined()) {
      Tensor w = astype(spread(name, weight, values.shape()), DType::f64);
      total.assign_add(sum(astype(values, DType::f64) * w));
      count.assign_add(sum(w));
    } else {
      // bool counts exactly, floats sum in f64
      total.assign_add(astype(sum(values.dtype() == DType::boolean ? values : astype(values, DType::f64)), DType::f64));
      count.assign_add(full({}, double(values.size()), DType::f64));
    }
  }
  void update(const Tensor& t, const Tensor& p, const Tensor& weight) override {
    const Tensor values = f(t, p);
    if (p.size() > 0) add(values, weight);  // the mean of no errors is NaN
  }
  double result() const override {
    const double n = count.value().item<double>(), mean = n == 0 ? 0 : total.value().item<double>() / n;
    return root ? std::sqrt(mean) : mean;
  }
  std::vector<Variable> variables() const override { return {total, count}; }
};

Tensor last_mean(const Tensor& x) { return x.rank() == 0 ? x : mean(x, {.axis = -1}); }

Tensor as_pred(const Tensor& t, const Tensor& p) {
  Tensor r = astype(t, p.dtype());
  if (r.rank() + 1 == p.rank() && p.shape().back() == 1) r = expand_dims(r, -1);
  else if (p.rank() + 1 == r.rank() && r.shape().back() == 1) r = squeeze(r, {-1});
  return r;
}

Function errors(std::string name, Tensor (*of_difference)(const Tensor&)) {
  return [=](const Tensor& t, const Tensor& p) {
    Tensor like = as_pred(t, p);
    same_shape(name, like, p);
    return last_mean(of_difference(p - like));
  };
}

Tensor equal_values(const Tensor& t, const Tensor& p) {
  Tensor like = as_pred(t, p);
  same_shape("accuracy", like, p);
  return equal(like, p);
}

Function above(double threshold) {
  return [=](const Tensor& t, const Tensor& p) {
    Tensor like = as_pred(t, p);
    same_shape("binary_accuracy", like, p);
    return equal(like, astype(p > threshold, p.dtype()));
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

// Weighted counts of true and false positives and negatives.
struct Counts {
  double tp = 0, fp = 0, fn = 0, tn = 0;
};

// Predictions and thresholds meet in f32, as in Keras.
struct Confusion : Metric::Impl {
  Tensor thresholds;  // ascending
  Variable above;     // [2, n + 1]: the weights of negatives and positives that lie above exactly so many thresholds
  Variable outside;   // a prediction that a traced step saw outside of [0, 1], else any that is not
  Confusion(const std::string& name, const std::vector<double>& at)
      : Impl(name),
        thresholds(Tensor::from_vector(std::vector<float>(at.begin(), at.end()))),
        above(zero_state(name + "/above", {2, std::int64_t(at.size()) + 1})),
        outside(zero_state(name + "/outside")) {}

  void update(const Tensor& y_true, const Tensor& y_pred, const Tensor& weight) override {
    Tensor like = as_pred(y_true, y_pred);
    same_shape(name, like, y_pred);
    if (y_pred.size() == 0) return;
    const Tensor p = reshape(astype(y_pred, DType::f32), {-1}), positive = reshape(not_equal(like, 0), {-1});
    const Tensor w = weight.defined() ? reshape(astype(spread(name, weight, y_pred.shape()), DType::f64), {-1})
                                      : ones(p.shape(), DType::f64);
    see(astype(take(p, argmax(astype(logical_not(within(p)), DType::u8))), DType::f64));
    const Tensor place = stack({astype(positive, DType::i64), searchsorted(thresholds, p)}, {.axis = -1});
    above.assign_add(scatter_nd(place, w, above.shape()));
  }
  static Tensor within(const Tensor& p) { return logical_and(p >= 0, p <= 1); }
  // The first prediction outside of [0, 1], if there is one: a mistake that is told at once, or by result() after a
  // trace.
  void see(const Tensor& prediction) {
    if (graph::Tracer::current()) outside.assign(where(within(outside), prediction, outside));
    else check(prediction);
  }
  void check(const Tensor& prediction) const {
    const double v = prediction.item<double>();
    if (!(v >= 0 && v <= 1)) throw UsageError(fmt::format("{}: predictions must be in [0, 1], got {}.", name, v));
  }
  // One for each threshold.
  std::vector<Counts> counts() const {
    check(outside);
    std::vector<Counts> out(std::size_t(thresholds.size()));
    const std::vector<double> weights = above.value().to_vector<double>();
    for (std::size_t n = 0; n <= out.size(); ++n)
      for (std::size_t k = 0; k < out.size(); ++k) {
        (k < n ? out[k].tp : out[k].fn) += weights[out.size() + 1 + n];
        (k < n ? out[k].fp : out[k].tn) += weights[n];
      }
    return out;
  }
  std::vector<Variable> variables() const override { return {above, outside}; }
};

double ratio(double a, double b) { return b == 0 ? 0 : a / b; }

struct PrecisionOrRecall final : Confusion {
  bool precision;
  PrecisionOrRecall(const std::string& name, const std::vector<double>& at, bool is_precision)
      : Confusion(name, at), precision(is_precision) {}
  std::vector<double> results() const {
    std::vector<double> out;
    for (auto& c : counts()) out.push_back(ratio(c.tp, c.tp + (precision ? c.fp : c.fn)));
    return out;
  }
  double result() const override { return results()[0]; }
};

struct AUCImpl final : Confusion {
  metrics::AUCOptions options;
  AUCImpl(const metrics::AUCOptions& o, const std::vector<double>& at) : Confusion(o.name, at), options(o) {}
  void update(const Tensor& t, const Tensor& p, const Tensor& weight) override {
    Confusion::update(t, options.from_logits ? sigmoid(p) : p, weight);
  }
  double result() const override { return options.curve == metrics::Curve::roc ? roc() : precision_recall(); }

  double roc() const {
    const auto c = counts();
    double area = 0;
    auto x = [&](std::size_t i) { return ratio(c[i].fp, c[i].fp + c[i].tn); };
    auto y = [&](std::size_t i) { return ratio(c[i].tp, c[i].tp + c[i].fn); };
    for (std::size_t i = 0; i + 1 < c.size(); ++i) area += (x(i) - x(i + 1)) * (y(i) + y(i + 1)) / 2;
    return area;
  }
  double precision_recall() const {
    const auto c = counts();
    double area = 0;
    for (std::size_t i = 0; i + 1 < c.size(); ++i) {
      const Counts &a = c[i], &b = c[i + 1];
      const double dtp = a.tp - b.tp, p = a.tp + a.fp, q = b.tp + b.fp;
      const double slope = ratio(dtp, std::max(p - q, 0.0)), intercept = b.tp - slope * q;
      const double relative = p > 0 && q > 0 ? p / q : 1;
      area += ratio(slope * (dtp + intercept * std::log(relative)), b.tp + b.fn);
    }
    return area;
  }
};

void check_thresholds(const char* type, const std::vector<double>& at) {
  for (double t : at)
    if (!(t >= 0 && t <= 1)) throw UsageError(fmt::format("{}: thresholds must be in [0, 1], got {}.", type, t));
  if (at.empty() || !std::is_sorted(at.begin(), at.end()))
    throw UsageError(fmt::format("{}: thresholds must ascend, got [{}].", type, fmt::join(at, ", ")));
}
void check_k(const char* type, int k) {
  if (k < 1) throw UsageError(fmt::format("{}: k must be 1 or more, got {}.", type, k));
}

}  // namespace

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

Accuracy::Accuracy(std::string n) : Metric(std::make_shared<MeanOf>(std::move(n), equal_values)) {}
BinaryAccuracy::BinaryAccuracy(double threshold, std::string n, Where where)
    : Metric(std::make_shared<MeanOf>(std::move(n), above(threshold))) {
  CallSite site(where);
  check_thresholds("BinaryAccuracy", {threshold});
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
MeanSquaredError::MeanSquaredError(std::string n)
    : Metric(std::make_shared<MeanOf>(n, errors(n, [](const Tensor& e) { return square(e); }))) {}
MeanAbsoluteError::MeanAbsoluteError(std::string n)
    : Metric(std::make_shared<MeanOf>(n, errors(n, [](const Tensor& e) { return abs(e); }))) {}
RootMeanSquaredError::RootMeanSquaredError(std::string n)
    : Metric(std::make_shared<MeanOf>(n, errors(n, [](const Tensor& e) { return square(e); }), true)) {}

Precision::Precision(const Thresholds& at, std::string n, Where where)
    : Metric(std::make_shared<PrecisionOrRecall>(std::move(n), at, true)) {
  CallSite site(where);
  check_thresholds("Precision", at);
}
std::vector<double> Precision::results() const { return static_cast<PrecisionOrRecall&>(*impl_).results(); }
Recall::Recall(const Thresholds& at, std::string n, Where where)
    : Metric(std::make_shared<PrecisionOrRecall>(std::move(n), at, false)) {
  CallSite site(where);
  check_thresholds("Recall", at);
}
std::vector<double> Recall::results() const { return static_cast<PrecisionOrRecall&>(*impl_).results(); }

// Thresholds: evenly spaced, the ends moved out by 1e-7 so that 0 and 1 are inside.
AUC::AUC(const AUCOptions& o, Where where) : Metric(std::shared_ptr<Impl>()) {
  CallSite site(where);
  if (o.num_thresholds < 2)
    throw UsageError(fmt::format("AUC: num_thresholds must be 2 or more, got {}.", o.num_thresholds));
  std::vector<double> at{-1e-7};
  for (int i = 1; i + 1 < o.num_thresholds; ++i) at.push_back(double(i) / (o.num_thresholds - 1));
  at.push_back(1 + 1e-7);
  impl_ = std::make_shared<AUCImpl>(o, std::move(at));
}

}  // namespace metrics

namespace {
using Make = Metric (*)();
const std::pair<const char*, Make> table[] = {
    {"acc", nullptr},
    {"accuracy", nullptr},
    {"auc", [] { return Metric(metrics::AUC()); }},
    {"binary_accuracy", [] { return Metric(metrics::BinaryAccuracy()); }},
    {"categorical_accuracy", [] { return Metric(metrics::CategoricalAccuracy()); }},
    {"mae", [] { return Metric(metrics::MeanAbsoluteError("mae")); }},
    {"mean_absolute_error", [] { return Metric(metrics::MeanAbsoluteError()); }},
    {"mean_squared_error", [] { return Metric(metrics::MeanSquaredError()); }},
    {"mse", [] { return Metric(metrics::MeanSquaredError("mse")); }},
    {"precision", [] { return Metric(metrics::Precision()); }},
    {"recall", [] { return Metric(metrics::Recall()); }},
    {"root_mean_squared_error", [] { return Metric(metrics::RootMeanSquaredError()); }},
    {"sparse_categorical_accuracy", [] { return Metric(metrics::SparseCategoricalAccuracy()); }},
    {"sparse_top_k_categorical_accuracy", [] { return Metric(metrics::SparseTopKCategoricalAccuracy()); }},
    {"top_k_categorical_accuracy", [] { return Metric(metrics::TopKCategoricalAccuracy()); }},
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
double Metric::result() const { return impl_->result(); }
void Metric::reset() { impl_->reset(); }
const std::string& Metric::name() const { return impl_->name; }
std::vector<Variable> Metric::variables() const { return impl_->variables(); }

}  // namespace tapir::nn
