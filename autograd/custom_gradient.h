// Gradients of your own, and trading time for memory: custom_gradient, recompute.
#pragma once
#include <tapir/autograd/gradient_tape.h>
#include <tapir/ops/precision.h>

#include <memory>

namespace tapir {

namespace detail {

/// What a tape calls instead of differentiating the inside of a function.
struct Pullback {
  virtual ~Pullback() = default;
  /// Gradients with respect to the function's inputs.
  virtual Tensors operator()(const Tensor& dy) const = 0;
  const Precision precision = matmul_precision();  // of the forward call
};

/// `y` as the result of an operation on `inputs` whose gradient is `pullback`.
Tensor with_pullback(const Tensor& y, std::span<const Tensor> inputs, std::unique_ptr<Pullback> pullback,
                     const Where& where);
/// The gradients that it gives, one for each of `inputs`. Throws UsageError or ShapeError unless they fit.
Tensors pulled_back(const Pullback& pullback, const Tensor& dy, std::span<const Tensor> inputs);
/// with_pullback while a function is traced; defined in graph/traced_gradient.cpp.
Tensor traced_pullback(const Tensor& y, std::span<const Tensor> inputs, const Pullback& pullback, const Where& where);
/// `x` as a value of its own in a trace, so that what is computed from it once more is not merged with the first time.
Tensor traced_again(const Tensor& x);

inline Tensors to_tensors(const Tensor& t) { return {t}; }
inline Tensors to_tensors(const std::vector<Tensor>& list) {
  Tensors out;
  for (auto& t : list) out.push_back(t);
  return out;
}
template <class Tuple>
Tensors to_tensors(const Tuple& tuple) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) { return Tensors{std::get<I>(tuple)...}; }
  (std::make_index_sequence<std::tuple_size_v<Tuple>>{});
}

/// No tape of this thread records while it lives. Traces go on.
class RecordingPaused {
 public:
  RecordingPaused() : recorder_(recorder()) {
    while (recorder() && !recorder()->intercepts) recorder() = recorder()->previous;
  }
  ~RecordingPaused() { recorder() = recorder_; }
  RecordingPaused(const RecordingPaused&) = delete;
  RecordingPaused& operator=(const RecordingPaused&) = delete;

 private:
  Recorder* recorder_;
};

/// Notes the variables that are read while it lives.
class VariablesRead final : public VariableObserver {
 public:
  VariablesRead();
  ~VariablesRead();
  void on_read(const Variable& variable, const Tensor& value) override;
  std::vector<Variable> variables;
  std::vector<Tensor> values;
};

using ListFunction = Tensor (*)(const void* f, std::span<const Tensor> x);
/// The gradients of `f` at `x` and with respect to `variables`, by running it again.
Tensors rerun(ListFunction call, const void* f, std::span<const Tensor> x, const std::vector<Variable>& variables,
              const Tensor& dy);

template <class P>
struct UserPullback final : Pullback {
  P pull;
  explicit UserPullback(P p) : pull(std::move(p)) {}
  Tensors operator()(const Tensor& dy) const override { return to_tensors(pull(dy)); }
};
template <class F>
struct CustomGradient {
  F f;
  template <class... Rest>
  Tensor operator()(const Operand& first, const Rest&... rest) const {
    CallSite site(first.where());
    auto result = f(first.tensor(), rest...);
    const std::vector<Tensor> inputs{first.tensor(), Tensor(rest)...};
    using P = decltype(result.second);
    auto pullback = std::make_unique<UserPullback<P>>(std::move(result.second));
    return with_pullback(result.first, inputs, std::move(pullback), first.where());
  }
};

template <class F, std::size_t n>
struct RerunPullback final : Pullback {
  F f;
  std::vector<Tensor> x;
  std::vector<Variable> variables;
  RerunPullback(F g, std::vector<Tensor> in, std::vector<Variable> v)
      : f(std::move(g)), x(std::move(in)), variables(std::move(v)) {}
  static Tensor call(const void* p, std::span<const Tensor> in) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) { return (*static_cast<const F*>(p))(in[I]...); }
    (std::make_index_sequence<n>{});
  }
  Tensors operator()(const Tensor& dy) const override { return rerun(call, &f, x, variables, dy); }
};
template <class F>
struct Recompute {
  F f;
  template <class... Rest>
  Tensor operator()(const Operand& first, const Rest&... rest) const {
    CallSite site(first.where());
    using P = RerunPullback<F, 1 + sizeof...(Rest)>;
    std::vector<Tensor> inputs{first.tensor(), Tensor(rest)...};
    VariablesRead read;
    Tensor y;
    {
      RecordingPaused paused;
      y = P::call(&f, inputs);
    }
    auto pullback = std::make_unique<P>(f, inputs, read.variables);
    inputs.insert(inputs.end(), read.values.begin(), read.values.end());
    return with_pullback(y, inputs, std::move(pullback), first.where());
  }
};

}  // namespace detail

/// A function with a gradient of its own. `f(x...)` returns a pair: the value, and a function from the gradient of the
/// value to that of x (one Tensor, or a std::array, std::tuple or std::vector with one per input). The inside of `f` is
/// not differentiated; Variables read in it get no gradient. The gradient function may itself be differentiated.
template <class F>
auto custom_gradient(F f) {
  return detail::CustomGradient<F>{std::move(f)};
}

/// A function that computes the same as `f(x...)` but keeps nothing of its inside for the gradient: it runs `f` again
/// when the gradient is asked for (T. Chen et al., "Training deep nets with sublinear memory cost", 2016). Variables
/// read in `f` get their gradients. `f` must be a pure function of its arguments and of the Variables.
template <class F>
auto recompute(F f) {
  return detail::Recompute<F>{std::move(f)};
}

}  // namespace tapir
