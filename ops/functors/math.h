// Elementwise functions of real numbers.
#pragma once
#include <tapir/ops/tile.h>

namespace tapir::vmath::fn {

struct Exp : Unary {
  static constexpr const char* name = "exp";
  static constexpr Saves saves = Saves::output;
  static constexpr int cost = 12;
  template <class V> V value(V x) const { return exp(x); }
  template <class V> V grad(V dy, V y) const { return dy * y; }
};
struct Log : Unary {
  static constexpr const char* name = "log";
  static constexpr int cost = 16;
  template <class V> V value(V x) const { return log(x); }
  template <class V> V grad(V dy, V x) const { return dy / x; }
};
struct Sqrt : Unary {
  static constexpr const char* name = "sqrt";
  static constexpr Saves saves = Saves::output;
  static constexpr int cost = 8;
  template <class V> V value(V x) const { return sqrt(x); }
  template <class V> V grad(V dy, V y) const { return dy * V(0.5) / y; }
};
struct Sin : Unary {
  static constexpr const char* name = "sin";
  static constexpr int cost = 20;
  template <class V> V value(V x) const { return sin(x); }
  template <class V> V grad(V dy, V x) const { return dy * cos(x); }
};
struct Cos : Unary {
  static constexpr const char* name = "cos";
  static constexpr int cost = 20;
  template <class V> V value(V x) const { return cos(x); }
  template <class V> V grad(V dy, V x) const { return -dy * sin(x); }
};
struct Tanh : Unary {
  static constexpr const char* name = "tanh";
  static constexpr Saves saves = Saves::output;
  static constexpr int cost = 16;
  template <class V> V value(V x) const { return tanh(x); }
  template <class V> V grad(V dy, V y) const { return dy * (V(1) - y * y); }
};

using MathOps = TypeList<Exp, Log, Sqrt, Sin, Cos, Tanh>;

}  // namespace tapir::vmath::fn
