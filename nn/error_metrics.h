// Metrics that average an error: means of losses, and of differences.
#pragma once
#include <tapir/nn/losses.h>
#include <tapir/nn/metrics.h>

namespace tapir::nn::metrics {

/// The mean of (y_true - y_pred)^2.
class MeanSquaredError : public Metric {
 public:
  explicit MeanSquaredError(std::string name = "mean_squared_error");
};
/// The mean of |y_true - y_pred|.
class MeanAbsoluteError : public Metric {
 public:
  explicit MeanAbsoluteError(std::string name = "mean_absolute_error");
};
/// The square root of the mean of (y_true - y_pred)^2.
class RootMeanSquaredError : public Metric {
 public:
  explicit RootMeanSquaredError(std::string name = "root_mean_squared_error");
};

// The others are means of the loss of that name; errors name the loss.

/// The mean of 100 |t - p| / max(|t|, 1e-7).
class MeanAbsolutePercentageError : public Metric {
 public:
  explicit MeanAbsolutePercentageError(std::string name = "mean_absolute_percentage_error");
};
/// The mean of (log(1 + t) - log(1 + p))^2.
class MeanSquaredLogarithmicError : public Metric {
 public:
  explicit MeanSquaredLogarithmicError(std::string name = "mean_squared_logarithmic_error");
};
/// The mean of log(cosh(p - t)).
class LogCoshError : public Metric {
 public:
  explicit LogCoshError(std::string name = "logcosh");
};
/// The cosine of the angle: 1 for the same direction, where the loss gives -1.
class CosineSimilarity : public Metric {
 public:
  explicit CosineSimilarity(int axis = -1, std::string name = "cosine_similarity");
};
/// The mean of max(1 - t p, 0), t in {-1, 1} or {0, 1}.
class Hinge : public Metric {
 public:
  explicit Hinge(std::string name = "hinge");
};
/// The mean of max(1 - t p, 0)^2.
class SquaredHinge : public Metric {
 public:
  explicit SquaredHinge(std::string name = "squared_hinge");
};
/// The mean of how far the right class is from being 1 above the best of the others.
class CategoricalHinge : public Metric {
 public:
  explicit CategoricalHinge(std::string name = "categorical_hinge");
};
/// The mean of sum(t log(t / p)).
class KLDivergence : public Metric {
 public:
  explicit KLDivergence(std::string name = "kl_divergence");
};
/// The mean of p - t log p.
class Poisson : public Metric {
 public:
  explicit Poisson(std::string name = "poisson");
};
/// The mean of binary_crossentropy; of `options` from_logits, label_smoothing.
class BinaryCrossentropy : public Metric {
 public:
  explicit BinaryCrossentropy(const LossOptions& options = {}, std::string name = "binary_crossentropy");
};
/// The mean of categorical_crossentropy; of `options` from_logits, label_smoothing.
class CategoricalCrossentropy : public Metric {
 public:
  explicit CategoricalCrossentropy(const LossOptions& options = {}, std::string name = "categorical_crossentropy");
};
/// The mean of sparse_categorical_crossentropy; of `options` from_logits, ignore_class (examples of that class count as
/// 0, and are counted, as in Keras).
class SparseCategoricalCrossentropy : public Metric {
 public:
  explicit SparseCategoricalCrossentropy(const LossOptions& options = {},
                                         std::string name = "sparse_categorical_crossentropy");
};

}  // namespace tapir::nn::metrics
