// What metrics are made of: state in Variables, so that a traced step can add to it. Internal to nn/.
#pragma once
#include <tapir/nn/metrics.h>

namespace tapir::nn {

struct Metric::Impl {
  std::string name;
  std::vector<Variable> state;
  explicit Impl(std::string n) : name(std::move(n)) {}
  virtual ~Impl() = default;
  virtual void update(const Tensor& t, const Tensor& p, const Tensor& weight) = 0;
  /// One value, or one for each threshold or class.
  virtual std::vector<double> results() const = 0;
  /// Adds a variable of zeros, f64; also within a trace, for a shape that only the first batch tells.
  void add_state(const std::string& what, const Shape& shape = {});
  std::vector<double> numbers(std::size_t i) const { return state[i].value().to_vector<double>(); }
  double number(std::size_t i) const { return state[i].value().item<double>(); }
};

namespace detail {

using MetricFunction = Callable<Tensor(const Tensor&, const Tensor&)>;

/// The weighted mean of f(t, p); `root` takes its square root.
std::shared_ptr<Metric::Impl> mean_of(std::string name, MetricFunction f, bool root = false);
/// y_true in y_pred's dtype and shape: a last dimension of 1 may be missing, or too much. Throws ShapeError.
Tensor labels_like(const std::string& name, const Tensor& t, const Tensor& p);
/// Weights for values of `shape`: those of the examples, spread over what belongs to each, f64.
Tensor spread(const std::string& name, const Tensor& weight, const Shape& shape);
/// a / b, 0 where b is.
double ratio(double a, double b);

}  // namespace detail
}  // namespace tapir::nn
