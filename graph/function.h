// function(): the callable that a trace will stand behind.
#pragma once
#include <tapir/ops/op.h>

#include <utility>

namespace tapir {

/// A callable over Tensors that gives the same results as the one it was made from. Tracing it into a graph on the first
/// call is still to come (docs/roadmap.md); today a call runs the body op by op.
template <class F>
class Function {
 public:
  explicit Function(F f) : f_(std::move(f)) {}
  template <class... Args>
  decltype(auto) operator()(Args&&... args) const {
    return f_(std::forward<Args>(args)...);
  }

 private:
  F f_;
};

/// `auto step = function([&](const Tensor& x, const Tensor& y) {...});`
template <class F>
Function<F> function(F f) {
  return Function<F>(std::move(f));
}

}  // namespace tapir
