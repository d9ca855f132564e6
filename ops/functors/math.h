// Elementwise functions of real numbers. How near they are to the true value is ulp_f32, ulp_f64 and ulp_of
// (ops/tile.h: 4 units in the last place of the result unless said), over all floats, NaN, infinities and subnormals
// included; the test reads them.
#pragma once
#include <tapir/ops/functors/functor.h>

namespace tapir::vmath::fn {

struct Exp : Unary {
  static constexpr const char* name = "exp";
  static constexpr Saves saves = Saves::output;
  static constexpr int cost = 12;
  template <class V> TAPIR_HD V value(V x) const { return exp(x); }
  template <class V> TAPIR_HD V grad(V dy, V y) const { return dy * y; }
};
struct Exp2 : Unary {
  static constexpr const char* name = "exp2";
  static constexpr Saves saves = Saves::output;
  static constexpr int cost = 12;
  template <class V> TAPIR_HD V value(V x) const { return exp2(x); }
  template <class V> TAPIR_HD V grad(V dy, V y) const { return dy * y * V(0.69314718055994530942); }
};
struct Expm1 : Unary {
  static constexpr const char* name = "expm1";
  static constexpr int cost = 16;
  template <class V> TAPIR_HD V value(V x) const { return expm1(x); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return dy * exp(x); }
};
struct Log : Unary {
  static constexpr const char* name = "log";
  static constexpr int cost = 12;
  template <class V> TAPIR_HD V value(V x) const { return log(x); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return dy / x; }
};
struct Log2 : Unary {
  static constexpr const char* name = "log2";
  static constexpr int cost = 16;
  template <class V> TAPIR_HD V value(V x) const { return log2(x); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return dy / (x * V(0.69314718055994530942)); }
};
struct Log10 : Unary {
  static constexpr const char* name = "log10";
  static constexpr int cost = 16;
  template <class V> TAPIR_HD V value(V x) const { return log10(x); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return dy / (x * V(2.30258509299404568402)); }
};
struct Log1p : Unary {
  static constexpr const char* name = "log1p";
  static constexpr int cost = 16;
  template <class V> TAPIR_HD V value(V x) const { return log1p(x); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return dy / (V(1) + x); }
};
struct Sqrt : Unary {
  static constexpr const char* name = "sqrt";
  static constexpr double ulp_f32 = 0.5, ulp_f64 = 0.5;
  static constexpr Saves saves = Saves::output;
  static constexpr int cost = 8;
  template <class V> TAPIR_HD V value(V x) const { return sqrt(x); }
  template <class V> TAPIR_HD V grad(V dy, V y) const { return dy * V(0.5) / y; }
};
struct Rsqrt : Unary {
  static constexpr const char* name = "rsqrt";
  static constexpr Saves saves = Saves::output;
  static constexpr int cost = 8;
  template <class V> TAPIR_HD V value(V x) const { return rsqrt(x); }
  template <class V> TAPIR_HD V grad(V dy, V y) const { return dy * V(-0.5) * y * y * y; }
};
struct Reciprocal : Unary {
  static constexpr const char* name = "reciprocal";
  static constexpr double ulp_f32 = 0.5, ulp_f64 = 0.5;
  static constexpr Saves saves = Saves::output;
  static constexpr int cost = 4;
  template <class V> TAPIR_HD V value(V x) const { return reciprocal(x); }
  template <class V> TAPIR_HD V grad(V dy, V y) const { return -dy * y * y; }
};
struct Sin : Unary {
  static constexpr const char* name = "sin";
  static constexpr int cost = 12;
  template <class V> TAPIR_HD V value(V x) const { return sin(x); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return dy * cos(x); }
};
struct Cos : Unary {
  static constexpr const char* name = "cos";
  static constexpr int cost = 12;
  template <class V> TAPIR_HD V value(V x) const { return cos(x); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return -dy * sin(x); }
};
struct Tan : Unary {
  static constexpr const char* name = "tan";
  static constexpr Saves saves = Saves::output;
  static constexpr int cost = 20;
  template <class V> TAPIR_HD V value(V x) const { return tan(x); }
  template <class V> TAPIR_HD V grad(V dy, V y) const { return dy * (V(1) + y * y); }
};
struct Asin : Unary {
  static constexpr const char* name = "asin";
  static constexpr int cost = 30;
  template <class V> TAPIR_HD V value(V x) const { return asin(x); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return dy * rsqrt((V(1) - x) * (V(1) + x)); }
};
struct Acos : Unary {
  static constexpr const char* name = "acos";
  static constexpr int cost = 30;
  template <class V> TAPIR_HD V value(V x) const { return acos(x); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return -dy * rsqrt((V(1) - x) * (V(1) + x)); }
};
struct Atan : Unary {
  static constexpr const char* name = "atan";
  static constexpr int cost = 20;
  template <class V> TAPIR_HD V value(V x) const { return atan(x); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return dy / (V(1) + x * x); }
};
struct Sinh : Unary {
  static constexpr const char* name = "sinh";
  static constexpr int cost = 20;
  template <class V> TAPIR_HD V value(V x) const { return sinh(x); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return dy * cosh(x); }
};
struct Cosh : Unary {
  static constexpr const char* name = "cosh";
  static constexpr int cost = 20;
  template <class V> TAPIR_HD V value(V x) const { return cosh(x); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return dy * sinh(x); }
};
struct Tanh : Unary {
  static constexpr const char* name = "tanh";
  static constexpr Saves saves = Saves::output;
  static constexpr int cost = 20;
  template <class V> TAPIR_HD V value(V x) const { return tanh(x); }
  template <class V> TAPIR_HD V grad(V dy, V y) const { return dy * ((V(1) - y) * (V(1) + y)); }
};
struct Asinh : Unary {
  static constexpr const char* name = "asinh";
  static constexpr int cost = 40;
  template <class V> TAPIR_HD V value(V x) const { return asinh(x); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return dy * rsqrt(V(1) + x * x); }
};
struct Acosh : Unary {
  static constexpr const char* name = "acosh";
  static constexpr int cost = 40;
  template <class V> TAPIR_HD V value(V x) const { return acosh(x); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return dy * rsqrt(x - V(1)) * rsqrt(x + V(1)); }
};
struct Atanh : Unary {
  static constexpr const char* name = "atanh";
  static constexpr int cost = 40;
  template <class V> TAPIR_HD V value(V x) const { return atanh(x); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return dy / ((V(1) - x) * (V(1) + x)); }
};
struct Erf : Unary {
  static constexpr const char* name = "erf";
  static constexpr double ulp_f32 = 5;
  static constexpr int cost = 20;
  template <class V> TAPIR_HD V value(V x) const { return erf(x); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return dy * V(1.12837916709551257390) * exp(-(x * x)); }
};
struct Erfc : Unary {
  static constexpr const char* name = "erfc";
  static constexpr int cost = 20;
  template <class V> TAPIR_HD V value(V x) const { return erfc(x); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return dy * V(-1.12837916709551257390) * exp(-(x * x)); }
};
struct Erfinv : Unary {
  static constexpr const char* name = "erfinv";
  static constexpr double ulp_f64 = 6;
  static constexpr Saves saves = Saves::output;
  static constexpr int cost = 100;
  template <class V> TAPIR_HD V value(V x) const { return erfinv(x); }
  template <class V> TAPIR_HD V grad(V dy, V y) const { return dy * V(0.88622692545275801365) * exp(y * y); }
};
// log |gamma(x)|; infinity at the poles 0, -1, ...
struct Lgamma : Unary {
  static constexpr const char* name = "lgamma";
  static constexpr int cost = 200;
  template <class V> TAPIR_HD V value(V x) const { return lgamma(x); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return dy * digamma(x); }
};
// The derivative of lgamma; NaN at the poles, as in TensorFlow. Near its roots the absolute error is that of numbers
// near 1.
struct Digamma : Unary {
  static constexpr const char* name = "digamma";
  static constexpr double ulp_f64 = 12;
  static constexpr UlpOf ulp_of = UlpOf::one_or_result;
  static constexpr int cost = 200;
  template <class V> TAPIR_HD V value(V x) const { return digamma(x); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return dy * polygamma(1, x); }
};
// The derivative of order n of digamma, n >= 1. For x < 0 only n = 1 is defined; others give NaN.
struct Polygamma : Unary {
  static constexpr const char* name = "polygamma";
  static constexpr double ulp_f64 = 8;
  static constexpr int cost = 400;
  std::int64_t n = 1;
  template <class A> void visit(A&& v) { v("n", n); }
  template <class V> TAPIR_HD V value(V x) const { return polygamma(n, x); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return dy * polygamma(n + 1, x); }
};
// Integers: wraps around; a negative exponent rounds the true value toward zero, 0 for a base of 0. The gradient for
// the exponent is 0 where the base is not positive, as in TensorFlow.
struct Pow : Binary {
  static constexpr const char* name = "pow";
  static constexpr Types types = Types::numeric;
  static constexpr int cost = 40;
  template <class V> TAPIR_HD V value(V a, V b) const { return pow(a, b); }
  template <class V>
  TAPIR_HD V grad_a(V dy, V a, V b) const {  // the inner where: no 0 * inf where b is 0, of any order
    return dy * b * pow(a, where(b == V(0), b + V(1), b - V(1)));
  }
  template <class V> TAPIR_HD V grad_b(V dy, V a, V b) const {
    return where(a > V(0), dy * pow(a, b) * log(where(a > V(0), a, a * V(0) + V(1))), V(0));
  }
};
// The angle of (b, a), in (-pi, pi]. The gradient at the origin is NaN, as in TensorFlow and JAX.
struct Atan2 : Binary {
  static constexpr const char* name = "atan2";
  static constexpr int cost = 40;
  template <class V> TAPIR_HD V value(V a, V b) const { return atan2(a, b); }
  template <class V> TAPIR_HD V grad_a(V dy, V a, V b) const { return dy * b / (a * a + b * b); }
  template <class V> TAPIR_HD V grad_b(V dy, V a, V b) const { return -dy * a / (a * a + b * b); }
};
// sqrt(a^2 + b^2) without overflow on the way. The gradient at the origin is 0.
struct Hypot : Binary {
  static constexpr const char* name = "hypot";
  static constexpr Saves saves = Saves::both;
  static constexpr int cost = 20;
  template <class V> TAPIR_HD V value(V a, V b) const { return hypot(a, b); }
  template <class V> TAPIR_HD V grad_a(V dy, V a, V, V y) const { return dy * a / where(y == V(0), y + V(1), y); }
  template <class V> TAPIR_HD V grad_b(V dy, V, V b, V y) const { return dy * b / where(y == V(0), y + V(1), y); }
};
// log(exp(a) + exp(b)) without overflow on the way; where the result is near 0 its absolute error is that of a and b.
// Where a equals b each side gets half of the gradient.
struct Logaddexp : Binary {
  static constexpr const char* name = "logaddexp";
  static constexpr UlpOf ulp_of = UlpOf::inputs_or_result;
  static constexpr int cost = 30;
  template <class V> TAPIR_HD V value(V a, V b) const {
    return where(a == b, a + V(0.69314718055994530942), maximum(a, b) + log1p(exp(-abs(a - b))));
  }
  template <class V> TAPIR_HD V grad_a(V dy, V a, V b) const { return dy * sigmoid(where(a == b, a * V(0), a - b)); }
  template <class V> TAPIR_HD V grad_b(V dy, V a, V b) const { return dy * sigmoid(where(a == b, b * V(0), b - a)); }
};

using MathOps = TypeList<Exp, Exp2, Expm1, Log, Log2, Log10, Log1p, Sqrt, Rsqrt, Reciprocal, Pow, Hypot, Logaddexp>;
using TrigonometryOps = TypeList<Sin, Cos, Tan, Asin, Acos, Atan, Atan2, Sinh, Cosh, Tanh, Asinh, Acosh, Atanh>;
using SpecialOps = TypeList<Erf, Erfc, Erfinv, Lgamma, Digamma, Polygamma>;

}  // namespace tapir::vmath::fn
