// What fit asks of several processes that train one model; distributed::DataParallel answers.
#pragma once
#include <tapir/autograd/gradient_tape.h>

#include <string>

namespace tapir::nn {

/// All processes make the same calls in the same order; each waits for the others.
class ParallelTraining : public GradientHook {
 public:
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// What the trace of a step depends on.
  virtual std::string key() const = 0;
  /// A step begins: gradients of these variables will come, means over so many examples of this process; maybe none.
  virtual void start(std::span<const Variable> variables, std::int64_t examples) = 0;
  /// Backward is over: gradients become the means over the examples of all processes. Undefined ones of an empty batch
  /// are those of the others.
  virtual void finish(std::vector<Tensor>& gradients) = 0;
  /// The value that the first process has.
  virtual Tensor same(const Tensor& x) = 0;
  /// Is it so in any process?
  virtual bool any(bool here) = 0;
  /// Each variable becomes the sum of its values in all processes.
  virtual void sum(std::span<const Variable> variables) = 0;
};

}  // namespace tapir::nn
