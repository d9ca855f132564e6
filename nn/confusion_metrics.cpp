#include <tapir/graph/trace.h>
#include <tapir/nn/confusion_metrics.h>
#include <tapir/nn/metric_impl.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/gather.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/ranges.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>
#include <tapir/ops/sort.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace tapir::nn::metrics {
namespace {

using detail::ratio;
using Made = std::shared_ptr<Metric::Impl>;

// Weighted counts of true and false positives and negatives.
struct Counts {
  double tp = 0, fp = 0, fn = 0, tn = 0;
  double precision() const { return ratio(tp, tp + fp); }
  double recall() const { return ratio(tp, tp + fn); }
  double specificity() const { return ratio(tn, tn + fp); }
  double gain(double wrong) const { return 1 - ratio(tp + fn, tn + fp) * ratio(wrong, tp); }
  double recall_gain() const { return tp == 0 ? 0 : std::max(gain(fn), 0.0); }
  double precision_gain() const { return tp == 0 ? 1 : gain(fp); }
};

constexpr double kBelowAll = -1e10;  // as Thresholds::none()

// Which predictions are looked at.
struct Look {
  int top_k = 0, class_id = -1;
  bool any_number = false;  // they need not be in [0, 1]
  bool multi_label = false;
  std::vector<double> label_weights = {};
};

// Predictions and thresholds meet in f32, as in Keras. state: a prediction that a traced step saw outside of [0, 1],
// else any that is not; [labels, 2, n + 1]: the weights of negatives and positives that lie above exactly so many
// thresholds, in one pot unless labels are told apart.
struct Confusion : Metric::Impl {
  Tensor thresholds;  // ascending
  Look look;
  Confusion(const std::string& name, const std::vector<double>& at, Look of = {})
      : Impl(name), thresholds(Tensor::from_vector(std::vector<float>(at.begin(), at.end()))), look(std::move(of)) {
    add_state("outside");
    if (!look.multi_label) make_counts(1);
  }
  void make_counts(std::int64_t labels) { add_state("above", {labels, 2, thresholds.size() + 1}); }

  void update(const Tensor& y_true, const Tensor& given, const Tensor& weight) override {
    Tensor y_pred = given, like = detail::labels_like(name, y_true, given);
    if (y_pred.size() == 0) return;
    std::int64_t labels = 1;
    if (look.multi_label) {
      if (y_pred.rank() != 2)
        throw ShapeError(fmt::format("{}: multi_label needs y_pred [N, labels], got {}.", name, given.shape().str()));
      labels = y_pred.shape()[1];
      if (state.size() == 1) make_counts(labels);
      else if (state[1].shape()[0] != labels)
        throw ShapeError(fmt::format("{}: had {} labels, got {}.", name, state[1].shape()[0], labels));
    }
    const std::int64_t classes = y_pred.rank() > 0 ? y_pred.shape().back() : 1;
    if (look.class_id >= classes || (look.class_id >= 0 && y_pred.rank() < 2))
      throw ShapeError(fmt::format("{}: there is no class {} in y_pred {}.", name, look.class_id, given.shape().str()));
    Tensor p = astype(y_pred, DType::f32);
    if (!look.any_number) see(p);
    if (look.top_k > 0) p = top_only(p);
    if (look.class_id >= 0) p = narrow(p, -1, look.class_id, 1), like = narrow(like, -1, look.class_id, 1);
    Tensor w = weight.defined() ? detail::spread(name, weight, p.shape()) : ones(p.shape(), DType::f64);
    if (!look.label_weights.empty() && !look.multi_label) w = w * weights_of(classes);
    const Tensor positive = reshape(not_equal(like, 0), {-1}),
                 label = labels > 1 ? tile(arange(labels), {p.shape()[0]}) : zeros({p.size()}, DType::i64);
    p = reshape(p, {-1});
    const Tensor place = stack({label, astype(positive, DType::i64), searchsorted(thresholds, p)}, {.axis = -1});
    state[1].assign_add(scatter_nd(place, reshape(w, {-1}), state[1].shape()));
  }

  Tensor weights_of(std::int64_t labels) const {
    if (labels != std::int64_t(look.label_weights.size()))
      throw ShapeError(
          fmt::format("{}: there are {} label_weights for {} labels.", name, look.label_weights.size(), labels));
    return Tensor::from_vector(look.label_weights);
  }
  Tensor top_only(const Tensor& p) const {
    if (p.rank() < 1 || p.shape().back() < look.top_k)
      throw ShapeError(fmt::format("{}: top_k {} of y_pred {}.", name, look.top_k, p.shape().str()));
    const Tensor chosen = sum(one_hot(top_k(p, look.top_k).indices, p.shape().back()), {.axis = -2});
    return where(chosen > 0, p, kBelowAll);
  }
  static Tensor within(const Tensor& p) { return logical_and(p >= 0, p <= 1); }
  // The first prediction outside of [0, 1], if there is one: a mistake that is told at once, or by result() after a
  // trace.
  void see(const Tensor& p) {
    const Tensor flat = reshape(p, {-1});
    const Tensor one = astype(take(flat, argmax(astype(logical_not(within(flat)), DType::u8))), DType::f64);
    if (graph::Tracer::current()) state[0].assign(where(within(state[0]), one, state[0]));
    else check(one.item<double>());
  }
  void check(double prediction) const {
    if (!(prediction >= 0 && prediction <= 1))
      throw UsageError(fmt::format("{}: predictions must be in [0, 1], got {}.", name, prediction));
  }

  // For each label, one for each threshold.
  std::vector<std::vector<Counts>> counts() const {
    check(number(0));
    const std::size_t n = std::size_t(thresholds.size());
    if (state.size() == 1) return {std::vector<Counts>(n)};
    const std::vector<double> weights = numbers(1);
    std::vector<std::vector<Counts>> all(weights.size() / (2 * n + 2), std::vector<Counts>(n));
    for (std::size_t l = 0; l < all.size(); ++l) {
      const double* negatives = &weights[l * (2 * n + 2)];
      const double* positives = negatives + n + 1;
      for (std::size_t above = 0; above <= n; ++above)
        for (std::size_t k = 0; k < n; ++k) {
          (k < above ? all[l][k].tp : all[l][k].fn) += positives[above];
          (k < above ? all[l][k].fp : all[l][k].tn) += negatives[above];
        }
    }
    return all;
  }
};

// A number of each threshold's counts.
struct OfCounts final : Confusion {
  double (*f)(const Counts&);
  OfCounts(const std::string& name, const std::vector<double>& at, double (*of)(const Counts&), const Look& look = {})
      : Confusion(name, at, look), f(of) {}
  std::vector<double> results() const override {
    std::vector<double> out;
    const auto all = counts();
    for (auto& c : all[0]) out.push_back(f(c));
    return out;
  }
};

// The best of one number where another is at least `least`.
struct OperatingPoint final : Confusion {
  double (Counts::*best)() const;
  double (Counts::*constrained)() const;
  double least;
  OperatingPoint(const std::string& name, const std::vector<double>& at, const Look& look,
                 double (Counts::*wanted)() const, double (Counts::*other)() const, double value)
      : Confusion(name, at, look), best(wanted), constrained(other), least(value) {}
  std::vector<double> results() const override {
    double found = 0;
    const auto all = counts();
    for (auto& c : all[0])
      if ((c.*constrained)() >= least) found = std::max(found, (c.*best)());
    return {found};
  }
};

struct Area final : Confusion {
  AUCOptions options;
  Area(const AUCOptions& o, const std::vector<double>& at)
      : Confusion(o.name, at, {.multi_label = o.multi_label, .label_weights = o.label_weights}), options(o) {}
  void update(const Tensor& t, const Tensor& p, const Tensor& weight) override {
    if (look.multi_label && !look.label_weights.empty() && p.rank() == 2) weights_of(p.shape()[1]);
    Confusion::update(t, options.from_logits ? sigmoid(p) : p, weight);
  }
  std::vector<double> results() const override {
    const auto all = counts();
    double total = 0, weights = 0;
    for (std::size_t l = 0; l < all.size(); ++l) {
      const double w = look.multi_label && l < look.label_weights.size() ? look.label_weights[l] : 1;
      total += w * area(all[l]), weights += w;
    }
    return {ratio(total, weights)};
  }
  double area(const std::vector<Counts>& c) const {
    if (options.curve == Curve::pr && options.summation_method == Summation::interpolation)
      return interpolated_precision(c);
    double sum = 0;
    const Curve curve = options.curve;
    auto x = [&](std::size_t i) {
      return curve == Curve::roc  ? ratio(c[i].fp, c[i].fp + c[i].tn)
             : curve == Curve::pr ? c[i].recall()
                                  : c[i].recall_gain();
    };
    auto y = [&](std::size_t i) {
      return curve == Curve::roc ? c[i].recall() : curve == Curve::pr ? c[i].precision() : c[i].precision_gain();
    };
    for (std::size_t i = 0; i + 1 < c.size(); ++i) {
      const double a = y(i), b = y(i + 1);
      const double height = options.summation_method == Summation::minoring   ? std::min(a, b)
                            : options.summation_method == Summation::majoring ? std::max(a, b)
                                                                              : (a + b) / 2;
      sum += (x(i) - x(i + 1)) * height;
    }
    return sum;
  }
  static double interpolated_precision(const std::vector<Counts>& c) {
    double sum = 0;
    for (std::size_t i = 0; i + 1 < c.size(); ++i) {
      const Counts &a = c[i], &b = c[i + 1];
      const double dtp = a.tp - b.tp, p = a.tp + a.fp, q = b.tp + b.fp;
      const double slope = ratio(dtp, std::max(p - q, 0.0)), intercept = b.tp - slope * q;
      const double relative = p > 0 && q > 0 ? p / q : 1;
      sum += ratio(slope * (dtp + intercept * std::log(relative)), b.tp + b.fn);
    }
    return sum;
  }
};

// state: [4, classes]: true positives, false positives, false negatives, positives.
struct FScore final : Metric::Impl {
  FBetaScoreOptions options;
  explicit FScore(const FBetaScoreOptions& o) : Impl(o.name), options(o) {}

  void update(const Tensor& y_true, const Tensor& y_pred, const Tensor& weight) override {
    if (y_pred.rank() != 2 || y_true.shape() != y_pred.shape())
      throw ShapeError(fmt::format("{}: y_true and y_pred must both be [N, classes], got {} and {}.", name,
                                   y_true.shape().str(), y_pred.shape().str()));
    const std::int64_t classes = y_pred.shape()[1];
    if (state.empty()) add_state("sums", {4, classes});
    else if (state[0].shape()[1] != classes)
      throw ShapeError(fmt::format("{}: had {} classes, got {}.", name, state[0].shape()[1], classes));
    if (y_pred.size() == 0) return;
    const Tensor chosen = options.threshold
                              ? y_pred > *options.threshold
                              : logical_and(y_pred >= max(y_pred, {.axis = -1, .keepdims = true}), abs(y_pred) > 1e-9);
    const Tensor p = astype(chosen, DType::f64), t = astype(y_true, DType::f64);
    const Tensor w = weight.defined() ? detail::spread(name, weight, p.shape()) : Tensor();
    auto total = [&](const Tensor& x) { return sum(w.defined() ? x * w : x, {.axis = 0}); };
    state[0].assign_add(stack({total(p * t), total(p * (1 - t)), total((1 - p) * t), total(t)}));
  }

  std::vector<double> results() const override {
    if (state.empty()) return {0};
    std::vector<double> s = numbers(0);
    std::size_t n = s.size() / 4;
    if (options.average == Average::micro) {
      std::vector<double> pot(4, 0.0);
      for (std::size_t i = 0; i < s.size(); ++i) pot[i / n] += s[i];
      s = pot, n = 1;
    }
    const double epsilon = 1e-7, square = options.beta * options.beta;
    std::vector<double> scores;
    double positives = epsilon, mean = 0, weighted = 0;
    for (std::size_t i = 0; i < n; ++i) positives += s[3 * n + i];
    for (std::size_t i = 0; i < n; ++i) {
      const double tp = s[i], precision = tp / (tp + s[n + i] + epsilon), recall = tp / (tp + s[2 * n + i] + epsilon);
      scores.push_back(precision * recall / (square * precision + recall + epsilon) * (1 + square));
      mean += scores[i] / double(n), weighted += scores[i] * s[3 * n + i] / positives;
    }
    if (options.average == Average::macro) return {mean};
    if (options.average == Average::weighted) return {weighted};
    return scores;
  }
};

void check_thresholds(const char* type, const std::vector<double>& at) {
  for (double t : at)
    if (!(t >= 0 && t <= 1)) throw UsageError(fmt::format("{}: thresholds must be in [0, 1], got {}.", type, t));
  if (at.empty() || !std::is_sorted(at.begin(), at.end()))
    throw UsageError(fmt::format("{}: thresholds must ascend, got [{}].", type, fmt::join(at, ", ")));
}

Made of_counts(const char* type, const Thresholds& at, const std::string& name, double (*f)(const Counts&),
               const Where& where, const ClassOptions& o = {}) {
  CallSite site(where);
  const bool any_number = at == Thresholds::none();
  if (!any_number) check_thresholds(type, at);
  if (o.top_k < 0) throw UsageError(fmt::format("{}: top_k must be 0 or more, got {}.", type, o.top_k));
  return std::make_shared<OfCounts>(name, at, f,
                                    Look{.top_k = o.top_k, .class_id = o.class_id, .any_number = any_number});
}

double precision_of(const Counts& c) { return c.precision(); }
double recall_of(const Counts& c) { return c.recall(); }

Made operating_point(const char* type, const char* what, const char* default_name, double value,
                     const OperatingPointOptions& o, double (Counts::*best)() const,
                     double (Counts::*constrained)() const, const Where& where) {
  CallSite site(where);
  if (!(value >= 0 && value <= 1))
    throw UsageError(fmt::format("{}: {} must be in [0, 1], got {}.", type, what, value));
  if (o.num_thresholds < 1)
    throw UsageError(fmt::format("{}: num_thresholds must be 1 or more, got {}.", type, o.num_thresholds));
  std::vector<double> at;
  for (int i = 0; i < o.num_thresholds; ++i) at.push_back(double(i) / (o.num_thresholds - 1));
  if (o.num_thresholds == 1) at = {0.5};
  return std::make_shared<OperatingPoint>(o.name.empty() ? default_name : o.name, at, Look{.class_id = o.class_id},
                                          best, constrained, value);
}

}  // namespace

TruePositives::TruePositives(const Thresholds& at, std::string n, Where where)
    : Metric(of_counts(
          "TruePositives", at, n, [](const Counts& c) { return c.tp; }, where)) {}
TrueNegatives::TrueNegatives(const Thresholds& at, std::string n, Where where)
    : Metric(of_counts(
          "TrueNegatives", at, n, [](const Counts& c) { return c.tn; }, where)) {}
FalsePositives::FalsePositives(const Thresholds& at, std::string n, Where where)
    : Metric(of_counts(
          "FalsePositives", at, n, [](const Counts& c) { return c.fp; }, where)) {}
FalseNegatives::FalseNegatives(const Thresholds& at, std::string n, Where where)
    : Metric(of_counts(
          "FalseNegatives", at, n, [](const Counts& c) { return c.fn; }, where)) {}

Precision::Precision(const Thresholds& at, std::string n, const ClassOptions& o, Where where)
    : Metric(of_counts("Precision", at, n, precision_of, where, o)) {}
Recall::Recall(const Thresholds& at, std::string n, const ClassOptions& o, Where where)
    : Metric(of_counts("Recall", at, n, recall_of, where, o)) {}

SensitivityAtSpecificity::SensitivityAtSpecificity(double specificity, const OperatingPointOptions& o, Where where)
    : Metric(operating_point("SensitivityAtSpecificity", "specificity", "sensitivity_at_specificity", specificity, o,
                             &Counts::recall, &Counts::specificity, where)) {}
SpecificityAtSensitivity::SpecificityAtSensitivity(double sensitivity, const OperatingPointOptions& o, Where where)
    : Metric(operating_point("SpecificityAtSensitivity", "sensitivity", "specificity_at_sensitivity", sensitivity, o,
                             &Counts::specificity, &Counts::recall, where)) {}
PrecisionAtRecall::PrecisionAtRecall(double recall, const OperatingPointOptions& o, Where where)
    : Metric(operating_point("PrecisionAtRecall", "recall", "precision_at_recall", recall, o, &Counts::precision,
                             &Counts::recall, where)) {}
RecallAtPrecision::RecallAtPrecision(double precision, const OperatingPointOptions& o, Where where)
    : Metric(operating_point("RecallAtPrecision", "precision", "recall_at_precision", precision, o, &Counts::recall,
                             &Counts::precision, where)) {}

// Thresholds: evenly spaced unless given, the ends moved out by 1e-7 so that 0 and 1 are inside.
AUC::AUC(const AUCOptions& o, Where where) : Metric(std::shared_ptr<Impl>()) {
  CallSite site(where);
  if (o.num_thresholds < 2)
    throw UsageError(fmt::format("AUC: num_thresholds must be 2 or more, got {}.", o.num_thresholds));
  if (!o.thresholds.empty()) check_thresholds("AUC", o.thresholds);
  std::vector<double> at = o.thresholds;
  for (int i = 1; o.thresholds.empty() && i + 1 < o.num_thresholds; ++i)
    at.push_back(double(i) / (o.num_thresholds - 1));
  at.insert(at.begin(), -1e-7);
  at.push_back(1 + 1e-7);
  impl_ = std::make_shared<Area>(o, at);
}

FBetaScore::FBetaScore(const FBetaScoreOptions& o, Where where) : Metric(std::make_shared<FScore>(o)) {
  CallSite site(where);
  if (!(o.beta > 0)) throw UsageError(fmt::format("FBetaScore: beta must be positive, got {}.", o.beta));
  if (o.threshold && !(*o.threshold > 0 && *o.threshold <= 1))
    throw UsageError(fmt::format("FBetaScore: threshold must be in (0, 1], got {}.", *o.threshold));
}

}  // namespace tapir::nn::metrics
