// Metrics of how well predictions follow what is true: correlations, and the share of the variance that is explained.
#pragma once
#include <tapir/nn/metrics.h>

namespace tapir::nn::metrics {

/// The mean of Pearson's correlation along `axis`: 1 if y_pred is a rising line of y_true. NaN where either does not
/// vary.
class PearsonCorrelation : public Metric {
 public:
  explicit PearsonCorrelation(int axis = -1, std::string name = "pearson_correlation");
};
/// The mean of the concordance correlation along `axis`: 1 only if y_pred is y_true. Source: Lin, Biometrics 1989.
class ConcordanceCorrelation : public Metric {
 public:
  explicit ConcordanceCorrelation(int axis = -1, std::string name = "concordance_correlation");
};

/// How the values of several outputs become one.
enum class Aggregation : std::uint8_t {
  none,  ///< `results()` has one for each
  uniform_average,
  variance_weighted_average,
};
struct R2ScoreOptions {
  Aggregation class_aggregation = Aggregation::uniform_average;
  int num_regressors = 0;  ///< gives the adjusted score, if there are more examples than so many and one; Keras 3.15
                           ///< counts the outputs of an example as examples here
  std::string name = "r2_score";
};
/// The coefficient of determination, 1 - sum((t - p)^2) / sum((t - mean t)^2), of y_true and y_pred [N, outputs] or
/// [N]. 0 where it is infinite.
class R2Score : public Metric {
 public:
  explicit R2Score(const R2ScoreOptions& options = {}, Where where = Where::current());
};

}  // namespace tapir::nn::metrics
