// Two elementwise ops in one: the result of the first stays in a register on its way to the second. Tile programs take
// a pair where they find one, which saves a trip through the L1 cache; nobody else calls these.
#pragma once
#include <tapir/ops/functors/activation.h>
#include <tapir/ops/functors/arithmetic.h>
#include <tapir/ops/functors/math.h>

namespace tapir::vmath::fn {

/// G with the result of F as operand `At`: F's operands, then the others of G.
template <class F, class G, int At = 0> struct Then : Elementwise {
  using First = F;
  using Second = G;
  static constexpr int at = At, arity = F::arity + G::arity - 1, cost = F::cost + G::cost;
  static constexpr const char* name = "pair";
  static constexpr bool differentiable = false;
  template <class V, class... Vs> TAPIR_HD V value(V a, Vs... rest) const {
    if constexpr (F::arity == 1) return second(F{}.value(a), rest...);
    else return with_two(a, rest...);
  }

 private:
  template <class V, class... Vs> TAPIR_HD V with_two(V a, V b, Vs... rest) const {
    return second(F{}.value(a, b), rest...);
  }
  template <class V> TAPIR_HD V second(V x) const { return G{}.value(x); }
  template <class V> TAPIR_HD V second(V x, V y) const { return At == 0 ? G{}.value(x, y) : G{}.value(y, x); }
};

template <class F> using ThenArithmetic =
    TypeList<Then<F, Add>, Then<F, Multiply>, Then<F, Subtract>, Then<F, Subtract, 1>>;
template <class... Lists> struct Joined;
template <class... Fs> struct Joined<TypeList<Fs...>> { using type = TypeList<Fs...>; };
template <class... Fs, class... Gs, class... Rest> struct Joined<TypeList<Fs...>, TypeList<Gs...>, Rest...>
    : Joined<TypeList<Fs..., Gs...>, Rest...> {};

using Pairs = Joined<ThenArithmetic<Add>, ThenArithmetic<Subtract>, ThenArithmetic<Multiply>, ThenArithmetic<Square>,
                     TypeList<Then<Add, Relu>, Then<Add, Relu6>, Then<Add, Sigmoid>, Then<Add, Tanh>,
                              Then<Multiply, Tanh>, Then<Sigmoid, Multiply>>>::type;

}  // namespace tapir::vmath::fn
