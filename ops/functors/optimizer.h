// The arithmetic of the optimizers, one text a rule, as Keras computes it. `step<T>(rate, t)` prepares the t-th update
// with the given learning rate; the result updates one element: the parameter p and its state s0, s1, s2 by gradient g.
#pragma once
#include <tapir/tensor/host_device.h>

#include <cmath>
#include <cstdint>

namespace tapir::vmath::fn {

/// Source: Polyak 1964; Nesterov as in Sutskever et al., ICML 2013.
struct SGDUpdate {
  static constexpr const char* name = "sgd_update";
  double momentum = 0, weight_decay = 0;
  bool nesterov = false;
  template <class V> void visit(V&& v) {
    v("momentum", momentum), v("weight_decay", weight_decay), v("nesterov", nesterov);
  }
  int states() const { return momentum != 0; }

  template <class T> struct Step {
    T rate, momentum, decay;
    bool nesterov;
    template <int N> TAPIR_HD void run(T& p, T g, T& velocity, T&, T&) const {
      p -= p * decay;
      if constexpr (N == 0) {
        p -= g * rate;
      } else {
        velocity = momentum * velocity - g * rate;
        p += nesterov ? momentum * velocity - g * rate : velocity;
      }
    }
  };
  template <class T> TAPIR_HD Step<T> step(double rate, std::int64_t) const {
    return {T(rate), T(momentum), T(weight_decay * rate), nesterov};
  }
};

/// Source: Kingma and Ba, ICLR 2015; with weight decay AdamW, Loshchilov and Hutter, ICLR 2019; amsgrad: Reddi et al.,
/// 2018.
struct AdamUpdate {
  static constexpr const char* name = "adam_update";
  double beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7, weight_decay = 0;
  bool amsgrad = false;
  template <class V> void visit(V&& v) {
    v("beta_1", beta_1), v("beta_2", beta_2), v("epsilon", epsilon), v("weight_decay", weight_decay),
        v("amsgrad", amsgrad);
  }
  int states() const { return amsgrad ? 3 : 2; }

  template <class T> struct Step {
    T rate, keep_1, keep_2, epsilon, decay;
    template <int N> TAPIR_HD void run(T& p, T g, T& m, T& v, T& largest) const {
      p -= p * decay;
      m += (g - m) * keep_1;
      v += (g * g - v) * keep_2;
      T scale = v;
      if constexpr (N == 3) scale = largest = v > largest ? v : largest;
      p -= m * rate / (std::sqrt(scale) + epsilon);
    }
  };
  template <class T> TAPIR_HD Step<T> step(double rate, std::int64_t t) const {
    double corrected = rate * std::sqrt(1 - std::pow(beta_2, double(t))) / (1 - std::pow(beta_1, double(t)));
    return {T(corrected), T(1 - beta_1), T(1 - beta_2), T(epsilon), T(weight_decay * rate)};
  }
};

/// State: mean square; if centered the mean; with momentum the velocity. Source: Tieleman and Hinton, 2012; Graves,
/// 2013.
struct RMSpropUpdate {
  static constexpr const char* name = "rmsprop_update";
  double rho = 0.9, momentum = 0, epsilon = 1e-7, weight_decay = 0;
  bool centered = false;
  template <class V> void visit(V&& v) {
    v("rho", rho), v("momentum", momentum), v("epsilon", epsilon), v("weight_decay", weight_decay),
        v("centered", centered);
  }
  int states() const { return 1 + centered + (momentum != 0); }

  template <class T> struct Step {
    T rate, rho, momentum, epsilon, decay;
    bool centered;
    template <int N> TAPIR_HD void run(T& p, T g, T& square, T& s1, T& s2) const {
      p -= p * decay;
      square = rho * square + (1 - rho) * g * g;
      T denominator = square;
      if (centered) {
        s1 = rho * s1 + (1 - rho) * g;
        denominator -= s1 * s1;
      }
      T delta = rate * g / std::sqrt(denominator + epsilon);
      if constexpr (N == 3) delta = s2 = momentum * s2 + delta;
      if constexpr (N == 2) {
        if (!centered) delta = s1 = momentum * s1 + delta;
      }
      p -= delta;
    }
  };
  template <class T> TAPIR_HD Step<T> step(double rate, std::int64_t) const {
    return {T(rate), T(rho), T(momentum), T(epsilon), T(weight_decay * rate), centered};
  }
};

/// Source: Duchi et al., JMLR 2011.
struct AdagradUpdate {
  static constexpr const char* name = "adagrad_update";
  double epsilon = 1e-7, weight_decay = 0;
  template <class V> void visit(V&& v) { v("epsilon", epsilon), v("weight_decay", weight_decay); }
  int states() const { return 1; }

  template <class T> struct Step {
    T rate, epsilon, decay;
    template <int N> TAPIR_HD void run(T& p, T g, T& sum, T&, T&) const {
      p -= p * decay;
      sum += g * g;
      p -= rate * g / std::sqrt(sum + epsilon);
    }
  };
  template <class T> TAPIR_HD Step<T> step(double rate, std::int64_t) const {
    return {T(rate), T(epsilon), T(weight_decay * rate)};
  }
};

}  // namespace tapir::vmath::fn
