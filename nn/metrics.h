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
  /// What the batches since the last reset give; 0 if there were none. Of several values the first.
  double result() const;
  /// All of them: of some metrics one for each threshold or class. Before the first batch it may be one 0.
  std::vector<double> results() const;
  void reset();
  const std::string& name() const;
  /// All state.
  std::vector<Variable> variables() const;

  struct Impl;

 protected:
  explicit Metric(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  Metric(std::string name, Callable<Tensor(const Tensor&, const Tensor&)> f);
  std::shared_ptr<Impl> impl_;

 private:
  friend class Model;
  // Variables that are not there before the first batch are made.
  void set_state(const std::vector<Tensor>& values);
};

/// The metrics of Keras: means and accuracies; more in error_metrics.h, correlation_metrics.h, confusion_metrics.h and
/// iou_metrics.h.
namespace metrics {

/// The mean of all values, weighted. For values, not for y_true and y_pred: it cannot be compiled into a model.
class Mean : public Metric {
 public:
  explicit Mean(std::string name = "mean");
  void update(const Tensor& values, const Tensor& sample_weight = {}, Where where = Where::current());
};

/// The sum of all values, weighted. For values, as Mean.
class Sum : public Metric {
 public:
  explicit Sum(std::string name = "sum");
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

}  // namespace metrics
}  // namespace tapir::nn
