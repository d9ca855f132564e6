// Metrics: they gather batches and say one number. Names and definitions are Keras's.
#pragma once
#include <tapir/tensor/callable.h>
#include <tapir/tensor/variable.h>

#include <memory>
#include <string>
#include <vector>

namespace tapir::nn {

/// A handle: copies are the same metric. Made by one of the classes below, by name ("accuracy", "mse", "auc", ...;
/// UsageError for an unknown one), or from a function `Tensor(y_true, y_pred)` whose values are averaged.
class Metric {
 public:
  Metric(const char* name, Where where = Where::current());
  Metric(const std::string& name, Where where = Where::current()) : Metric(name.c_str(), where) {}
  template <class F>
  requires std::is_invocable_r_v<Tensor, F&, const Tensor&, const Tensor&> Metric(F f, std::string name = "custom")
      : Metric(std::move(name), Callable<Tensor(const Tensor&, const Tensor&)>(std::move(f))) {}

  /// Adds a batch. sample_weight: undefined, or one weight for each example. Throws ShapeError.
  void update(const Tensor& y_true, const Tensor& y_pred, const Tensor& sample_weight = {},
              Where where = Where::current());
  /// What the batches since the last reset give; 0 if there were none.
  double result() const;
  void reset();
  const std::string& name() const;
  /// All state.
  std::vector<Variable> variables() const;

  struct Impl;

 protected:
  explicit Metric(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  Metric(std::string name, Callable<Tensor(const Tensor&, const Tensor&)> f);
  std::shared_ptr<Impl> impl_;
};

namespace metrics {

/// The mean of all values, weighted. For values, not for y_true and y_pred: it cannot be compiled into a model.
class Mean : public Metric {
 public:
  explicit Mean(std::string name = "mean");
  void update(const Tensor& values, const Tensor& sample_weight = {}, Where where = Where::current());
};

/// How often y_pred equals y_true.
class Accuracy : public Metric {
 public:
  explicit Accuracy(std::string name = "accuracy");
};
/// How often y_pred > threshold agrees with y_true in {0, 1}.
class BinaryAccuracy : public Metric {
 public:
  explicit BinaryAccuracy(double threshold = 0.5, std::string name = "binary_accuracy", Where where = Where::current());
};
/// How often the largest of y_pred stands where the largest of y_true does.
class CategoricalAccuracy : public Metric {
 public:
  explicit CategoricalAccuracy(std::string name = "categorical_accuracy");
};
/// How often the largest of y_pred stands at the class number y_true.
class SparseCategoricalAccuracy : public Metric {
 public:
  explicit SparseCategoricalAccuracy(std::string name = "sparse_categorical_accuracy");
};
/// How often the right class is among the k largest; ties count as in.
class TopKCategoricalAccuracy : public Metric {
 public:
  explicit TopKCategoricalAccuracy(int k = 5, std::string name = "top_k_categorical_accuracy",
                                   Where where = Where::current());
};
/// The same for class numbers: how often y_true is among the k largest.
class SparseTopKCategoricalAccuracy : public Metric {
 public:
  explicit SparseTopKCategoricalAccuracy(int k = 5, std::string name = "sparse_top_k_categorical_accuracy",
                                         Where where = Where::current());
};
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

/// One threshold, or several in ascending order: `0.5`, `{0.2, 0.5, 0.8}`; each in [0, 1].
class Thresholds : public std::vector<double> {
 public:
  Thresholds(double threshold) : std::vector<double>{threshold} {}
  Thresholds(std::initializer_list<double> thresholds) : std::vector<double>(thresholds) {}
  Thresholds(std::vector<double> thresholds) : std::vector<double>(std::move(thresholds)) {}
};

/// Of what was called positive (y_pred > threshold), the share that is: tp / (tp + fp), 0 if nothing was.
class Precision : public Metric {
 public:
  explicit Precision(const Thresholds& thresholds = 0.5, std::string name = "precision",
                     Where where = Where::current());
  /// One for each threshold; `result()` is the first.
  std::vector<double> results() const;
};
/// Of what is positive, the share that was called so: tp / (tp + fn).
class Recall : public Metric {
 public:
  explicit Recall(const Thresholds& thresholds = 0.5, std::string name = "recall", Where where = Where::current());
  /// One for each threshold; `result()` is the first.
  std::vector<double> results() const;
};

/// Which curve the area is under: true against false positives, or precision against recall.
enum class Curve : std::uint8_t { roc, pr };
struct AUCOptions {
  int num_thresholds = 200;
  Curve curve = Curve::roc;
  bool from_logits = false;
  std::string name = "auc";
};
/// The area under the ROC (or precision-recall) curve, by trapezoids between thresholds ("interpolation" as in Keras;
/// for PR that of Davis and Goadrich, ICML 2006). y_pred in [0, 1], all values in one pot.
class AUC : public Metric {
 public:
  explicit AUC(const AUCOptions& options = {}, Where where = Where::current());
};

}  // namespace metrics
}  // namespace tapir::nn
