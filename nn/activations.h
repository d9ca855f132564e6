// Activations, as layers take them: by name or as a function.
#pragma once
#include <tapir/tensor/callable.h>
#include <tapir/tensor/tensor.h>

#include <string>

namespace tapir::nn {

/// What `.activation` takes: a name ("relu", "softmax", ...; UsageError for an unknown one, with all that there are), a
/// function `Tensor(const Tensor&)`, or nothing (linear).
class ActivationFunction {
 public:
  ActivationFunction() = default;
  ActivationFunction(const char* name, Where where = Where::current());
  ActivationFunction(const std::string& name, Where where = Where::current())
      : ActivationFunction(name.c_str(), where) {}
  template <class F>
  requires std::is_invocable_r_v<Tensor, F&, const Tensor&> ActivationFunction(F f)
      : name_("custom"), function_(std::move(f)) {}

  Tensor operator()(const Tensor& x, Where where = Where::current()) const;
  bool linear() const { return !function_; }
  const std::string& name() const { return name_; }

 private:
  std::string name_ = "linear";
  Callable<Tensor(const Tensor&)> function_;
};

namespace detail {
/// While it lives, remembers what the softmaxes and sigmoids that ran last on this thread were applied to, so that a
/// cross entropy of a result can be computed from the logits, as Keras does. As many as a model may have outputs.
class LogitsScope {
 public:
  LogitsScope();
  ~LogitsScope();
  LogitsScope(const LogitsScope&) = delete;
  LogitsScope& operator=(const LogitsScope&) = delete;
  /// Undefined unless `y` came out of the activation of this name.
  static Tensor logits_of(const Tensor& y, const char* activation);
  static void remember(const Tensor& y, const Tensor& logits, const char* activation);

 private:
  struct Applied {
    Tensor y, logits;
    const char* activation = "";
  };
  Applied last_[8];
  int next_ = 0;
  LogitsScope* outer_;
};
}  // namespace detail

}  // namespace tapir::nn
