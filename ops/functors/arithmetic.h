// Elementwise arithmetic: the functors that every numeric dtype has.
#pragma once
#include <tapir/ops/tile.h>

namespace tapir::vmath::fn {

struct Add : Binary {
  static constexpr const char* name = "add";
  static constexpr Types types = Types::numeric;
  static constexpr Saves saves = Saves::none;
  static constexpr int cost = 1;
  template <class V> V value(V a, V b) const { return a + b; }
  template <class V> V grad_a(V dy) const { return dy; }
  template <class V> V grad_b(V dy) const { return dy; }
};
struct Subtract : Binary {
  static constexpr const char* name = "subtract";
  static constexpr Types types = Types::numeric;
  static constexpr Saves saves = Saves::none;
  static constexpr int cost = 1;
  template <class V> V value(V a, V b) const { return a - b; }
  template <class V> V grad_a(V dy) const { return dy; }
  template <class V> V grad_b(V dy) const { return -dy; }
};
struct Multiply : Binary {
  static constexpr const char* name = "multiply";
  static constexpr Types types = Types::numeric;
  static constexpr int cost = 1;
  template <class V> V value(V a, V b) const { return a * b; }
  template <class V> V grad_a(V dy, V, V b) const { return dy * b; }
  template <class V> V grad_b(V dy, V a, V) const { return dy * a; }
};
struct Divide : Binary {
  static constexpr const char* name = "divide";
  template <class V> V value(V a, V b) const { return a / b; }
  template <class V> V grad_a(V dy, V, V b) const { return dy / b; }
  template <class V> V grad_b(V dy, V a, V b) const { return -dy * a / (b * b); }
};
// Where both are equal, each side gets half of the gradient, as in JAX. NaN wins.
struct Maximum : Binary {
  static constexpr const char* name = "maximum";
  static constexpr Types types = Types::numeric;
  static constexpr int cost = 1;
  template <class V> V value(V a, V b) const { return maximum(a, b); }
  template <class V> V grad_a(V dy, V a, V b) const { return where(a > b, dy, where(a == b, dy * V(0.5), dy * V(0))); }
  template <class V> V grad_b(V dy, V a, V b) const { return where(b > a, dy, where(a == b, dy * V(0.5), dy * V(0))); }
};
struct Minimum : Binary {
  static constexpr const char* name = "minimum";
  static constexpr Types types = Types::numeric;
  static constexpr int cost = 1;
  template <class V> V value(V a, V b) const { return minimum(a, b); }
  template <class V> V grad_a(V dy, V a, V b) const { return where(a < b, dy, where(a == b, dy * V(0.5), dy * V(0))); }
  template <class V> V grad_b(V dy, V a, V b) const { return where(b < a, dy, where(a == b, dy * V(0.5), dy * V(0))); }
};
struct Negative : Unary {
  static constexpr const char* name = "negative";
  static constexpr Types types = Types::numeric;
  static constexpr Saves saves = Saves::none;
  static constexpr int cost = 1;
  template <class V> V value(V x) const { return -x; }
  template <class V> V grad(V dy) const { return -dy; }
};
struct Abs : Unary {
  static constexpr const char* name = "abs";
  static constexpr Types types = Types::numeric;
  static constexpr int cost = 1;
  template <class V> V value(V x) const { return abs(x); }
  template <class V> V grad(V dy, V x) const { return dy * sign(x); }
};
struct Sign : Unary {
  static constexpr const char* name = "sign";
  static constexpr Types types = Types::numeric;
  static constexpr bool differentiable = false;
  template <class V> V value(V x) const { return sign(x); }
};
struct Square : Unary {
  static constexpr const char* name = "square";
  static constexpr Types types = Types::numeric;
  static constexpr int cost = 1;
  template <class V> V value(V x) const { return x * x; }
  template <class V> V grad(V dy, V x) const { return dy * (x + x); }
};

using ArithmeticOps = TypeList<Add, Subtract, Multiply, Divide, Maximum, Minimum, Negative, Abs, Sign, Square>;

}  // namespace tapir::vmath::fn
