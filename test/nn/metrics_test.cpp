// Metrics beside real Keras: every case of test/golden/metrics.json; resets, names, empty batches.
#include <tapir/test/ops/golden.h>

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

metrics::Thresholds thresholds(CaseAttrs& a) { return a.take<std::vector<double>>("thresholds", {0.5}); }

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
  if (op == "Precision") return metrics::Precision(thresholds(a));
  if (op == "Recall") return metrics::Recall(thresholds(a));
  REQUIRE_MESSAGE(op == "AUC", "no metric " << op);
  return metrics::AUC({.num_thresholds = a.take("num_thresholds", 200),
                       .curve = a.take<std::string>("curve", "ROC") == "PR" ? metrics::Curve::pr : metrics::Curve::roc,
                       .from_logits = a.take("from_logits", false)});
}

// One number, or one for each threshold.
std::vector<double> results(const std::string& op, const nn::Metric& m) {
  if (op == "Precision") return static_cast<const metrics::Precision&>(m).results();
  if (op == "Recall") return static_cast<const metrics::Recall&>(m).results();
  return {m.result()};
}

const golden::Family& family() {
  static const golden::Family f("metrics");
  return f;
}

}  // namespace

TEST_CASE("results after one batch, two, and a reset are those of Keras") {
  for (auto& c : family().cases) {
    const std::string name = c["name"], op = c["op"];
    INFO(name);
    auto get = [&](const std::string& field, int i) {
      const std::string full = field + std::to_string(i);
      return io::contains(family().arrays, name + "." + full) ? family().get(name, full) : Tensor();
    };
    CaseAttrs attrs{c["attrs"]};
    nn::Metric metric = make(op, attrs);
    CHECK_MESSAGE(attrs.left.empty(), "not used: " << attrs.left.dump());
    auto update = [&](int i) {
      if (op == "Mean") static_cast<metrics::Mean&>(metric).update(get("values", i), get("sample_weight", i));
      else metric.update(get("y_true", i), get("y_pred", i), get("sample_weight", i));
    };
    auto check = [&](int i) {
      const auto expected = get("result", i).to_vector<float>();
      const auto found = results(op, metric);
      REQUIRE(found.size() == expected.size());
      for (std::size_t k = 0; k < found.size(); ++k)
        CHECK(found[k] == doctest::Approx(double(expected[k])).epsilon(1e-6));
      CHECK(found[0] == metric.result());
    };
    CHECK(metric.result() == 0);
    update(1);
    check(1);
    update(2);
    check(2);
    metric.reset();
    CHECK(metric.result() == 0);
    update(1);
    check(1);
  }
}

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
  for (auto& c : family().cases) {
    const std::string name = c["name"], op = c["op"];
    if (op == "Mean") continue;
    INFO(name);
    CaseAttrs attrs{c["attrs"]};
    nn::Metric m = make(op, attrs);
    const Tensor t = family().get(name, "y_true1"), p = family().get(name, "y_pred1");
    m.update(t, p);
    const double before = m.result();
    m.update(t[Slice(0, 0)], p[Slice(0, 0)]);
    CHECK(m.result() == before);
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
