// What metrics say to wrong arguments; a batch that is refused changes nothing.
#include <tapir/test/ops/golden.h>

using namespace tapir;
using golden::check_error;
namespace metrics = nn::metrics;

namespace {
const Tensor p = random::uniform({4, 3}, {.seed = 1}), t = one_hot(tensor({0, 2, 1, 1}), 3),
             classes = tensor({0, 2, 1, 1});

template <class E>
void check_update(nn::Metric m, const Tensor& a, const Tensor& b, const std::string& text, const Tensor& weight = {}) {
  check_error<E>([&] { m.update(a, b, weight); }, text);
  CHECK(m.result() == 0);
}
}  // namespace

TEST_CASE("shapes") {
  check_update<ShapeError>(metrics::MeanSquaredError(), ones({4, 2}), p,
                           "mean_squared_error: y_true [4, 2] and y_pred [4, 3] differ in shape.");
  check_update<ShapeError>(metrics::Accuracy(), ones({3}), ones({4}),
                           "accuracy: y_true [3] and y_pred [4] differ in shape.");
  check_update<ShapeError>(metrics::BinaryAccuracy(), ones({3}), ones({4}),
                           "binary_accuracy: y_true [3] and y_pred [4] differ in shape.");
  check_update<ShapeError>(metrics::CategoricalAccuracy(), classes, p,
                           "categorical_accuracy: y_true [4] and y_pred [4, 3] differ in shape.");
  check_update<ShapeError>(metrics::SparseCategoricalAccuracy(), t, p,
                           "sparse_categorical_accuracy: y_true [4, 3] are not the class numbers of y_pred [4, 3].");
  check_update<ShapeError>(metrics::TopKCategoricalAccuracy(2), classes, p,
                           "top_k_categorical_accuracy: y_true [4] and y_pred [4, 3] differ in shape.");
  check_update<ShapeError>(
      metrics::SparseTopKCategoricalAccuracy(2), t, p,
      "sparse_top_k_categorical_accuracy: y_true [4, 3] are not the class numbers of y_pred [4, 3].");
  check_update<ShapeError>(metrics::Recall(), ones({4, 2}), p,
                           "recall: y_true [4, 2] and y_pred [4, 3] differ in shape.");
  check_update<ShapeError>(metrics::AUC({.name = "area"}), ones({4, 2}), p,
                           "area: y_true [4, 2] and y_pred [4, 3] differ in shape.");
  check_update<ShapeError>(metrics::MeanSquaredError(), t, p,
                           "mean_squared_error: sample_weight [3] does not fit the values [4].", ones({3}));
  check_update<ShapeError>(metrics::Precision(), t, p, "precision: sample_weight [3] does not fit the values [4, 3].",
                           ones({3}));
}

TEST_CASE("values") {
  check_update<UsageError>(metrics::Precision(), t, 2 * ones({4, 3}),
                           "precision: predictions must be in [0, 1], got 2.");
  check_update<UsageError>(metrics::AUC(), t, -ones({4, 3}), "auc: predictions must be in [0, 1], got -1.");
  check_update<UsageError>(metrics::AUC(), t, full({4, 3}, NAN), "auc: predictions must be in [0, 1], got nan.");
  check_update<UsageError>(metrics::AUC(), Tensor(), p, "auc: y_true is an undefined tensor.");
  check_update<UsageError>(metrics::AUC(), t, Tensor(), "auc: y_pred is an undefined tensor.");
  check_update<UsageError>(metrics::SparseTopKCategoricalAccuracy(1), tensor({0, 3, 1, 1}), p,
                           "take_along_axis: index 3 is out of range for size 3.");
  const char* values =
      "mean: it averages values, call update(values, sample_weight); for y_true and y_pred give a function.";
  check_update<UsageError>(metrics::Mean(), t, p, values);
  check_error<UsageError>([] { metrics::Mean().update(Tensor()); }, "mean: values is an undefined tensor.");
}

TEST_CASE("options") {
  check_error<UsageError>([] { metrics::TopKCategoricalAccuracy(0); },
                          "TopKCategoricalAccuracy: k must be 1 or more, got 0.");
  check_error<UsageError>([] { metrics::SparseTopKCategoricalAccuracy(-1); },
                          "SparseTopKCategoricalAccuracy: k must be 1 or more, got -1.");
  check_error<UsageError>([] { metrics::Precision(1.5); }, "Precision: thresholds must be in [0, 1], got 1.5.");
  check_error<UsageError>([] { metrics::Recall({0.1, -0.5}); }, "Recall: thresholds must be in [0, 1], got -0.5.");
  check_error<UsageError>([] { metrics::Recall({0.7, 0.5}); }, "Recall: thresholds must ascend, got [0.7, 0.5].");
  check_error<UsageError>([] { metrics::Recall(std::vector<double>()); }, "Recall: thresholds must ascend, got [].");
  check_error<UsageError>([] { metrics::BinaryAccuracy(-0.1); },
                          "BinaryAccuracy: thresholds must be in [0, 1], got -0.1.");
  check_error<UsageError>([] { metrics::AUC({.num_thresholds = 1}); }, "AUC: num_thresholds must be 2 or more, got 1.");
  check_error<UsageError>(
      [] { nn::Metric("acuracy"); },
      "metric: there is no 'acuracy'. Did you mean 'accuracy'? There are: acc, accuracy, auc, binary_accuracy, "
      "categorical_accuracy, mae, mean_absolute_error, mean_squared_error, mse, precision, recall, "
      "root_mean_squared_error, sparse_categorical_accuracy, sparse_top_k_categorical_accuracy, "
      "top_k_categorical_accuracy.");
}
