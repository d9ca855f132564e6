// Metrics beside real Keras: every case of test/golden/metrics.json and more_metrics.json; resets, names, empty
// batches.
#include <tapir/test/ops/golden.h>

#include <optional>

using namespace tapir;
using nlohmann::json;
namespace metrics = nn::metrics;

namespace {

struct CaseAttrs {
  json left;
  template <class T>
  T take(const char* key, T fallback) {
    if (!left.contains(key)) return fallback;
    T v = left.at(key).get<T>();
    left.erase(key);
    return v;
  }
};

metrics::Thresholds thresholds(CaseAttrs& a) {
  if (!a.left.contains("thresholds"))
    return a.left.contains("top_k") ? metrics::Thresholds::none() : metrics::Thresholds(0.5);
  if (a.left["thresholds"].is_number()) return a.take("thresholds", 0.5);
  return a.take("thresholds", std::vector<double>());
}

metrics::ClassOptions of_classes(CaseAttrs& a) {
  return {.top_k = a.take("top_k", 0), .class_id = a.take("class_id", -1)};
}

metrics::OperatingPointOptions operating_point(CaseAttrs& a) {
  return {.num_thresholds = a.take("num_thresholds", 200), .class_id = a.take("class_id", -1)};
}

nn::LossOptions loss_options(CaseAttrs& a) {
  nn::LossOptions o{.from_logits = a.take("from_logits", false), .label_smoothing = a.take("label_smoothing", 0.0)};
  if (a.left.contains("ignore_class")) o.ignore_class = a.take<std::int64_t>("ignore_class", 0);
  return o;
}

metrics::Average average(CaseAttrs& a) {
  const std::string name = a.take<std::string>("average", "");
  return name == "micro"      ? metrics::Average::micro
         : name == "macro"    ? metrics::Average::macro
         : name == "weighted" ? metrics::Average::weighted
                              : metrics::Average::none;
}

std::optional<double> threshold(CaseAttrs& a) {
  return a.left.contains("threshold") ? std::optional(a.take("threshold", 0.0)) : std::nullopt;
}

metrics::AUCOptions auc(CaseAttrs& a) {
  const std::string method = a.take<std::string>("summation_method", ""), curve = a.take<std::string>("curve", "ROC");
  return {.num_thresholds = a.take("num_thresholds", 200),
          .curve = curve == "ROC"  ? metrics::Curve::roc
                   : curve == "PR" ? metrics::Curve::pr
                                   : metrics::Curve::pr_gain,
          .from_logits = a.take("from_logits", false),
          .summation_method = method == "minoring"   ? metrics::Summation::minoring
                              : method == "majoring" ? metrics::Summation::majoring
                                                     : metrics::Summation::interpolation,
          .thresholds = a.take("thresholds", std::vector<double>()),
          .multi_label = a.take("multi_label", false),
          .label_weights = a.take("label_weights", std::vector<double>())};
}

metrics::R2ScoreOptions r2(CaseAttrs& a) {
  metrics::R2ScoreOptions o{.num_regressors = a.take("num_regressors", 0)};
  if (!a.left.contains("class_aggregation")) return o;
  const bool weighted = a.left["class_aggregation"] == "variance_weighted_average";
  a.left.erase("class_aggregation");
  o.class_aggregation = weighted ? metrics::Aggregation::variance_weighted_average : metrics::Aggregation::none;
  return o;
}

using Classes = std::vector<std::int64_t>;
std::optional<std::int64_t> ignored(CaseAttrs& a) {
  return a.left.contains("ignore_class") ? std::optional(a.take<std::int64_t>("ignore_class", 0)) : std::nullopt;
}
metrics::IoUOptions iou(CaseAttrs& a) {
  return {.ignore_class = ignored(a), .sparse_y_pred = a.take("sparse_y_pred", true)};
}

nn::Metric make_more(const std::string& op, CaseAttrs& a) {
  if (op == "Sum") return metrics::Sum();
  if (op == "MeanAbsolutePercentageError") return metrics::MeanAbsolutePercentageError();
  if (op == "MeanSquaredLogarithmicError") return metrics::MeanSquaredLogarithmicError();
  if (op == "LogCoshError") return metrics::LogCoshError();
  if (op == "CosineSimilarity") return metrics::CosineSimilarity(a.take("axis", -1));
  if (op == "Hinge") return metrics::Hinge();
  if (op == "SquaredHinge") return metrics::SquaredHinge();
  if (op == "CategoricalHinge") return metrics::CategoricalHinge();
  if (op == "KLDivergence") return metrics::KLDivergence();
  if (op == "Poisson") return metrics::Poisson();
  if (op == "BinaryCrossentropy") return metrics::BinaryCrossentropy(loss_options(a));
  if (op == "CategoricalCrossentropy") return metrics::CategoricalCrossentropy(loss_options(a));
  if (op == "SparseCategoricalCrossentropy") return metrics::SparseCategoricalCrossentropy(loss_options(a));
  if (op == "R2Score") return metrics::R2Score(r2(a));
  if (op == "PearsonCorrelation") return metrics::PearsonCorrelation(a.take("axis", -1));
  if (op == "ConcordanceCorrelation") return metrics::ConcordanceCorrelation(a.take("axis", -1));
  if (op == "TruePositives") return metrics::TruePositives(thresholds(a));
  if (op == "TrueNegatives") return metrics::TrueNegatives(thresholds(a));
  if (op == "FalsePositives") return metrics::FalsePositives(thresholds(a));
  if (op == "FalseNegatives") return metrics::FalseNegatives(thresholds(a));
  if (op == "SensitivityAtSpecificity")
    return metrics::SensitivityAtSpecificity(a.take("specificity", 0.0), operating_point(a));
  if (op == "SpecificityAtSensitivity")
    return metrics::SpecificityAtSensitivity(a.take("sensitivity", 0.0), operating_point(a));
  if (op == "PrecisionAtRecall") return metrics::PrecisionAtRecall(a.take("recall", 0.0), operating_point(a));
  if (op == "RecallAtPrecision") return metrics::RecallAtPrecision(a.take("precision", 0.0), operating_point(a));
  if (op == "FBetaScore")
    return metrics::FBetaScore({.average = average(a), .beta = a.take("beta", 1.0), .threshold = threshold(a)});
  if (op == "F1Score") return metrics::F1Score({.average = average(a), .threshold = threshold(a)});
  if (op == "BinaryIoU")
    return metrics::BinaryIoU(
        {.target_class_ids = a.take("target_class_ids", Classes{0, 1}), .threshold = a.take("threshold", 0.5)});
  const std::int64_t classes = a.take<std::int64_t>("num_classes", 0);
  const Classes ids = a.take("target_class_ids", Classes());
  if (op == "IoU") return metrics::IoU(classes, ids, iou(a));
  if (op == "MeanIoU") return metrics::MeanIoU(classes, iou(a));
  if (op == "OneHotIoU") return metrics::OneHotIoU(classes, ids);
  REQUIRE_MESSAGE(op == "OneHotMeanIoU", "no metric " << op);
  return metrics::OneHotMeanIoU(classes, {.sparse_y_pred = a.take("sparse_y_pred", false)});
}

nn::Metric make(const std::string& op, CaseAttrs& a) {
  if (op == "Mean") return metrics::Mean();
  if (op == "MeanSquaredError") return metrics::MeanSquaredError();
  if (op == "MeanAbsoluteError") return metrics::MeanAbsoluteError();
  if (op == "RootMeanSquaredError") return metrics::RootMeanSquaredError();
  if (op == "Accuracy") return metrics::Accuracy();
  if (op == "BinaryAccuracy") return metrics::BinaryAccuracy(a.take("threshold", 0.5));
  if (op == "CategoricalAccuracy") return metrics::CategoricalAccuracy();
  if (op == "SparseCategoricalAccuracy") return metrics::SparseCategoricalAccuracy();
  if (op == "TopKCategoricalAccuracy") return metrics::TopKCategoricalAccuracy(a.take("k", 5));
  if (op == "SparseTopKCategoricalAccuracy") return metrics::SparseTopKCategoricalAccuracy(a.take("k", 5));
  if (op == "Precision") {
    const metrics::Thresholds at = thresholds(a);
    return metrics::Precision(at, "precision", of_classes(a));
  }
  if (op == "Recall") {
    const metrics::Thresholds at = thresholds(a);
    return metrics::Recall(at, "recall", of_classes(a));
  }
  if (op == "AUC") return metrics::AUC(auc(a));
  return make_more(op, a);
}

bool of_values(const std::string& op) { return op == "Mean" || op == "Sum"; }

const golden::Family& more_family() {
  static const golden::Family f("more_metrics");
  return f;
}

const golden::Family& family() {
  static const golden::Family f("metrics");
  return f;
}

}  // namespace

// After one batch, two, and a reset; traced, where the metric is of y_true and y_pred, by one graph for each shape.
void check_cases(const golden::Family& from, double tolerance) {
  for (auto& c : from.cases) {
    const std::string name = c["name"], op = c["op"];
    INFO(name);
    auto get = [&](const std::string& field, int i) {
      const std::string full = field + std::to_string(i);
      return io::contains(from.arrays, name + "." + full) ? from.get(name, full) : Tensor();
    };
    CaseAttrs attrs{c["attrs"]}, again{c["attrs"]};
    nn::Metric metric = make(op, attrs), traced_metric = make(op, again);
    CHECK_MESSAGE(attrs.left.empty(), "not used: " << attrs.left.dump());
    auto update = [&](int i) {
      const Tensor weight = get("sample_weight", i);
      if (op == "Mean") static_cast<metrics::Mean&>(metric).update(get("values", i), weight);
      else if (op == "Sum") static_cast<metrics::Sum&>(metric).update(get("values", i), weight);
      else metric.update(get("y_true", i), get("y_pred", i), weight);
    };
    auto check = [&](const nn::Metric& m, int i) {
      const auto expected = get("result", i).to_vector<float>();
      const auto found = m.results();
      REQUIRE(found.size() == expected.size());
      for (std::size_t k = 0; k < found.size(); ++k)
        CHECK(found[k] == doctest::Approx(double(expected[k])).epsilon(tolerance));
      CHECK(found[0] == m.result());
    };
    CHECK(metric.result() == 0);
    update(1);
    check(metric, 1);
    update(2);
    check(metric, 2);
    metric.reset();
    CHECK(metric.result() == 0);
    update(1);
    check(metric, 1);
    if (of_values(op)) continue;
    auto step = function([&](const Tensor& t, const Tensor& p, const Tensor& w) {
      traced_metric.update(t, p, w.rank() > 0 ? w : Tensor());
      return sum(p);
    });
    for (int i : {1, 2}) {
      const Tensor weight = get("sample_weight", i);
      step(get("y_true", i), get("y_pred", i), weight.defined() ? weight : Tensor(1.0f));
      check(traced_metric, i);
    }
  }
}

TEST_CASE("results after one batch, two, and a reset are those of Keras") { check_cases(family(), 1e-6); }
TEST_CASE("the same of the metrics that came later") { check_cases(more_family(), 3e-6); }

TEST_CASE("f64 and f16 predictions, integer and bool labels") {
  for (auto& c : family().cases) {
    const std::string name = c["name"], op = c["op"];
    if (op == "Mean") continue;
    INFO(name);
    const Tensor t = family().get(name, "y_true1"),
                 p = family().get(name, "y_pred1").astype(DType::f16).astype(DType::f32);
    auto result = [&](const Tensor& y_true, const Tensor& y_pred) {
      CaseAttrs attrs{c["attrs"]};
      nn::Metric m = make(op, attrs);
      m.update(y_true, y_pred);
      return m.result();
    };
    const double expected = result(t, p);
    CHECK(result(t, p.astype(DType::f64)) == doctest::Approx(expected));
    CHECK(result(t, p.astype(DType::f16)) ==
          doctest::Approx(expected).epsilon(2e-3));  // f16 averages over the last axis
    if (name.find("error") != std::string::npos) continue;
    CHECK(result(t.astype(DType::i32), p) == doctest::Approx(expected));
    CHECK(result(t.astype(DType::u8), p) == doctest::Approx(expected));
    if (op == "Precision" || op == "Recall" || op == "AUC" || op == "BinaryAccuracy" || op == "CategoricalAccuracy")
      CHECK(result(t.astype(DType::boolean), p) == doctest::Approx(expected));
  }
}

TEST_CASE("no examples change nothing") {
  for (auto* from : {&family(), &more_family()})
    for (auto& c : from->cases) {
      const std::string name = c["name"], op = c["op"];
      if (of_values(op)) continue;
      INFO(name);
      CaseAttrs attrs{c["attrs"]};
      nn::Metric m = make(op, attrs);
      const Tensor t = from->get(name, "y_true1"), p = from->get(name, "y_pred1");
      m.update(t, p);
      const std::vector<double> before = m.results();
      m.update(t[Slice(0, 0)], p[Slice(0, 0)]);
      CHECK(m.results() == before);
    }
}

TEST_CASE("names: of the metric, and what each stands for") {
  CHECK(metrics::Mean().name() == "mean");
  CHECK(metrics::BinaryAccuracy().name() == "binary_accuracy");
  CHECK(metrics::AUC().name() == "auc");
  CHECK(metrics::AUC({.name = "area"}).name() == "area");
  CHECK(metrics::Precision(0.7, "strict").name() == "strict");
  const Tensor t = tensor({{1.0f}, {0.0f}, {1.0f}, {1.0f}}), p = tensor({{0.9f}, {0.8f}, {0.3f}, {0.6f}});
  for (auto [name, expected] :
       std::initializer_list<std::pair<const char*, double>>{{"acc", 0.5},
                                                             {"accuracy", 0.5},
                                                             {"auc", 1.0 / 3},
                                                             {"binary_accuracy", 0.5},
                                                             {"categorical_accuracy", 1},
                                                             {"mae", 0.5},
                                                             {"mean_absolute_error", 0.5},
                                                             {"mean_squared_error", 1.3 / 4},
                                                             {"mse", 1.3 / 4},
                                                             {"precision", 2.0 / 3},
                                                             {"recall", 2.0 / 3},
                                                             {"root_mean_squared_error", std::sqrt(1.3 / 4)}}) {
    INFO(name);
    nn::Metric m(name);
    CHECK(m.name() == name);
    m.update(t, p);
    CHECK(m.result() == doctest::Approx(expected).epsilon(1e-6));
  }
}

TEST_CASE("accuracy by name takes labels as they come") {
  const Tensor p = tensor({{0.1f, 0.7f, 0.2f}, {0.5f, 0.3f, 0.2f}, {0.2f, 0.2f, 0.6f}}), classes = tensor({1, 1, 2});
  for (const Tensor& t : {classes, reshape(classes, {3, 1}), one_hot(classes, 3), classes.astype(DType::f32)}) {
    nn::Metric m("accuracy");
    m.update(t, p);
    CHECK(m.result() == doctest::Approx(2.0 / 3));
  }
  nn::Metric m("accuracy");
  m.update(tensor({1, 0, 1}), tensor({0.9f, 0.6f, 0.2f}));  // one number an example: above 0.5 or not
  CHECK(m.result() == doctest::Approx(1.0 / 3));
}

TEST_CASE("a function as a metric; copies are the same metric") {
  nn::Metric worst([](const Tensor& t, const Tensor& p) { return max(abs(t - p), {.axis = -1}); }, "worst");
  nn::Metric copy = worst;
  copy.update(tensor({{1.0f, 2.0f}, {0.0f, 0.0f}}), zeros({2, 2}));
  CHECK(worst.name() == "worst");
  CHECK(worst.result() == 1);
  worst.update(ones({1, 2}), zeros({1, 2}), tensor({2.0f}));  // weighted
  CHECK(copy.result() == 1);
  worst.reset();
  CHECK(copy.result() == 0);
}

TEST_CASE("a prediction on the threshold is not above it, in f32 as in Keras") {
  const Tensor t = ones({3, 1}), p = tensor({{0.2f}, {0.7f}, {0.5f}});
  metrics::Recall m({0.2, 0.5, 0.7});
  m.update(t, p);
  CHECK(m.results() == std::vector{2.0 / 3, 1.0 / 3, 0.0});
  metrics::BinaryAccuracy accuracy(0.7);
  accuracy.update(t, p);
  CHECK(accuracy.result() == 0);
}

TEST_CASE("sums do not drift: a million small values") {
  metrics::Mean m;
  for (int i = 0; i < 100; ++i) m.update(full({10000}, 0.1f));
  CHECK(m.result() == doctest::Approx(double(0.1f)).epsilon(1e-12));
}

TEST_CASE("a metric by name is Keras's of that name") {
  const Tensor t = tensor({{1.0f, 0.0f}, {0.0f, 1.0f}, {1.0f, 0.0f}}),
               p = tensor({{0.9f, 0.2f}, {0.4f, 0.8f}, {0.3f, 0.6f}});
  for (const char* name :
       {"bce", "binary_crossentropy", "categorical_crossentropy", "categorical_hinge", "cosine_similarity", "hinge",
        "kl_divergence", "log_cosh_error", "mape", "mean_absolute_percentage_error", "mean_squared_logarithmic_error",
        "msle", "poisson", "squared_hinge"}) {
    INFO(name);
    nn::Metric m(name);
    m.update(t, p);
    const std::string loss = std::string(name) == "log_cosh_error" ? "log_cosh" : name;
    const double sign = loss == "cosine_similarity" ? -1 : 1;
    CHECK(m.result() == doctest::Approx(sign * nn::Loss(loss)(t, p).item<float>()).epsilon(1e-6));
  }
  for (auto [name, expected] :
       std::initializer_list<std::pair<const char*, double>>{{"true_positives", 2},
                                                             {"true_negatives", 2},
                                                             {"false_positives", 1},
                                                             {"false_negatives", 1},
                                                             {"f1_score", 2.0 / 3},
                                                             {"fbeta_score", 2.0 / 3},
                                                             {"binary_io_u", 0.5},
                                                             {"pearson_correlation", 1.0 / 3}}) {
    INFO(name);
    nn::Metric m(name);
    m.update(t, p);
    CHECK(m.name() == name);
    CHECK(m.result() == doctest::Approx(expected).epsilon(1e-6));
  }
}

TEST_CASE("intersection over union along another axis, and of classes that are none") {
  const Tensor classes = tensor({{0, 1}, {2, 1}}), guess = tensor({{0, 1}, {1, 1}});
  metrics::OneHotMeanIoU last(3), first(3, {.axis = 1});
  last.update(one_hot(classes, 3), one_hot(guess, 3));
  first.update(one_hot(classes, 3, {.axis = 1}), one_hot(guess, 3, {.axis = 1}));
  CHECK(first.result() == last.result());
  CHECK(last.result() == doctest::Approx((1 + 2.0 / 3) / 3).epsilon(1e-6));
  metrics::MeanIoU known(2), all(2);
  known.update(tensor({0, 1, 1}), tensor({0, 1, 0}));
  all.update(tensor({0, 1, 1, 7, -1, 0}), tensor({0, 1, 0, 1, 0, 5}));
  CHECK(all.result() == known.result());
}

TEST_CASE("a fit logs metrics whose state the first batch shapes, traced and eager the same") {
  const Tensor x = random::normal({40, 3}, {.seed = 3}), y = one_hot(argmax(x, {.axis = 1}), 3);
  auto run = [&](bool eagerly) {
    nn::Sequential model{nn::Dense(3, {.activation = "softmax", .seed = 1})};
    model.compile({.optimizer = "sgd",
                   .loss = "categorical_crossentropy",
                   .metrics = {metrics::F1Score({.average = metrics::Average::macro}), metrics::R2Score(),
                               metrics::AUC({.multi_label = true}), metrics::OneHotMeanIoU(3), "kl_divergence"},
                   .run_eagerly = eagerly});
    return model.fit(x, y, {.epochs = 2, .batch_size = 16, .validation_data = {x, y}, .shuffle_seed = 1, .verbose = 0});
  };
  nn::History traced = run(false), eager = run(true);
  for (auto* name : {"f1_score", "r2_score", "auc", "one_hot_mean_io_u", "kl_divergence", "val_f1_score", "val_auc"})
    for (int epoch : {0, 1})
      CHECK(traced[name][std::size_t(epoch)] == doctest::Approx(eager[name][std::size_t(epoch)]).epsilon(1e-6));
  CHECK(traced["auc"][1] > 0.3);
}
