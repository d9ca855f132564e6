// Derivatives as functions of functions: grad, value_and_grad, jvp.
#pragma once
#include <tapir/autograd/gradient_tape.h>

namespace tapir {

namespace detail {
/// The gradient of scalar `y`, zeros where it does not depend on x. Throws ShapeError if y is no scalar.
Tensor scalar_gradient(GradientTape& tape, const Tensor& y, const Tensor& x, const char* what);
std::vector<Tensor> scalar_gradient(GradientTape& tape, const Tensor& y, const std::vector<Tensor>& x,
                                    const char* what);
/// The tangent of y, given the tape that saw y computed from x.
Tensor push_forward(GradientTape& tape, const Tensor& y, const std::vector<Tensor>& x,
                    const std::vector<Tensor>& tangents, const Where& where);
void check_tangents(const std::vector<Tensor>& x, const std::vector<Tensor>& tangents);
}  // namespace detail

/// The value of a function and its gradient.
template <class G>
struct ValueAndGradient {
  Tensor value;
  G gradient;
};

namespace detail {
template <class F>
struct ValueAndGrad {
  F f;
  template <class... Others>
  ValueAndGradient<Tensor> operator()(const Operand& x, const Others&... others) const {
    CallSite site(x.where());
    GradientTape tape({.watch_accessed_variables = false});
    tape.watch(x.tensor());
    Tensor y = f(x.tensor(), others...);
    Tensor g = scalar_gradient(tape, y, x.tensor(), "grad");
    return {y, g};
  }
  template <class... Others>
  ValueAndGradient<std::vector<Tensor>> operator()(const std::vector<Tensor>& x, const Others&... others) const {
    GradientTape tape({.watch_accessed_variables = false});
    for (auto& t : x) tape.watch(t);
    Tensor y = f(x, others...);
    std::vector<Tensor> g = scalar_gradient(tape, y, x, "grad");
    return {y, g};
  }
};
template <class F>
struct OnlyGrad {
  ValueAndGrad<F> both;
  template <class... Others>
  Tensor operator()(const Operand& x, const Others&... others) const {
    return both(x, others...).gradient;
  }
  template <class... Others>
  std::vector<Tensor> operator()(const std::vector<Tensor>& x, const Others&... others) const {
    return both(x, others...).gradient;
  }
};
}  // namespace detail

/// A function (x, others...) -> {f(x, others...), df/dx}. f returns a floating scalar, else ShapeError. x is a Tensor,
/// or a std::vector<Tensor> and the gradient one too.
template <class F>
auto value_and_grad(F f) {
  return detail::ValueAndGrad<F>{std::move(f)};
}

/// A function (x, others...) -> df/dx: `grad(f)(x)`. Nests: `grad(grad(f))`. f returns a floating scalar, else
/// ShapeError.
template <class F>
auto grad(F f) {
  return detail::OnlyGrad<F>{{std::move(f)}};
}

/// The value of a function and its derivative in one direction.
struct PrimalAndTangent {
  Tensor primal, tangent;
};

/// The value of f at x and its derivative in direction `tangent` (of x's shape and dtype): forward mode, by two
/// backward passes (J. Townsend, "A new trick for calculating Jacobian vector products", 2017).
template <class F>
PrimalAndTangent jvp(const F& f, const Tensor& x, const Tensor& tangent, Where where = Where::current()) {
  CallSite site(where);
  detail::check_tangents({x}, {tangent});
  GradientTape tape({.watch_accessed_variables = false});
  tape.watch(x);
  Tensor y = f(x);
  Tensor dy = detail::push_forward(tape, y, {x}, {tangent}, where);
  return {y, dy};
}
/// The same for f that takes a std::vector<Tensor>.
template <class F>
PrimalAndTangent jvp(const F& f, const std::vector<Tensor>& x, const std::vector<Tensor>& tangents,
                     Where where = Where::current()) {
  CallSite site(where);
  detail::check_tangents(x, tangents);
  GradientTape tape({.watch_accessed_variables = false});
  for (auto& t : x) tape.watch(t);
  Tensor y = f(x);
  Tensor dy = detail::push_forward(tape, y, x, tangents, where);
  return {y, dy};
}

}  // namespace tapir
