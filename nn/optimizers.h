// Optimizers: they move variables against their gradients. Formulas and defaults are Keras's; all state is Variables.
#pragma once
#include <tapir/nn/schedules.h>
#include <tapir/tensor/variable.h>

#include <memory>
#include <string>
#include <vector>

namespace tapir::optim {

/// A handle: copies are the same optimizer. Made by one of the classes below, or by name with Keras's defaults: "sgd",
/// "adam", "adamw", "rmsprop", "adagrad", "adamax", "nadam", "adadelta", "ftrl", "lion", "lamb", "adafactor", "muon".
/// An unknown name throws UsageError that lists them.
class Optimizer {
 public:
  Optimizer(const char* name, Where where = Where::current());
  Optimizer(const std::string& name, Where where = Where::current());

  /// One step: gradients[i] moves variables[i]. Undefined gradients are passed over. Throws UsageError if the counts
  /// differ or no gradient is defined, ShapeError or DTypeError if one does not fit its variable.
  void apply_gradients(const std::vector<Tensor>& gradients, const std::vector<Variable>& variables,
                       Where where = Where::current());

  /// The loss that a loop of your own takes gradients of: of a LossScaleOptimizer times its scale, which its step takes
  /// out again; else as it is.
  Tensor scale_loss(const Tensor& loss, Where where = Where::current()) const;
  bool scales_loss() const;

  /// Makes the state for these variables now; else their first step does.
  void build(const std::vector<Variable>& variables, Where where = Where::current());
  /// As new: no step was made, all state is as it starts. The learning rate stays.
  void reset();

  const std::string& name() const;
  /// What it was made as, with its options: "Adam(beta_1=0.9, beta_2=0.999, epsilon=1e-07)".
  const std::string& text() const;
  /// That of the next step.
  double learning_rate() const;
  /// Seen by the next step, also by a traced one. Throws UsageError if the rate follows a schedule.
  void set_learning_rate(double rate, Where where = Where::current());
  /// How many steps were made: i64.
  Variable iterations() const;
  /// All state: iterations, learning rate (of a schedule: the first), what the rule keeps for all, then for each
  /// variable ("adam/conv2d_kernel_momentum").
  std::vector<Variable> variables() const;
  /// What the rule keeps once for all variables: of Nadam the product of its decays.
  const std::vector<Variable>& shared_variables() const;
  /// What the rule keeps for each variable, then "average" with use_ema.
  const std::vector<std::string>& slot_names() const;
  /// The same for one variable, in that order; empty if no step has moved it.
  std::vector<Variable> slots(const Variable& variable) const;
  /// Shapes and dtypes of the slots that this variable has or would get.
  std::vector<TensorSpec> slot_specs(const Variable& variable) const;

  /// With use_ema: gives these variables their averages, which fit does at its end. Those that no step has moved stay.
  void finalize_variable_values(const std::vector<Variable>& variables, Where where = Where::current());

  struct Impl;

 protected:
  explicit Optimizer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

// Common to all: `clipnorm` scales each gradient to at most this norm, `clipvalue` cuts each element, `global_clipnorm`
// scales all together; at most one of them; 0 is off. `weight_decay` first shrinks each variable by rate *
// weight_decay. `use_ema` keeps an exponential moving average of each variable, by `ema_momentum`; every
// `ema_overwrite_frequency` steps (0: never) variables take their averages.

struct SGDOptions {
  LearningRate learning_rate = 0.01;
  double momentum = 0;
  bool nesterov = false;
  double weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  bool use_ema = false;
  double ema_momentum = 0.99;
  int ema_overwrite_frequency = 0;
  std::string name = "SGD";
};
/// variable -= rate * gradient; with momentum, and Nesterov's form of it (Sutskever et al., ICML 2013).
class SGD : public Optimizer {
 public:
  explicit SGD(const SGDOptions& options = {}, Where where = Where::current());
};

struct AdamOptions {
  LearningRate learning_rate = 0.001;
  double beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7;
  bool amsgrad = false;
  double weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  bool use_ema = false;
  double ema_momentum = 0.99;
  int ema_overwrite_frequency = 0;
  std::string name = "adam";
};
/// Kingma and Ba, ICLR 2015.
class Adam : public Optimizer {
 public:
  explicit Adam(const AdamOptions& options = {}, Where where = Where::current());
};

struct AdamWOptions {
  LearningRate learning_rate = 0.001;
  double weight_decay = 0.004, beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7;
  bool amsgrad = false;
  double clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  bool use_ema = false;
  double ema_momentum = 0.99;
  int ema_overwrite_frequency = 0;
  std::string name = "adamw";
};
/// Loshchilov and Hutter, ICLR 2019.
class AdamW : public Optimizer {
 public:
  explicit AdamW(const AdamWOptions& options = {}, Where where = Where::current());
};

struct RMSpropOptions {
  LearningRate learning_rate = 0.001;
  double rho = 0.9, momentum = 0, epsilon = 1e-7;
  bool centered = false;
  double weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  bool use_ema = false;
  double ema_momentum = 0.99;
  int ema_overwrite_frequency = 0;
  std::string name = "rmsprop";
};
/// Tieleman and Hinton, 2012; centered: Graves, 2013.
class RMSprop : public Optimizer {
 public:
  explicit RMSprop(const RMSpropOptions& options = {}, Where where = Where::current());
};

struct AdagradOptions {
  LearningRate learning_rate = 0.001;
  double initial_accumulator_value = 0.1, epsilon = 1e-7;
  double weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  bool use_ema = false;
  double ema_momentum = 0.99;
  int ema_overwrite_frequency = 0;
  std::string name = "adagrad";
};
/// Duchi et al., JMLR 2011.
class Adagrad : public Optimizer {
 public:
  explicit Adagrad(const AdagradOptions& options = {}, Where where = Where::current());
};

struct AdamaxOptions {
  LearningRate learning_rate = 0.001;
  double beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7;
  double weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  bool use_ema = false;
  double ema_momentum = 0.99;
  int ema_overwrite_frequency = 0;
  std::string name = "adamax";
};
/// Adam with the largest gradient in place of the mean square. Source: Kingma and Ba, ICLR 2015, section 7.
class Adamax : public Optimizer {
 public:
  explicit Adamax(const AdamaxOptions& options = {}, Where where = Where::current());
};

struct NadamOptions {
  LearningRate learning_rate = 0.001;
  double beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7;
  double weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  bool use_ema = false;
  double ema_momentum = 0.99;
  int ema_overwrite_frequency = 0;
  std::string name = "nadam";
};
/// Adam with Nesterov's momentum. Source: Dozat, ICLR workshop 2016.
class Nadam : public Optimizer {
 public:
  explicit Nadam(const NadamOptions& options = {}, Where where = Where::current());
};

struct AdadeltaOptions {
  LearningRate learning_rate = 0.001;
  double rho = 0.95, epsilon = 1e-7;
  double weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  bool use_ema = false;
  double ema_momentum = 0.99;
  int ema_overwrite_frequency = 0;
  std::string name = "adadelta";
};
/// Source: Zeiler, 2012.
class Adadelta : public Optimizer {
 public:
  explicit Adadelta(const AdadeltaOptions& options = {}, Where where = Where::current());
};

struct FtrlOptions {
  LearningRate learning_rate = 0.001;
  double learning_rate_power = -0.5, initial_accumulator_value = 0.1, l1_regularization_strength = 0,
         l2_regularization_strength = 0, l2_shrinkage_regularization_strength = 0, beta = 0;
  double weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  bool use_ema = false;
  double ema_momentum = 0.99;
  int ema_overwrite_frequency = 0;
  std::string name = "ftrl";
};
/// Follow the regularised leader. Source: McMahan et al., KDD 2013.
class Ftrl : public Optimizer {
 public:
  explicit Ftrl(const FtrlOptions& options = {}, Where where = Where::current());
};

struct LionOptions {
  LearningRate learning_rate = 0.001;
  double beta_1 = 0.9, beta_2 = 0.99;
  double weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  bool use_ema = false;
  double ema_momentum = 0.99;
  int ema_overwrite_frequency = 0;
  std::string name = "lion";
};
/// By the sign of the momentum alone. Source: Chen et al., NeurIPS 2023.
class Lion : public Optimizer {
 public:
  explicit Lion(const LionOptions& options = {}, Where where = Where::current());
};

struct LambOptions {
  LearningRate learning_rate = 0.001;
  double beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7;
  double weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  bool use_ema = false;
  double ema_momentum = 0.99;
  int ema_overwrite_frequency = 0;
  std::string name = "lamb";
};
/// Adam whose step is as long as the variable's norm says. Source: You et al., ICLR 2020.
class Lamb : public Optimizer {
 public:
  explicit Lamb(const LambOptions& options = {}, Where where = Where::current());
};

struct AdafactorOptions {
  LearningRate learning_rate = 0.001;
  double beta_2_decay = -0.8, epsilon_1 = 1e-30, epsilon_2 = 1e-3, clip_threshold = 1;
  bool relative_step = true;  ///< the rate is at most 1 / sqrt(step); a schedule is taken as it is
  double weight_decay = 0, clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  bool use_ema = false;
  double ema_momentum = 0.99;
  int ema_overwrite_frequency = 0;
  std::string name = "adafactor";
};
/// Keeps means of rows and columns of squared gradients. Source: Shazeer and Stern, ICML 2018.
class Adafactor : public Optimizer {
 public:
  explicit Adafactor(const AdafactorOptions& options = {}, Where where = Where::current());
};

struct MuonOptions {
  LearningRate learning_rate = 0.001;
  double adam_beta_1 = 0.9, adam_beta_2 = 0.999, adam_weight_decay = 0.004, epsilon = 1e-7, weight_decay = 0.004;
  double clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  bool use_ema = false;
  double ema_momentum = 0.99;
  int ema_overwrite_frequency = 0;
  std::string name = "muon";
  std::vector<std::string> exclude_layers = {};  ///< regular expressions: variables with such names go by Adam
  bool exclude_embeddings = true;                ///< and those with "embedding" in theirs
  double muon_a = 3.4445, muon_b = -4.7750, muon_c = 2.0315;  ///< of the polynomial of a Newton-Schulz step
  double adam_lr_ratio = 1, momentum = 0.95;
  int ns_steps = 5;
  bool nesterov = true;
  double rms_rate = 0.2;  ///< steps are as long as this times sqrt(max(rows, columns)); 0: not scaled
};
/// Moves matrices by their momentum made orthogonal, other variables by Adam (with adam_weight_decay). Source: Jordan
/// et al., 2024, scaled as by Liu et al., 2025.
class Muon : public Optimizer {
 public:
  explicit Muon(const MuonOptions& options = {}, Where where = Where::current());
};

struct LossScaleOptions {
  double initial_scale = 32768;
  std::int64_t dynamic_growth_steps = 2000;
  std::string name = "loss_scale_optimizer";
};
/// Another optimizer for losses whose gradients would be too small for f16: the loss is scaled up, the gradients down
/// again. A step whose gradients are not all finite is skipped and halves the scale; dynamic_growth_steps without one
/// double it. compile wraps the optimizer of a model of "mixed_float16" in one. Its learning rate and iterations, which
/// count the steps that were made, are those of `inner`. Throws UsageError if `inner` is one already.
class LossScaleOptimizer : public Optimizer {
 public:
  explicit LossScaleOptimizer(const Optimizer& inner, const LossScaleOptions& options = {},
                              Where where = Where::current());
  /// What the next loss is multiplied by: an f32 scalar.
  Variable dynamic_scale() const;
};

}  // namespace tapir::optim
