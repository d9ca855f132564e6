// Elementwise activations of neural networks, with the definitions and defaults of Keras. Where a function has a kink,
// the gradient on it is TensorFlow's.
#pragma once
#include <tapir/ops/functors/functor.h>

namespace tapir::vmath::fn {

struct Relu : Unary {
  static constexpr const char* name = "relu";
  static constexpr Types types = Types::numeric;
  static constexpr Saves saves = Saves::output;
  static constexpr int cost = 1;
  template <class V> TAPIR_HD V value(V x) const { return at_least(x, V(0)); }
  template <class V> TAPIR_HD V grad(V dy, V y) const { return where(y > V(0), dy, V(0)); }
};
struct Relu6 : Unary {
  static constexpr const char* name = "relu6";
  static constexpr Types types = Types::numeric;
  static constexpr Saves saves = Saves::output;
  static constexpr int cost = 1;
  template <class V> TAPIR_HD V value(V x) const { return at_most(at_least(x, V(0)), V(6)); }
  template <class V> TAPIR_HD V grad(V dy, V y) const { return where((y > V(0)) & (y < V(6)), dy, V(0)); }
};
// alpha: the slope on the negative side, and at 0.
struct LeakyRelu : Unary {
  static constexpr const char* name = "leaky_relu";
  static constexpr int cost = 2;
  double alpha = 0.2;
  template <class A> void visit(A&& v) { v("alpha", alpha); }
  template <class V> TAPIR_HD V value(V x) const { return where(x > V(0), x, x * V(alpha)); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return where(x > V(0), dy, dy * V(alpha)); }
};
// The exponent is limited to 0 where the other side is taken, so that nothing overflows.
struct Elu : Unary {
  static constexpr const char* name = "elu";
  static constexpr int cost = 16;
  double alpha = 1.0;
  template <class A> void visit(A&& v) { v("alpha", alpha); }
  template <class V> TAPIR_HD V value(V x) const { return where(x > V(0), x, V(alpha) * expm1(minimum(x, V(0)))); }
  template <class V> TAPIR_HD V grad(V dy, V x) const {
    return where(x > V(0), dy, dy * V(alpha) * where(x < V(0), exp(minimum(x, V(0))), V(1)));
  }
};
// Klambauer et al., "Self-normalizing neural networks", 2017.
struct Selu : Unary {
  static constexpr const char* name = "selu";
  static constexpr int cost = 16;
  static constexpr double scale = 1.0507009873554804934193349852946, alpha = 1.6732632423543772848170429916717;
  template <class V> TAPIR_HD V value(V x) const {
    return where(x > V(0), x * V(scale), V(scale * alpha) * expm1(minimum(x, V(0))));
  }
  template <class V> TAPIR_HD V grad(V dy, V x) const {
    return dy * where(x < V(0), V(scale * alpha) * exp(minimum(x, V(0))), V(scale));
  }
};
// x * Phi(x). Hendrycks and Gimpel, 2016. erfc keeps the relative error small for negative x.
struct Gelu : Unary {
  static constexpr const char* name = "gelu";
  static constexpr double ulp_f32 = 250, ulp_f64 = 2000;  // in the far tail; about x^2
  static constexpr int cost = 24;
  template <class V> TAPIR_HD V value(V x) const { return V(0.5) * x * erfc(x * V(-0.70710678118654752440)); }
  template <class V> TAPIR_HD V grad(V dy, V x) const {
    return dy *
           (V(0.5) * erfc(x * V(-0.70710678118654752440)) + x * (V(0.39894228040143267794) * exp(V(-0.5) * x * x)));
  }
};
// 0.5 x (1 + tanh(u)), u = sqrt(2 / pi) (x + 0.044715 x^3), which is x sigmoid(2 u). In the gradient the slope of the
// sigmoid is 0 long before x^2 could overflow.
struct GeluTanh : Unary {
  static constexpr const char* name = "gelu_tanh";
  static constexpr double ulp_f32 = 250, ulp_f64 = 2000;  // as gelu
  static constexpr UlpOf ulp_of = UlpOf::normal_result;
  static constexpr int cost = 24;
  static constexpr double c = 1.5957691216057307117, a = 0.044715;
  template <class V> TAPIR_HD V value(V x) const { return x * sigmoid(V(c) * x * (V(1) + V(a) * x * x)); }
  template <class V> TAPIR_HD V grad(V dy, V x) const {
    V z = minimum(maximum(x, V(-40)), V(40));
    V s = sigmoid(V(c) * x * (V(1) + V(a) * x * x));
    return dy * (s + x * (s * (V(1) - s) * (V(c) * (V(1) + V(3 * a) * z * z))));
  }
};
struct Silu : Unary {
  static constexpr const char* name = "silu";
  static constexpr double ulp_f32 = 5, ulp_f64 = 5;
  static constexpr UlpOf ulp_of = UlpOf::normal_result;
  static constexpr int cost = 16;
  template <class V> TAPIR_HD V value(V x) const { return x * sigmoid(x); }
  template <class V> TAPIR_HD V grad(V dy, V x) const {
    V s = sigmoid(x);
    return dy * (s + x * (s * (V(1) - s)));
  }
};
// x tanh(softplus(x)), Misra 2019; with e = exp(x), tanh(log(1 + e)) is n / (n + 2), n = e (e + 2). Beyond 20 it is 1.
struct Mish : Unary {
  static constexpr const char* name = "mish";
  static constexpr double ulp_f32 = 6, ulp_f64 = 6;
  static constexpr UlpOf ulp_of = UlpOf::normal_result;
  static constexpr int cost = 18;
  template <class V> static TAPIR_HD V gate(V x) {
    V e = exp(minimum(x, V(20))), n = e * (e + V(2));
    return n / (n + V(2));
  }
  template <class V> TAPIR_HD V value(V x) const { return x * gate(x); }
  template <class V> TAPIR_HD V grad(V dy, V x) const {
    V t = gate(x);
    return dy * (t + x * ((V(1) - t) * (V(1) + t) * sigmoid(x)));
  }
};
// log(1 + exp(x)), with no overflow.
struct Softplus : Unary {
  static constexpr const char* name = "softplus";
  static constexpr int cost = 28;
  template <class V> TAPIR_HD V value(V x) const { return maximum(x, V(0)) + log1p(exp(-abs(x))); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return dy * sigmoid(x); }
};
struct Softsign : Unary {
  static constexpr const char* name = "softsign";
  template <class V> TAPIR_HD V value(V x) const { return x / (V(1) + abs(x)); }
  template <class V> TAPIR_HD V grad(V dy, V x) const {
    V d = V(1) + abs(x);
    return dy / (d * d);
  }
};
struct Sigmoid : Unary {
  static constexpr const char* name = "sigmoid";
  static constexpr Saves saves = Saves::output;
  static constexpr int cost = 16;
  template <class V> TAPIR_HD V value(V x) const { return sigmoid(x); }
  template <class V> TAPIR_HD V grad(V dy, V y) const { return dy * y * (V(1) - y); }
};
struct LogSigmoid : Unary {
  static constexpr const char* name = "log_sigmoid";
  static constexpr int cost = 28;
  template <class V> TAPIR_HD V value(V x) const { return minimum(x, V(0)) - log1p(exp(-abs(x))); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return dy * sigmoid(-x); }
};
// relu6(x + 3) / 6
struct HardSigmoid : Unary {
  static constexpr const char* name = "hard_sigmoid";
  static constexpr int cost = 2;
  template <class V> TAPIR_HD V value(V x) const { return at_most(at_least(x + V(3), V(0)), V(6)) / V(6); }
  template <class V> TAPIR_HD V grad(V dy, V x) const { return where((x > V(-3)) & (x < V(3)), dy / V(6), V(0)); }
};
// x hard_sigmoid(x)
struct HardSilu : Unary {
  static constexpr const char* name = "hard_silu";
  static constexpr int cost = 2;
  template <class V> TAPIR_HD V value(V x) const { return x * (at_most(at_least(x + V(3), V(0)), V(6)) / V(6)); }
  template <class V> TAPIR_HD V grad(V dy, V x) const {
    V inside = where((x > V(-3)) & (x < V(3)), x / V(6), x * V(0));
    return dy * (minimum(maximum(x + V(3), V(0)), V(6)) / V(6) + inside);
  }
};

using ActivationOps = TypeList<Relu, Relu6, LeakyRelu, Elu, Selu, Gelu, GeluTanh, Silu, Mish, Softplus, Softsign,
                               Sigmoid, LogSigmoid, HardSigmoid, HardSilu>;

}  // namespace tapir::vmath::fn
