// The rows that a list of functors makes.
#pragma once
#include <tapir/ops/functors/functor.h>

namespace tapir {

/// visit.operator()<F>() for each functor of the list and, after it, each of its derivatives that is a row.
template <class... Fs, class Visit> void each_row(TypeList<Fs...>, Visit&& visit) {
  using namespace vmath::fn;
  auto one = [&]<class F>(const F*) {
    visit.template operator()<F>();
    if constexpr (F::differentiable && F::arity == 1) visit.template operator()<Grad<F>>();
    if constexpr (F::differentiable && F::arity > 1 && !F::first_is_bool) {
      if constexpr (has_grad_a<F>) visit.template operator()<GradA<F>>();
      if constexpr (has_grad_b<F>) visit.template operator()<GradB<F>>();
      if constexpr (has_grad_c<F>) visit.template operator()<GradC<F>>();
    }
  };
  (one(static_cast<const Fs*>(nullptr)), ...);
}

}  // namespace tapir
