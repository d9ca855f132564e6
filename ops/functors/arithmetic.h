// Elementwise arithmetic: the functors that every numeric dtype has.
#pragma once
#include <tapir/ops/functors/functor.h>

namespace tapir::vmath::fn {

struct Add : Binary {
  static constexpr const char* name = "add";
  static constexpr double ulp_f32 = 0.5, ulp_f64 = 0.5;
  static constexpr Types types = Types::numeric;
  static constexpr Saves saves = Saves::none;
  static constexpr int cost = 1;
  static constexpr bool passes_a = true, passes_b = true;
  template <class V> TAPIR_HD V value(V a, V b) const { return a + b; }
};
struct Subtract : Binary {
  static constexpr const char* name = "subtract";
  static constexpr double ulp_f32 = 0.5, ulp_f64 = 0.5;
  static constexpr Types types = Types::numeric;
  static constexpr Saves saves = Saves::none;
  static constexpr int cost = 1;
  static constexpr bool passes_a = true;
  template <class V> TAPIR_HD V value(V a, V b) const { return a - b; }
  template <class V> TAPIR_HD V grad_b(V dy) const { return -dy; }
};
struct Multiply : Binary {
  static constexpr const char* name = "multiply";
  static constexpr double ulp_f32 = 0.5, ulp_f64 = 0.5;
  static constexpr Types types = Types::numeric;
  static constexpr int cost = 1;
  template <class V> TAPIR_HD V value(V a, V b) const { return a * b; }
  template <class V> TAPIR_HD V grad_a(V dy, V, V b) const { return dy * b; }
  template <class V> TAPIR_HD V grad_b(V dy, V a, V) const { return dy * a; }
};
struct Divide : Binary {
  static constexpr const char* name = "divide";
  static constexpr double ulp_f32 = 0.5, ulp_f64 = 0.5;
  template <class V> TAPIR_HD V value(V a, V b) const { return a / b; }
  template <class V> TAPIR_HD V grad_a(V dy, V, V b) const { return dy / b; }
  template <class V> TAPIR_HD V grad_b(V dy, V a, V b) const { return -dy * a / (b * b); }
};
// Where both are equal, each side gets half of the gradient, as in JAX. NaN wins.
struct Maximum : Binary {
  static constexpr const char* name = "maximum";
  static constexpr double ulp_f32 = 0.5, ulp_f64 = 0.5;
  static constexpr Types types = Types::numeric;
  static constexpr int cost = 1;
  template <class V> TAPIR_HD V value(V a, V b) const { return maximum(a, b); }
  template <class V> TAPIR_HD V grad_a(V dy, V a, V b) const {
    return where(a > b, dy, where(a == b, dy * V(0.5), dy * V(0)));
  }
  template <class V> TAPIR_HD V grad_b(V dy, V a, V b) const {
    return where(b > a, dy, where(a == b, dy * V(0.5), dy * V(0)));
  }
};
struct Minimum : Binary {
  static constexpr const char* name = "minimum";
  static constexpr double ulp_f32 = 0.5, ulp_f64 = 0.5;
  static constexpr Types types = Types::numeric;
  static constexpr int cost = 1;
  template <class V> TAPIR_HD V value(V a, V b) const { return minimum(a, b); }
  template <class V> TAPIR_HD V grad_a(V dy, V a, V b) const {
    return where(a < b, dy, where(a == b, dy * V(0.5), dy * V(0)));
  }
  template <class V> TAPIR_HD V grad_b(V dy, V a, V b) const {
    return where(b < a, dy, where(a == b, dy * V(0.5), dy * V(0)));
  }
};
struct Negative : Unary {
  static constexpr const char* name = "negative";
  static constexpr double ulp_f32 = 0.5, ulp_f64 = 0.5;
  static constexpr Types types = Types::numeric;
  static constexpr Saves saves = Saves::none;
  static constexpr int cost = 1;
  template <class V> TAPIR_HD V value(V x) const { return -x; }
  template <class V> TAPIR_HD V grad(V dy) const { return -dy; }
};
struct Abs : Unary {
  static constexpr const char* name = "abs";
  static constexpr double ulp_f32 = 0.5, ulp_f64 = 0.5;
  static constexpr Types types = Types::numeric;
  static constexpr int cost = 1;
  template <class V> TAPIR_HD V value(V x) const { return abs(x); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return dy * sign(x); }
};
struct Sign : Unary {
  static constexpr const char* name = "sign";
  static constexpr double ulp_f32 = 0.5, ulp_f64 = 0.5;
  static constexpr Types types = Types::numeric;
  static constexpr bool differentiable = false;
  template <class V> TAPIR_HD V value(V x) const { return sign(x); }
};
struct Square : Unary {
  static constexpr const char* name = "square";
  static constexpr double ulp_f32 = 0.5, ulp_f64 = 0.5;
  static constexpr Types types = Types::numeric;
  static constexpr int cost = 1;
  template <class V> TAPIR_HD V value(V x) const { return x * x; }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return dy * (x + x); }
};

// (a - b)^2
struct SquaredDifference : Binary {
  static constexpr const char* name = "squared_difference";
  static constexpr Types types = Types::numeric;
  static constexpr int cost = 1;
  template <class V> TAPIR_HD V value(V a, V b) const { return (a - b) * (a - b); }
  template <class V> TAPIR_HD V grad_a(V dy, V a, V b) const { return dy * V(2) * (a - b); }
  template <class V> TAPIR_HD V grad_b(V dy, V a, V b) const { return dy * V(2) * (b - a); }
};
// Rounds down; integers by zero give 0. No gradient.
struct FloorDivide : Binary {
  static constexpr const char* name = "floor_divide";
  static constexpr Types types = Types::numeric;
  static constexpr bool differentiable = false;
  static constexpr int cost = 40;
  template <class V> TAPIR_HD V value(V a, V b) const { return floor_divide(a, b); }
};
// The sign of b; integers by zero give 0.
struct Remainder : Binary {
  static constexpr const char* name = "remainder";
  static constexpr double ulp_f32 = 0.5, ulp_f64 = 0.5;
  static constexpr Types types = Types::numeric;
  static constexpr int cost = 40;
  template <class V> TAPIR_HD V value(V a, V b) const { return remainder(a, b); }
  template <class V> TAPIR_HD V grad_a(V dy, V, V) const { return dy; }
  template <class V> TAPIR_HD V grad_b(V dy, V a, V b) const { return -dy * floor_divide(a, b); }
};
// x limited to [lo, hi], hi if lo > hi. On a limit the gradient goes to x, beyond it to the limit, as in TensorFlow.
struct Clip : Ternary {
  static constexpr const char* name = "clip";
  static constexpr Types types = Types::numeric;
  static constexpr int cost = 1;
  template <class V> TAPIR_HD V value(V x, V lo, V hi) const { return minimum(maximum(x, lo), hi); }
  template <class V> TAPIR_HD V grad_a(V dy, V x, V lo, V hi) const { return where((x < lo) | (x > hi), V(0), dy); }
  template <class V> TAPIR_HD V grad_b(V dy, V x, V lo, V hi) const { return where((x < lo) & (lo <= hi), dy, V(0)); }
  template <class V> TAPIR_HD V grad_c(V dy, V x, V lo, V hi) const { return where(maximum(x, lo) > hi, dy, V(0)); }
};
struct Copysign : Binary {
  static constexpr const char* name = "copysign";
  static constexpr double ulp_f32 = 0.5, ulp_f64 = 0.5;
  static constexpr int cost = 1;
  template <class V> TAPIR_HD V value(V a, V b) const { return copysign(a, b); }
  template <class V> TAPIR_HD V grad_a(V dy, V a, V b) const { return dy * sign(a) * copysign(V(1), b); }
};
struct Nextafter : Binary {
  static constexpr const char* name = "nextafter";
  static constexpr bool differentiable = false;
  static constexpr int cost = 20;
  template <class V> TAPIR_HD V value(V a, V b) const { return nextafter(a, b); }
};
// To whole numbers; integers stay. No gradients.
struct Rounding : Unary {
  static constexpr double ulp_f32 = 0.5, ulp_f64 = 0.5;
  static constexpr Types types = Types::numeric;
  static constexpr bool differentiable = false;
  static constexpr int cost = 1;
};
struct Floor : Rounding {
  static constexpr const char* name = "floor";
  template <class V> TAPIR_HD V value(V x) const { return floor(x); }
};
struct Ceil : Rounding {
  static constexpr const char* name = "ceil";
  template <class V> TAPIR_HD V value(V x) const { return ceil(x); }
};
struct Round : Rounding {  // half to even
  static constexpr const char* name = "round";
  template <class V> TAPIR_HD V value(V x) const { return round(x); }
};
struct Trunc : Rounding {
  static constexpr const char* name = "trunc";
  template <class V> TAPIR_HD V value(V x) const { return trunc(x); }
};

using ArithmeticOps =
    TypeList<Add, Subtract, Multiply, Divide, Maximum, Minimum, Negative, Abs, Sign, Square, SquaredDifference,
             FloorDivide, Remainder, Clip, Copysign, Nextafter, Floor, Ceil, Round, Trunc>;

}  // namespace tapir::vmath::fn
