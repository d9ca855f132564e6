// The floating-point elementwise functions beside references in long double, and the numbers to try them on. How far
// off a function may be is what its functor says: ulp_f32, ulp_f64, ulp_of.
#pragma once
#include <tapir/ops/functors/activation.h>
#include <tapir/ops/functors/arithmetic.h>
#include <tapir/ops/functors/math.h>
#include <tapir/tapir.h>

#include <cmath>
#include <random>

namespace elementwise_table {

using namespace tapir;
using Real = long double;

struct Row {
  const char* name;
  int arity;
  double ulp_f32, ulp_f64;
  UlpOf ulp_of;
  Tensor (*run)(const Tensor& a, const Tensor& b);
  Real (*reference)(Real a, Real b);
  double low = -8, high = 8;  // where to look closely
};

// ---- references that the C library lacks

inline const Real pi = std::acos(Real(-1));
inline Real sigmoid_of(Real x) { return 1 / (1 + std::exp(-x)); }
inline Real softplus_of(Real x) { return std::max(x, Real(0)) + std::log1p(std::exp(-std::fabs(x))); }
inline Real elu_of(Real x, Real alpha) { return x > 0 ? x : alpha * std::expm1(x); }
inline Real hard_sigmoid_of(Real x) { return std::isnan(x) ? x : std::min(std::max(x + 3, Real(0)), Real(6)) / 6; }

// Newton's method on erf, or on erfc where x is near 1, from Winitzki's approximation.
inline Real erfinv_of(Real x) {
  Real size = std::fabs(x);
  if (std::isnan(x) || size > 1) return NAN;
  if (size == 1 || x == 0) return x == 0 ? x : std::copysign(Real(INFINITY), x);
  const Real a = 0.147L, slope = 2 / std::sqrt(pi);
  Real l = std::log1p(-size * size), t = 2 / (pi * a) + l / 2;
  Real y = size < 1e-4L ? size / slope : std::sqrt(std::sqrt(t * t - l / a) - t);
  for (int i = 0; i < 8; ++i) {
    Real miss = size < 0.5L ? std::erf(y) - size : (1 - size) - std::erfc(y);
    Real step = miss / (slope * std::exp(-y * y));
    y -= step / (1 + y * step);  // Halley
  }
  return std::copysign(y, x);
}

// B_2j
inline constexpr Real bernoulli[] = {1 / 6.0L,       -1 / 30.0L, 1 / 42.0L,      -1 / 30.0L,     5 / 66.0L,
                                     -691 / 2730.0L, 7 / 6.0L,   -3617 / 510.0L, 43867 / 798.0L, -174611 / 330.0L};

// Steps up to 40, then the asymptotic series; below 0 by reflection.
inline Real digamma_of(Real x) {
  if (std::isnan(x) || x == INFINITY) return x;
  if (x <= 0) {
    if (x == std::floor(x)) return NAN;
    return digamma_of(1 - x) - pi / std::tan(pi * (x - std::round(x)));
  }
  Real shift = 0, tail = 0;
  for (; x < 40; x += 1) shift -= 1 / x;
  for (int j = 9; j >= 0; --j) tail = (tail + bernoulli[j] / (2 * (j + 1))) / (x * x);
  return shift + std::log(x) - 1 / (2 * x) - tail;
}
// (-1)^(n+1) n! times the sum of (x + k)^-(n+1), by steps up to 60 and Euler-Maclaurin; x > 0, or n = 1.
inline Real polygamma_of(int n, Real x) {
  if (std::isnan(x)) return x;
  if (x == INFINITY) return n % 2 ? Real(0) : -Real(0);
  if (x <= 0) {
    if (n == 1 && x == std::floor(x)) return INFINITY;
    if (n > 1) return x == 0 && n % 2 ? Real(INFINITY) : NAN;
    Real s = pi / std::sin(pi * (x - std::round(x)));
    return s * s - polygamma_of(1, 1 - x);
  }
  const Real s = n + 1;
  Real sum = 0;
  for (; x < 60; x += 1) sum += std::pow(x, -s);
  Real term = s * std::pow(x, -s - 1);
  sum += std::pow(x, -n) / n + std::pow(x, -s) / 2;
  for (int j = 0; j < 10; ++j) {
    sum += bernoulli[j] * term / std::tgamma(Real(2 * j + 3));
    term *= (s + 2 * j + 1) * (s + 2 * j + 2) / (x * x);
  }
  return (n % 2 ? 1 : -1) * std::tgamma(s) * sum;
}
inline Real logaddexp_of(Real a, Real b) {
  if (a == b) return a + std::log(Real(2));
  return std::max(a, b) + std::log1p(std::exp(-std::fabs(a - b))) + (std::isnan(a) || std::isnan(b) ? NAN : 0);
}
// The remainder with the sign of b, as NumPy has it, infinities included.
inline Real remainder_of(Real a, Real b) {
  Real r = std::fmod(a, b);
  if (r == 0) return std::copysign(r, b);
  return (r < 0) != (b < 0) ? r + b : r;
}
inline Real floor_divide_of(Real a, Real b) {
  if (b == 0) return a / b;
  Real r = std::fmod(a, b), q = std::nearbyint((a - r) / b);
  if (r != 0 && (r < 0) != (b < 0)) q -= 1;
  return q == 0 ? std::copysign(Real(0), a / b) : q;
}
inline Real sign_of(Real x) { return std::isnan(x) ? x : Real((x > 0) - (x < 0)); }

// ---- the table

template <class F>
Row row(Tensor (*run)(const Tensor&, const Tensor&), Real (*reference)(Real, Real), double low = -8, double high = 8) {
  return {F::name, F::arity, F::ulp_f32, F::ulp_f64, F::ulp_of, run, reference, low, high};
}
#define UNARY(F, f, reference, ...)                               \
  row<fn::F>([](const Tensor& x, const Tensor&) { return f(x); }, \
             [](Real x, Real) -> Real { return reference; } __VA_OPT__(, ) __VA_ARGS__)
#define BINARY(F, f, reference, ...)                                   \
  row<fn::F>([](const Tensor& a, const Tensor& b) { return f(a, b); }, \
             [](Real a, Real b) -> Real { return reference; } __VA_OPT__(, ) __VA_ARGS__)

inline const std::vector<Row>& rows() {
  namespace fn = vmath::fn;
  static const std::vector<Row> all = {
      BINARY(Add, add, a + b),
      BINARY(Subtract, subtract, a - b),
      BINARY(Multiply, multiply, a * b),
      BINARY(Divide, divide, a / b),
      BINARY(Maximum, maximum, std::isnan(a) || std::isnan(b) ? NAN : std::max(a, b)),
      BINARY(Minimum, minimum, std::isnan(a) || std::isnan(b) ? NAN : std::min(a, b)),
      BINARY(SquaredDifference, squared_difference, (a - b) * (a - b)),
      BINARY(FloorDivide, floor_divide, floor_divide_of(a, b)),
      BINARY(Remainder, remainder, remainder_of(a, b)),
      BINARY(Copysign, copysign, std::copysign(a, b)),
      BINARY(Pow, pow, std::pow(a, b), 0, 30),
      BINARY(Atan2, atan2, std::atan2(a, b)),
      BINARY(Hypot, hypot, std::hypot(a, b)),
      BINARY(Logaddexp, logaddexp, logaddexp_of(a, b)),
      UNARY(Negative, negative, -x),
      UNARY(Abs, abs, std::fabs(x)),
      UNARY(Sign, sign, sign_of(x)),
      UNARY(Square, square, x * x),
      UNARY(Floor, floor, std::floor(x)),
      UNARY(Ceil, ceil, std::ceil(x)),
      UNARY(Round, round, std::nearbyint(x)),
      UNARY(Trunc, trunc, std::trunc(x)),
      UNARY(Exp, exp, std::exp(x), -110, 90),
      UNARY(Exp2, exp2, std::exp2(x), -150, 130),
      UNARY(Expm1, expm1, std::expm1(x), -20, 90),
      UNARY(Log, log, std::log(x), 0, 3),
      UNARY(Log2, log2, std::log2(x), 0, 3),
      UNARY(Log10, log10, std::log10(x), 0, 3),
      UNARY(Log1p, log1p, std::log1p(x), -1, 2),
      UNARY(Sqrt, sqrt, std::sqrt(x), 0, 9),
      UNARY(Rsqrt, rsqrt, 1 / std::sqrt(x), 0, 9),
      UNARY(Reciprocal, reciprocal, 1 / x),
      UNARY(Sin, sin, std::sin(x), -100, 100),
      UNARY(Cos, cos, std::cos(x), -100, 100),
      UNARY(Tan, tan, std::tan(x), -100, 100),
      UNARY(Asin, asin, std::asin(x), -1, 1),
      UNARY(Acos, acos, std::acos(x), -1, 1),
      UNARY(Atan, atan, std::atan(x)),
      UNARY(Sinh, sinh, std::sinh(x), -90, 90),
      UNARY(Cosh, cosh, std::cosh(x), -90, 90),
      UNARY(Tanh, tanh, std::tanh(x)),
      UNARY(Asinh, asinh, std::asinh(x)),
      UNARY(Acosh, acosh, std::acosh(x), 1, 9),
      UNARY(Atanh, atanh, std::atanh(x), -1, 1),
      UNARY(Erf, erf, std::erf(x), -5, 5),
      UNARY(Erfc, erfc, std::erfc(x), -5, 28),
      UNARY(Erfinv, erfinv, erfinv_of(x), -1, 1),
      UNARY(Lgamma, lgamma, std::lgamma(x), -10, 30),
      UNARY(Digamma, digamma, digamma_of(x), -10, 30),
      row<fn::Polygamma>([](const Tensor& x, const Tensor&) { return polygamma(1, x); },
                         [](Real x, Real) { return polygamma_of(1, x); }, -10, 30),
      row<fn::Polygamma>([](const Tensor& x, const Tensor&) { return polygamma(2, x); },
                         [](Real x, Real) { return polygamma_of(2, x); }, 0, 30),
      row<fn::Polygamma>([](const Tensor& x, const Tensor&) { return polygamma(3, x); },
                         [](Real x, Real) { return polygamma_of(3, x); }, 0, 30),
      UNARY(Relu, relu, std::isnan(x) ? x : std::max(x, Real(0))),
      UNARY(Relu6, relu6, std::isnan(x) ? x : std::min(std::max(x, Real(0)), Real(6))),
      UNARY(LeakyRelu, leaky_relu, x > 0 ? x : x * 0.2),
      UNARY(Elu, elu, elu_of(x, 1), -20, 3),
      UNARY(Selu, selu, fn::Selu::scale * elu_of(x, fn::Selu::alpha), -20, 3),
      UNARY(Gelu, gelu, x / 2 * std::erfc(-x / std::sqrt(Real(2))), -38, 8),
      row<fn::GeluTanh>(
          [](const Tensor& x, const Tensor&) { return gelu(x, {.approximate = true}); },
          [](Real x, Real) { return x * sigmoid_of(2 * std::sqrt(2 / pi) * x * (1 + 0.044715L * x * x)); }, -22, 8),
      UNARY(Silu, silu, x * sigmoid_of(x), -110, 20),
      UNARY(Mish, mish, x * std::tanh(softplus_of(x)), -110, 25),
      UNARY(Softplus, softplus, softplus_of(x), -110, 40),
      UNARY(Softsign, softsign, x / (1 + std::fabs(x))),
      UNARY(Sigmoid, sigmoid, sigmoid_of(x), -110, 40),
      UNARY(LogSigmoid, log_sigmoid, -softplus_of(-x), -40, 110),
      UNARY(HardSigmoid, hard_sigmoid, hard_sigmoid_of(x)),
      UNARY(HardSilu, hard_silu, x * hard_sigmoid_of(x)),
  };
  return all;
}
#undef UNARY
#undef BINARY

// ---- the numbers

/// Zeros, infinities, NaN, subnormals, limits, halves, and numbers beside poles and edges.
template <class T>
std::vector<T> specials() {
  using L = std::numeric_limits<T>;
  std::vector<T> out;
  for (T v : {T(0),
              L::infinity(),
              L::quiet_NaN(),
              L::denorm_min(),
              L::min(),
              L::max(),
              std::nextafter(L::min(), T(0)),
              T(1e-40),
              T(1e-30),
              T(1e-9),
              T(1e-5),
              T(0.5),
              T(1),
              T(1.5),
              T(2),
              T(2.5),
              T(3),
              T(3.5),
              T(6),
              T(7),
              T(20),
              T(88.5),
              T(89),
              T(104),
              T(709),
              T(746),
              T(1e4),
              T(8388608.5),
              T(16777217),
              T(4503599627370497.5),
              T(1e16),
              T(1e19),
              T(1e30),
              T(1.5707963267948966),
              T(3.141592653589793),
              T(1.4616321449683622)})
    for (T w : {v, std::nextafter(v, T(0)), std::nextafter(v, L::infinity())}) out.push_back(w), out.push_back(-w);
  return out;
}

/// The specials, floats of every size, and `count` numbers in [low, high].
template <class T>
std::vector<T> numbers(double low, double high, int count) {
  std::vector<T> out = specials<T>();
  std::mt19937_64 bits(5);
  std::uniform_real_distribution<double> inside(low, high), size(-30, 0);
  for (int i = 0; i < count; ++i) {
    out.push_back(T(inside(bits)));
    out.push_back(T(std::copysign(std::exp2(size(bits)), inside(bits))));
    if constexpr (sizeof(T) == 4) out.push_back(std::bit_cast<float>(std::uint32_t(bits())));
    else out.push_back(std::bit_cast<double>(std::uint64_t(bits())));
  }
  return out;
}

}  // namespace elementwise_table
