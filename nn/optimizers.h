// Optimizers: they move variables against their gradients. Formulas and defaults are Keras's; all state is Variables.
#pragma once
#include <tapir/tensor/variable.h>

#include <memory>
#include <string>
#include <vector>

namespace tapir::optim {

/// A handle: copies are the same optimizer. Made by one of the classes below, or by name with Keras's defaults: "sgd",
/// "adam", "adamw", "rmsprop", "adagrad". An unknown name throws UsageError that lists them.
class Optimizer {
 public:
  Optimizer(const char* name, Where where = Where::current());
  Optimizer(const std::string& name, Where where = Where::current());

  /// One step: gradients[i] moves variables[i]. Undefined gradients are passed over. Throws UsageError if the counts
  /// differ or no gradient is defined, ShapeError or DTypeError if one does not fit its variable.
  void apply_gradients(const std::vector<Tensor>& gradients, const std::vector<Variable>& variables,
                       Where where = Where::current());

  /// Makes the state for these variables now; else their first step does.
  void build(const std::vector<Variable>& variables, Where where = Where::current());
  /// As new: no step was made, all state is as it starts. The learning rate stays.
  void reset();

  const std::string& name() const;
  /// What it was made as, with its options: "Adam(beta_1=0.9, beta_2=0.999, epsilon=1e-07)".
  const std::string& text() const;
  double learning_rate() const;
  /// Seen by the next step, also by a traced one.
  void set_learning_rate(double rate, Where where = Where::current());
  /// How many steps were made: i64.
  Variable iterations() const;
  /// All state: iterations, learning rate, then per variable what the rule keeps ("adam/conv2d_kernel_momentum").
  std::vector<Variable> variables() const;
  /// What the rule keeps for each variable.
  const std::vector<std::string>& slot_names() const;
  /// The same for one variable, in that order; empty if no step has moved it.
  std::vector<Variable> slots(const Variable& variable) const;

  struct Impl;

 protected:
  explicit Optimizer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

// Common to all: `clipnorm` scales each gradient to at most this norm, `clipvalue` cuts each element, `global_clipnorm`
// scales all together; at most one of them; 0 is off. `weight_decay` first shrinks each variable by rate *
// weight_decay.

struct SGDOptions {
  double learning_rate = 0.01, momentum = 0;
  bool nesterov = false;
  double weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  std::string name = "SGD";
};
/// variable -= rate * gradient; with momentum, and Nesterov's form of it (Sutskever et al., ICML 2013).
class SGD : public Optimizer {
 public:
  explicit SGD(const SGDOptions& options = {}, Where where = Where::current());
};

struct AdamOptions {
  double learning_rate = 0.001, beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7;
  bool amsgrad = false;
  double weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  std::string name = "adam";
};
/// Kingma and Ba, ICLR 2015.
class Adam : public Optimizer {
 public:
  explicit Adam(const AdamOptions& options = {}, Where where = Where::current());
};

struct AdamWOptions {
  double learning_rate = 0.001, weight_decay = 0.004, beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7;
  bool amsgrad = false;
  double clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  std::string name = "adamw";
};
/// Loshchilov and Hutter, ICLR 2019.
class AdamW : public Optimizer {
 public:
  explicit AdamW(const AdamWOptions& options = {}, Where where = Where::current());
};

struct RMSpropOptions {
  double learning_rate = 0.001, rho = 0.9, momentum = 0, epsilon = 1e-7;
  bool centered = false;
  double weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  std::string name = "rmsprop";
};
/// Tieleman and Hinton, 2012; centered: Graves, 2013.
class RMSprop : public Optimizer {
 public:
  explicit RMSprop(const RMSpropOptions& options = {}, Where where = Where::current());
};

struct AdagradOptions {
  double learning_rate = 0.001, initial_accumulator_value = 0.1, epsilon = 1e-7;
  double weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  std::string name = "adagrad";
};
/// Duchi et al., JMLR 2011.
class Adagrad : public Optimizer {
 public:
  explicit Adagrad(const AdagradOptions& options = {}, Where where = Where::current());
};

}  // namespace tapir::optim
