// gradcheck: gradients by the tape against central differences. For tests of your own operations.
#pragma once
#include <tapir/autograd/gradient_tape.h>

namespace tapir {

struct GradcheckOptions {
  int order = 1;            ///< 2 also checks the gradient of the gradient
  double step = 1e-5;       ///< of the central differences, relative to max(1, |x|)
  double tolerance = 1e-6;  ///< largest allowed |difference| / max(1, |numeric|)
};

/// What gradcheck found. True if everything agrees.
struct GradcheckResult {
  bool ok = true;
  double worst = 0;    ///< the largest relative difference
  std::string report;  ///< where that was, empty if ok
  explicit operator bool() const { return ok; }
  const std::string& str() const { return report; }
};

namespace detail {
using TensorFunction = Tensor (*)(const void* f, const std::vector<Tensor>& inputs);
GradcheckResult gradcheck(TensorFunction call, const void* f, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options, const Where& where);
}  // namespace detail

/// Compares the tape's gradients of `f` at `inputs` with central differences, element by element. f takes a
/// std::vector<Tensor> (or, for one input, a Tensor) and returns a floating Tensor of any shape. Floating inputs must
/// be f64, else DTypeError; integer and bool inputs are held fixed.
template <class F>
GradcheckResult gradcheck(const F& f, const std::vector<Tensor>& inputs, GradcheckOptions options = {},
                          Where where = Where::current()) {
  auto call = [](const void* p, const std::vector<Tensor>& in) -> Tensor {
    const F& g = *static_cast<const F*>(p);
    if constexpr (std::is_invocable_v<const F&, const std::vector<Tensor>&>) return g(in);
    else return g(in.at(0));
  };
  return detail::gradcheck(call, &f, inputs, options, where);
}
template <class F>
GradcheckResult gradcheck(const F& f, const Tensor& input, GradcheckOptions options = {},
                          Where where = Where::current()) {
  return gradcheck(f, std::vector<Tensor>{input}, options, where);
}

}  // namespace tapir
