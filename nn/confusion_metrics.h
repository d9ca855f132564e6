// Metrics made of how many positives and negatives were called so: precision and recall, areas under curves, F-scores.
#pragma once
#include <tapir/nn/metrics.h>

#include <optional>

namespace tapir::nn::metrics {

/// One threshold, or several in ascending order: `0.5`, `{0.2, 0.5, 0.8}`; each in [0, 1].
class Thresholds : public std::vector<double> {
 public:
  Thresholds(double threshold) : std::vector<double>{threshold} {}
  Thresholds(std::initializer_list<double> thresholds) : std::vector<double>(thresholds) {}
  Thresholds(std::vector<double> thresholds) : std::vector<double>(std::move(thresholds)) {}
  /// Below all numbers, so that y_pred need not be in [0, 1]: with top_k, what Keras does unless told otherwise.
  static Thresholds none() { return -1e10; }
};

// In all of these y_true and y_pred have one shape, y_pred in [0, 1]; what is above a threshold was called positive,
// what is not 0 in y_true is. With several thresholds `results()` gives one value for each.

/// How many positives were called so (weighted).
class TruePositives : public Metric {
 public:
  explicit TruePositives(const Thresholds& thresholds = 0.5, std::string name = "true_positives",
                         Where where = Where::current());
};
/// How many negatives were called so.
class TrueNegatives : public Metric {
 public:
  explicit TrueNegatives(const Thresholds& thresholds = 0.5, std::string name = "true_negatives",
                         Where where = Where::current());
};
/// How many negatives were called positive.
class FalsePositives : public Metric {
 public:
  explicit FalsePositives(const Thresholds& thresholds = 0.5, std::string name = "false_positives",
                          Where where = Where::current());
};
/// How many positives were called negative.
class FalseNegatives : public Metric {
 public:
  explicit FalseNegatives(const Thresholds& thresholds = 0.5, std::string name = "false_negatives",
                          Where where = Where::current());
};

/// Which predictions Precision and Recall look at.
struct ClassOptions {
  int top_k = 0;      ///< of each example only the k largest can be positive
  int class_id = -1;  ///< this class alone, an index into the last dimension
};
/// Of what was called positive (y_pred > threshold), the share that is: tp / (tp + fp), 0 if nothing was.
class Precision : public Metric {
 public:
  explicit Precision(const Thresholds& thresholds = 0.5, std::string name = "precision",
                     const ClassOptions& options = {}, Where where = Where::current());
};
/// Of what is positive, the share that was called so: tp / (tp + fn).
class Recall : public Metric {
 public:
  explicit Recall(const Thresholds& thresholds = 0.5, std::string name = "recall", const ClassOptions& options = {},
                  Where where = Where::current());
};

struct OperatingPointOptions {
  int num_thresholds = 200;  ///< evenly spaced from 0 to 1; one is 0.5
  int class_id = -1;         ///< looks at this class alone
  std::string name = "";     ///< that of the class
};
/// The best tp / (tp + fn) at a threshold where tn / (tn + fp) >= specificity; 0 if there is none.
class SensitivityAtSpecificity : public Metric {
 public:
  explicit SensitivityAtSpecificity(double specificity, const OperatingPointOptions& options = {},
                                    Where where = Where::current());
};
/// The best tn / (tn + fp) where tp / (tp + fn) >= sensitivity.
class SpecificityAtSensitivity : public Metric {
 public:
  explicit SpecificityAtSensitivity(double sensitivity, const OperatingPointOptions& options = {},
                                    Where where = Where::current());
};
/// The best precision where recall is at least this.
class PrecisionAtRecall : public Metric {
 public:
  explicit PrecisionAtRecall(double recall, const OperatingPointOptions& options = {}, Where where = Where::current());
};
/// The best recall where precision is at least this.
class RecallAtPrecision : public Metric {
 public:
  explicit RecallAtPrecision(double precision, const OperatingPointOptions& options = {},
                             Where where = Where::current());
};

/// Which curve the area is under: true against false positives, precision against recall, or the gains of these over
/// calling everything positive (Flach and Kull, NeurIPS 2015).
enum class Curve : std::uint8_t { roc, pr, pr_gain };
/// How high the curve is between two thresholds: between the two, or as the lower or the higher of them.
enum class Summation : std::uint8_t { interpolation, minoring, majoring };
struct AUCOptions {
  int num_thresholds = 200;
  Curve curve = Curve::roc;
  bool from_logits = false;
  std::string name = "auc";
  Summation summation_method = Summation::interpolation;
  std::vector<double> thresholds = {};     ///< in place of num_thresholds, in [0, 1]; the ends are added
  bool multi_label = false;                ///< y_pred [N, labels]: an area for each label, averaged
  std::vector<double> label_weights = {};  ///< of the labels in that average; without multi_label, of their values
};
/// The area under the ROC (or precision-recall) curve, by trapezoids between thresholds ("interpolation" as in Keras;
/// for PR that of Davis and Goadrich, ICML 2006). y_pred in [0, 1], all values in one pot.
class AUC : public Metric {
 public:
  explicit AUC(const AUCOptions& options = {}, Where where = Where::current());
};

/// How the scores of classes become one.
enum class Average : std::uint8_t {
  none,      ///< `results()` has one for each
  micro,     ///< the score of all values in one pot
  macro,     ///< their mean
  weighted,  ///< weighted by how many positives a class has
};
struct FBetaScoreOptions {
  Average average = Average::none;
  double beta = 1;                       ///< how much recall counts beside precision
  std::optional<double> threshold = {};  ///< in (0, 1]; not given: of each example the largest is positive
  std::string name = "fbeta_score";
};
/// (1 + beta^2) precision recall / (beta^2 precision + recall); y_true of 0 and 1, y_pred, both [N, classes].
class FBetaScore : public Metric {
 public:
  explicit FBetaScore(const FBetaScoreOptions& options = {}, Where where = Where::current());
};
struct F1ScoreOptions {
  Average average = Average::none;
  std::optional<double> threshold = {};
  std::string name = "f1_score";
};
/// FBetaScore with beta 1.
class F1Score : public FBetaScore {
 public:
  explicit F1Score(const F1ScoreOptions& options = {}, Where where = Where::current())
      : FBetaScore({.average = options.average, .threshold = options.threshold, .name = options.name}, where) {}
};

}  // namespace tapir::nn::metrics
