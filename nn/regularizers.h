// Regularizers: what weights or outputs cost, added to the loss. Constraints: where weights are brought back to after
// each step. Names, formulas and defaults are Keras's.
#pragma once
#include <tapir/tensor/callable.h>
#include <tapir/tensor/tensor.h>

#include <concepts>
#include <string>

namespace tapir::nn {

/// What `.kernel_regularizer` and its kin take: a name ("l1", "l2", "l1_l2", "orthogonal_regularizer"; UsageError for
/// an unknown one), one of the classes below, or a function of a tensor that gives a scalar. None unless given.
class Regularizer {
 public:
  Regularizer() = default;
  Regularizer(const char* name, Where where = Where::current());
  Regularizer(const std::string& name, Where where = Where::current()) : Regularizer(name.c_str(), where) {}
  template <class F>
  requires(!std::derived_from<F, Regularizer> && std::is_invocable_r_v<Tensor, F&, const Tensor&>) Regularizer(F f)
      : function_(std::move(f)) {}

  bool defined() const { return bool(function_); }
  /// A scalar. Throws ShapeError if a function gives anything else, UsageError if there is none.
  Tensor operator()(const Tensor& x, Where where = Where::current()) const;

 private:
  Callable<Tensor(const Tensor&)> function_;
};

namespace regularizers {

// They throw UsageError if a factor is negative or not finite.

/// l1 * sum(|x|)
class L1 : public Regularizer {
 public:
  explicit L1(double l1 = 0.01, Where where = Where::current());
};
/// l2 * sum(x^2)
class L2 : public Regularizer {
 public:
  explicit L2(double l2 = 0.01, Where where = Where::current());
};
struct L1L2Options {
  double l1 = 0, l2 = 0;
};
/// l1 * sum(|x|) + l2 * sum(x^2)
class L1L2 : public Regularizer {
 public:
  explicit L1L2(const L1L2Options& options = {}, Where where = Where::current());
};
/// Whose vectors an OrthogonalRegularizer wants to be orthogonal.
enum class Vectors : std::uint8_t { rows, columns };
struct OrthogonalOptions {
  double factor = 0.01;
  Vectors mode = Vectors::rows;
};
/// factor times the mean |cosine| between each two rows (columns) of a matrix; ShapeError for other ranks.
class OrthogonalRegularizer : public Regularizer {
 public:
  explicit OrthogonalRegularizer(const OrthogonalOptions& options = {}, Where where = Where::current());
};

}  // namespace regularizers

/// What `.kernel_constraint` and its kin take: a name ("max_norm", "non_neg", "unit_norm", "min_max_norm"; UsageError
/// for an unknown one), one of the classes below, or a function that gives a tensor of the same shape and dtype.
class Constraint {
 public:
  Constraint() = default;
  Constraint(const char* name, Where where = Where::current());
  Constraint(const std::string& name, Where where = Where::current()) : Constraint(name.c_str(), where) {}
  template <class F>
  requires(!std::derived_from<F, Constraint> && std::is_invocable_r_v<Tensor, F&, const Tensor&>) Constraint(F f)
      : function_(std::move(f)) {}

  bool defined() const { return bool(function_); }
  Tensor operator()(const Tensor& w, Where where = Where::current()) const;

 private:
  Callable<Tensor(const Tensor&)> function_;
};

namespace constraints {

// Norms are taken over `axis`: 0 for the kernel of a Dense, {0, 1, 2} for that of a Conv2D, so that each unit has one.
// They throw UsageError for norms or a rate that make no sense.

struct MaxNormOptions {
  double max_value = 2;
  Axes axis = {0};
};
/// Longer vectors become max_value long.
class MaxNorm : public Constraint {
 public:
  explicit MaxNorm(const MaxNormOptions& options = {}, Where where = Where::current());
};
/// Negative weights become 0.
class NonNeg : public Constraint {
 public:
  NonNeg();
};
struct UnitNormOptions {
  Axes axis = {0};
};
/// All vectors become 1 long.
class UnitNorm : public Constraint {
 public:
  explicit UnitNorm(const UnitNormOptions& options = {});
};
struct MinMaxNormOptions {
  double min_value = 0, max_value = 1;
  double rate = 1;  ///< so much of the way at each step
  Axes axis = {0};
};
/// Vectors shorter than min_value or longer than max_value come to these lengths.
class MinMaxNorm : public Constraint {
 public:
  explicit MinMaxNorm(const MinMaxNormOptions& options = {}, Where where = Where::current());
};

}  // namespace constraints
}  // namespace tapir::nn
