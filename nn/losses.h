// Losses: how wrong y_pred is about y_true. Names, formulas and defaults are Keras's.
#pragma once
#include <tapir/ops/operand.h>
#include <tapir/tensor/callable.h>

#include <optional>
#include <string>

namespace tapir::nn {

/// What becomes of the values of all examples.
enum class Reduction : std::uint8_t {
  mean,  ///< over all values, Keras's "sum_over_batch_size"
  sum,
  none,  ///< one value per example (and position)
};

struct LossOptions {
  bool from_logits = false;    ///< cross entropies: y_pred is not yet a probability
  double label_smoothing = 0;  ///< binary and categorical cross entropy, also focal
  double delta = 1;            ///< huber: from where on it is linear
  int axis = -1;               ///< cosine_similarity
  /// focal (2): the larger, the less count examples that are right already; circle (80): scales the exponents
  std::optional<double> gamma = {};
  /// focal (0.25): the weight of class 1, the others' is 1 - alpha; categorical: of all; tversky (0.5): of true values
  /// that are missed
  std::optional<double> alpha = {};
  bool apply_class_balancing = false;  ///< binary focal: whether alpha counts
  double beta = 0.5;                   ///< tversky: the weight of values that are not true
  Axes axes = {};                      ///< dice, tversky: what is summed over; empty: all, which gives one value
  double q = 0.5;               ///< categorical_generalized_cross_entropy: near 0 cross entropy, near 1 absolute error
  double margin = 0.4;          ///< circle: how far from perfect a similarity may be
  bool remove_diagonal = true;  ///< circle: an example is no partner of itself
  std::optional<std::int64_t> ignore_class = {};  ///< sparse categorical: examples of this class count nothing
  Reduction reduction = Reduction::mean;
  /// Bool, of the shape of the values' first dimensions: false values are left out of the mean. Loss takes that of
  /// y_pred (see MaskScope).
  Tensor mask = {};
  Tensor sample_weight = {};  ///< multiplies the value of each example, [N] or of the values' shape
};

// All take y_true and y_pred [N, ..., C] of one shape (y_true is cast to y_pred's dtype, a missing last dimension of 1
// is put in), give one value for each [N, ...], and reduce those. f16 and bf16 are taken as f32. Throw ShapeError if
// the shapes do not fit, DTypeError unless y_pred is floating, UsageError if an option is out of range.

Tensor mean_squared_error(const Operand& y_true, const Operand& y_pred, const LossOptions& options = {});
Tensor mean_absolute_error(const Operand& y_true, const Operand& y_pred, const LossOptions& options = {});
/// 100 |t - p| / max(|t|, 1e-7)
Tensor mean_absolute_percentage_error(const Operand& y_true, const Operand& y_pred, const LossOptions& options = {});
/// (log(1 + t) - log(1 + p))^2, negative values taken as 0
Tensor mean_squared_logarithmic_error(const Operand& y_true, const Operand& y_pred, const LossOptions& options = {});
/// e^2 / 2 where |e| <= delta, else delta |e| - delta^2 / 2. Source: Huber, 1964.
Tensor huber(const Operand& y_true, const Operand& y_pred, const LossOptions& options = {});
Tensor log_cosh(const Operand& y_true, const Operand& y_pred, const LossOptions& options = {});
/// Minus the cosine of the angle: -1 for the same direction.
Tensor cosine_similarity(const Operand& y_true, const Operand& y_pred, const LossOptions& options = {});
/// max(1 - t p, 0) with t in {-1, 1}; {0, 1} is converted.
Tensor hinge(const Operand& y_true, const Operand& y_pred, const LossOptions& options = {});
Tensor squared_hinge(const Operand& y_true, const Operand& y_pred, const LossOptions& options = {});
Tensor categorical_hinge(const Operand& y_true, const Operand& y_pred, const LossOptions& options = {});
Tensor kl_divergence(const Operand& y_true, const Operand& y_pred, const LossOptions& options = {});
Tensor poisson(const Operand& y_true, const Operand& y_pred, const LossOptions& options = {});
/// Independent yes-or-no questions. Probabilities are clipped to [1e-7, 1 - 1e-7].
Tensor binary_crossentropy(const Operand& y_true, const Operand& y_pred, const LossOptions& options = {});
/// (1 - p_t)^gamma times binary_crossentropy, where p_t is the probability given to what is true; logits go through
/// sigmoid. Source: Lin et al., ICCV 2017.
Tensor binary_focal_crossentropy(const Operand& y_true, const Operand& y_pred, const LossOptions& options = {});
/// y_true: distributions over the last axis. Probabilities are made to sum to 1, then clipped as above.
Tensor categorical_crossentropy(const Operand& y_true, const Operand& y_pred, const LossOptions& options = {});
/// Each class's part times alpha (1 - p)^gamma; logits go through softmax. Source: Lin et al., ICCV 2017.
Tensor categorical_focal_crossentropy(const Operand& y_true, const Operand& y_pred, const LossOptions& options = {});
/// y_true: class numbers [N, ...], or [N, ..., 1]; y_pred [N, ..., classes].
Tensor sparse_categorical_crossentropy(const Operand& y_true, const Operand& y_pred, const LossOptions& options = {});
/// (1 - p^q) / q, where p is the probability given to the class number y_true [N, ...]; y_pred [N, ..., classes].
/// Throws UsageError unless q is in (0, 1). Source: Zhang and Sabuncu, NeurIPS 2018.
Tensor categorical_generalized_cross_entropy(const Operand& y_true, const Operand& y_pred,
                                             const LossOptions& options = {});
/// 1 - 2 sum(t p) / (sum(t) + sum(p)) over `.axes`.
Tensor dice(const Operand& y_true, const Operand& y_pred, const LossOptions& options = {});
/// 1 - s / (s + alpha sum(t (1 - p)) + beta sum((1 - t) p)) over `.axes`, s = sum(t p). Source: Salehi et al., 2017.
Tensor tversky(const Operand& y_true, const Operand& y_pred, const LossOptions& options = {});
/// y_true: class numbers [N]; y_pred: embeddings [N, size] of length 1, which are drawn together within a class and
/// apart between them. The mean is over examples with a loss above 0. Source: Sun et al., CVPR 2020.
Tensor circle(const Operand& y_true, const Operand& y_pred, const LossOptions& options = {});

/// ctc_loss (ctc.h) of logits y_pred [N, T, classes] and class numbers y_true [N, L], which are 0 after the last label;
/// 0 is the class of nothing said.
Tensor ctc(const Operand& y_true, const Operand& y_pred, const LossOptions& options = {});

/// What `.loss` takes: a name ("mse", "sparse_categorical_crossentropy", ...; UsageError for an unknown one), a name
/// with options, `{"huber", {.delta = 2}}`, or a function `Tensor(const Tensor& y_true, const Tensor& y_pred)`.
class Loss {
 public:
  Loss() = default;
  Loss(const char* name, const LossOptions& options = {}, Where where = Where::current());
  Loss(const std::string& name, const LossOptions& options = {}, Where where = Where::current())
      : Loss(name.c_str(), options, where) {}
  template <class F>
  requires std::is_invocable_r_v<Tensor, F&, const Tensor&, const Tensor&> Loss(F f)
      : name_("custom"), custom_(std::move(f)) {}

  bool defined() const { return !name_.empty(); }
  const std::string& name() const { return name_; }
  /// The scalar loss of a batch; `sample_weight` may be undefined.
  Tensor operator()(const Tensor& y_true, const Tensor& y_pred, const Tensor& sample_weight = {},
                    Where where = Where::current()) const;

 private:
  std::string name_;
  LossOptions options_;
  Tensor (*function_)(const Operand&, const Operand&, const LossOptions&) = nullptr;
  Callable<Tensor(const Tensor&, const Tensor&)> custom_;
};

}  // namespace tapir::nn
