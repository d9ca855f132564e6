// What an elementwise functor is: the base classes, and the derivatives of a functor as functors. Knows no tensors, so
// that a GPU's compiler can read it beside the functors alone.
//
// A functor is a struct in vmath::fn that derives from Unary, Binary or Ternary and has
//   static constexpr const char* name;                       and, where they differ from the base: types, saves, ...
//   template <class V> V value(V x) const                    V: SIMD pack, one number (Lane), or Tensor
//   template <class V> V grad(V dy, ...) const               after dy, what `saves` says: nothing, x, y, or x and y
//   template <class V> V grad_a(V dy, ...), grad_b, grad_c   for several operands: nothing, (a, b), y, or (a, b, y);
//                                                            grad_b or grad_c may be left out where it is zero;
//                                                            `passes_a`, `passes_b`: it is dy itself, and not written
// Fields of the functor are its attributes; it then has `visit` as in ops/attrs.h.
// The derivative of a functor is a row too, and its text on Tensors gives gradients of any order.
#pragma once
#include <tapir/ops/saves.h>
#include <tapir/tensor/host_device.h>

#include <cstdint>

namespace tapir {

class Tensor;

template <class... Fs> struct TypeList {};

/// Which dtypes an elementwise op takes.
enum class Types : std::uint8_t { floating, numeric, integer, integer_or_bool, boolean, any };

/// What the error of a function is measured by: the unit in the last place of the result. Functions that cross zero
/// through cancellation take the larger of the result and 1, or of the result and the inputs; products with a factor
/// that may underflow the larger of the result and 1024 times the smallest normal number.
enum class UlpOf : std::uint8_t { result, one_or_result, inputs_or_result, normal_result };

namespace vmath::fn {

struct Elementwise {
  static constexpr Types types = Types::floating;
  static constexpr Saves saves = Saves::inputs;
  static constexpr bool bool_result = false, first_is_bool = false, differentiable = true;
  static constexpr bool passes_a = false, passes_b = false;
  static constexpr int cost = 4;
  // How far from the true value a result may be, in units of the last place, over all numbers; 0.5 is correctly
  // rounded.
  static constexpr double ulp_f32 = 4, ulp_f64 = 4;
  static constexpr UlpOf ulp_of = UlpOf::result;
};
struct Unary : Elementwise {
  static constexpr int arity = 1;
};
struct Binary : Elementwise {
  static constexpr int arity = 2;
};
struct Ternary : Elementwise {
  static constexpr int arity = 3;
};

/// The larger, the smaller of x and a number that is no NaN; a NaN of x stays. Packs have it in one instruction.
template <class V> TAPIR_HD inline V at_least(V x, V low) { return maximum(x, low); }
template <class V> TAPIR_HD inline V at_most(V x, V high) { return minimum(x, high); }

constexpr int saved_count(Saves s, int arity) {
  return s == Saves::none ? 0 : s == Saves::inputs ? arity : s == Saves::output ? 1 : arity + 1;
}

// The derivatives of F as functors: operand 0 is dy, the others what F saves. They are read from the attributes of F's
// own rows, so they are laid out as F is; with Elementwise as a base they would not be.
template <class F> struct GradOf {
  F f;
  static constexpr Types types = F::types;
  static constexpr Saves saves = Saves::inputs;
  static constexpr bool bool_result = false, first_is_bool = false, differentiable = true;
  static constexpr int arity = 1 + saved_count(F::saves, F::arity), cost = F::cost + 2;
  template <class A>
  requires requires(F& g, A& v) { g.visit(v); }
  void visit(A&& v) { f.visit(v); }
};
template <class F> struct Grad : GradOf<F> {
  static constexpr const char* suffix = "_grad";
  template <class V, class... S> TAPIR_HD V value(V dy, S... saved) const { return this->f.grad(dy, saved...); }
};
template <class F> struct GradA : GradOf<F> {
  static constexpr const char* suffix = "_grad_a";
  template <class V, class... S> TAPIR_HD V value(V dy, S... saved) const { return this->f.grad_a(dy, saved...); }
};
template <class F> struct GradB : GradOf<F> {
  static constexpr const char* suffix = "_grad_b";
  template <class V, class... S> TAPIR_HD V value(V dy, S... saved) const { return this->f.grad_b(dy, saved...); }
};

template <class F> struct GradC : GradOf<F> {
  static constexpr const char* suffix = "_grad_c";
  template <class V, class... S> TAPIR_HD V value(V dy, S... saved) const { return this->f.grad_c(dy, saved...); }
};

// Which derivatives F has; one that is zero everywhere is left out.
template <class F> inline constexpr bool has_grad_a = requires { &F::template grad_a<Tensor>; };
template <class F> inline constexpr bool has_grad_b = requires { &F::template grad_b<Tensor>; };
template <class F> inline constexpr bool has_grad_c = requires { &F::template grad_c<Tensor>; };

template <class F>
concept IsGradient = requires {
  F::suffix;
};

}  // namespace vmath::fn

}  // namespace tapir
