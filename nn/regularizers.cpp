#include <tapir/nn/names.h>
#include <tapir/nn/regularizers.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/matmul.h>
#include <tapir/ops/ranges.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <cmath>

namespace tapir::nn {
namespace {

void check_number(const char* type, const char* what, double v) {
  if (!(v >= 0) || std::isinf(v)) throw UsageError(fmt::format("{}: {} must be 0 or more, got {}.", type, what, v));
}

Tensor norms(const Tensor& w, const Axes& axis) { return sqrt(sum(square(w), {.axis = axis, .keepdims = true})); }
constexpr double kEpsilon = 1e-7;  // keras.backend.epsilon()

}  // namespace

Regularizer::Regularizer(const char* name, Where where) {
  CallSite site(where);
  const std::string n = detail::text_of(name);
  if (n == "l1") *this = regularizers::L1();
  else if (n == "l2") *this = regularizers::L2();
  else if (n == "l1_l2") *this = regularizers::L1L2();
  else if (n == "orthogonal_regularizer") *this = regularizers::OrthogonalRegularizer();
  else detail::unknown_name("regularizer", n, {"l1", "l1_l2", "l2", "orthogonal_regularizer"});
}

Tensor Regularizer::operator()(const Tensor& x, Where where) const {
  CallSite site(where);
  if (!defined()) throw UsageError("regularizer: there is none.");
  Tensor cost = function_(x);
  if (!cost.defined() || cost.rank() != 0)
    throw ShapeError(
        fmt::format("regularizer: must give a scalar, got {}.", cost.defined() ? cost.shape().str() : "none"));
  return cost;
}

namespace regularizers {

L1::L1(double l1, Where where) : Regularizer([l1](const Tensor& x) { return sum(abs(x)) * l1; }) {
  CallSite site(where);
  check_number("L1", "l1", l1);
}
L2::L2(double l2, Where where) : Regularizer([l2](const Tensor& x) { return sum(square(x)) * l2; }) {
  CallSite site(where);
  check_number("L2", "l2", l2);
}
L1L2::L1L2(const L1L2Options& o, Where where)
    : Regularizer([o](const Tensor& x) { return sum(abs(x)) * o.l1 + sum(square(x)) * o.l2; }) {
  CallSite site(where);
  check_number("L1L2", "l1", o.l1), check_number("L1L2", "l2", o.l2);
}

OrthogonalRegularizer::OrthogonalRegularizer(const OrthogonalOptions& o, Where where)
    : Regularizer([o](const Tensor& x) {
        if (x.rank() != 2)
          throw ShapeError(fmt::format("OrthogonalRegularizer: needs a matrix, got {}.", x.shape().str()));
        const Tensor rows = o.mode == Vectors::rows ? x : matrix_transpose(x);
        const Tensor unit = rows / maximum(norms(rows, {1}), kEpsilon);
        const double size = double(rows.shape()[0]), pairs = size * (size - 1) / 2;
        const Tensor cosines = matmul(unit, unit, {.transpose_b = true});
        const Tensor others = cosines * (1 - eye(rows.shape()[0], rows.shape()[0], {.dtype = cosines.dtype()}));
        return sum(abs(others)) * (o.factor * 0.5 / pairs);
      }) {
  CallSite site(where);
  check_number("OrthogonalRegularizer", "factor", o.factor);
}

}  // namespace regularizers

Constraint::Constraint(const char* name, Where where) {
  CallSite site(where);
  const std::string n = detail::text_of(name);
  if (n == "max_norm") *this = constraints::MaxNorm();
  else if (n == "non_neg") *this = constraints::NonNeg();
  else if (n == "unit_norm") *this = constraints::UnitNorm();
  else if (n == "min_max_norm") *this = constraints::MinMaxNorm();
  else detail::unknown_name("constraint", n, {"max_norm", "min_max_norm", "non_neg", "unit_norm"});
}

Tensor Constraint::operator()(const Tensor& w, Where where) const {
  CallSite site(where);
  if (!defined()) throw UsageError("constraint: there is none.");
  return function_(w);
}

namespace constraints {

MaxNorm::MaxNorm(const MaxNormOptions& o, Where where)
    : Constraint([o](const Tensor& w) {
        const Tensor n = norms(w, o.axis);
        return w * (minimum(n, o.max_value) / (n + kEpsilon));
      }) {
  CallSite site(where);
  check_number("MaxNorm", "max_value", o.max_value);
}
NonNeg::NonNeg() : Constraint([](const Tensor& w) { return maximum(w, 0); }) {}
UnitNorm::UnitNorm(const UnitNormOptions& o)
    : Constraint([o](const Tensor& w) { return w / (norms(w, o.axis) + kEpsilon); }) {}
MinMaxNorm::MinMaxNorm(const MinMaxNormOptions& o, Where where)
    : Constraint([o](const Tensor& w) {
        const Tensor n = norms(w, o.axis);
        const Tensor wanted = minimum(maximum(n, o.min_value), o.max_value) * o.rate + n * (1 - o.rate);
        return w * (wanted / (n + kEpsilon));
      }) {
  CallSite site(where);
  check_number("MinMaxNorm", "min_value", o.min_value);
  if (!(o.max_value >= o.min_value))
    throw UsageError(fmt::format("MinMaxNorm: max_value {} is below min_value {}.", o.max_value, o.min_value));
  if (!(o.rate >= 0 && o.rate <= 1))
    throw UsageError(fmt::format("MinMaxNorm: rate must be in [0, 1], got {}.", o.rate));
}

}  // namespace constraints
}  // namespace tapir::nn
