// Elementwise activations of neural networks.
#pragma once
#include <tapir/ops/tile.h>

namespace tapir::vmath::fn {

struct Relu : Unary {
  static constexpr const char* name = "relu";
  static constexpr Types types = Types::numeric;
  static constexpr Saves saves = Saves::output;
  static constexpr int cost = 1;
  template <class V> V value(V x) const { return maximum(x, V(0)); }
  template <class V> V grad(V dy, V y) const { return where(y > V(0), dy, V(0)); }
};
struct Sigmoid : Unary {
  static constexpr const char* name = "sigmoid";
  static constexpr Saves saves = Saves::output;
  static constexpr int cost = 16;
  template <class V> V value(V x) const { return V(1) / (V(1) + exp(-x)); }
  template <class V> V grad(V dy, V y) const { return dy * y * (V(1) - y); }
};
// alpha: the slope on the negative side.
struct LeakyRelu : Unary {
  static constexpr const char* name = "leaky_relu";
  static constexpr int cost = 2;
  double alpha = 0.2;
  template <class A> void visit(A&& v) { v("alpha", alpha); }
  template <class V> V value(V x) const { return where(x > V(0), x, x * V(alpha)); }
  template <class V> V grad(V dy, V x) const { return where(x > V(0), dy, dy * V(alpha)); }
};

using ActivationOps = TypeList<Relu, Sigmoid, LeakyRelu>;

}  // namespace tapir::vmath::fn
