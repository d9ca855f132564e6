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
      "metric: there is no 'acuracy'. Did you mean 'accuracy'? There are: acc, accuracy, auc, bce, binary_accuracy, "
      "binary_crossentropy, binary_io_u, categorical_accuracy, categorical_crossentropy, categorical_hinge, "
      "concordance_correlation, cosine_similarity, f1_score, false_negatives, false_positives, fbeta_score, hinge, "
      "kl_divergence, log_cosh_error, mae, mape, mean_absolute_error, mean_absolute_percentage_error, "
      "mean_squared_error, mean_squared_logarithmic_error, mse, msle, pearson_correlation, poisson, precision, "
      "r2_score, recall, root_mean_squared_error, sparse_categorical_accuracy, sparse_categorical_crossentropy, "
      "sparse_top_k_categorical_accuracy, squared_hinge, top_k_categorical_accuracy, true_negatives, true_positives.");
}

TEST_CASE("options of the metrics that came later") {
  check_error<UsageError>([] { metrics::Precision(0.5, "p", {.top_k = -1}); },
                          "Precision: top_k must be 0 or more, got -1.");
  check_error<UsageError>([] { metrics::TruePositives(2); }, "TruePositives: thresholds must be in [0, 1], got 2.");
  check_error<UsageError>([] { metrics::PrecisionAtRecall(1.5); },
                          "PrecisionAtRecall: recall must be in [0, 1], got 1.5.");
  check_error<UsageError>([] { metrics::SensitivityAtSpecificity(0.5, {.num_thresholds = 0}); },
                          "SensitivityAtSpecificity: num_thresholds must be 1 or more, got 0.");
  check_error<UsageError>(
      [] {
        metrics::AUC({.thresholds = {0.5, 1.5}});
      },
      "AUC: thresholds must be in [0, 1], got 1.5.");
  check_error<UsageError>([] { metrics::FBetaScore({.beta = 0}); }, "FBetaScore: beta must be positive, got 0.");
  check_error<UsageError>([] { metrics::F1Score({.threshold = 0}); },
                          "FBetaScore: threshold must be in (0, 1], got 0.");
  check_error<UsageError>([] { metrics::R2Score({.num_regressors = -1}); },
                          "R2Score: num_regressors must be 0 or more, got -1.");
  check_error<UsageError>([] { metrics::IoU(3, {1, 3}); }, "IoU: target_class_ids must be in [0, 3), got 3.");
  check_error<UsageError>([] { metrics::MeanIoU(0); }, "MeanIoU: num_classes must be 1 or more, got 0.");
}

TEST_CASE("batches that later metrics refuse") {
  check_update<ShapeError>(metrics::Precision(0.5, "precision", {.class_id = 3}), t, p,
                           "precision: there is no class 3 in y_pred [4, 3].");
  check_update<ShapeError>(metrics::Recall(0.5, "recall", {.top_k = 4}), t, p, "recall: top_k 4 of y_pred [4, 3].");
  check_update<ShapeError>(metrics::AUC({.multi_label = true}), ones({4}), full({4}, 0.5f),
                           "auc: multi_label needs y_pred [N, labels], got [4].");
  check_update<ShapeError>(metrics::AUC({.multi_label = true, .label_weights = {1, 2}}), t, p,
                           "auc: there are 2 label_weights for 3 labels.");
  check_update<ShapeError>(metrics::F1Score(), classes, p,
                           "f1_score: y_true and y_pred must both be [N, classes], got [4] and [4, 3].");
  check_update<ShapeError>(metrics::R2Score(), ones({4, 3, 2}), ones({4, 3, 2}),
                           "r2_score: y_pred must be [N, outputs] or [N], got [4, 3, 2].");
  check_update<ShapeError>(metrics::MeanIoU(3), ones({5}), classes,
                           "mean_io_u: y_true [5] and y_pred [4] differ in shape.");
  check_update<UsageError>(metrics::Sum(), t, p, "sum: it adds up values, call update(values, sample_weight).");
  metrics::F1Score f1;
  f1.update(t, p);
  check_error<ShapeError>([&] { f1.update(one_hot(classes, 4), ones({4, 4})); }, "f1_score: had 3 classes, got 4.");
  metrics::R2Score r2;
  r2.update(t, p);
  check_error<ShapeError>([&] { r2.update(ones({4, 2}), ones({4, 2})); }, "r2_score: had 3 outputs, got 2.");
}
