// Learning rates that follow the number of steps made. Names, formulas and defaults are those of
// keras.optimizers.schedules.
#pragma once
#include <tapir/tensor/callable.h>
#include <tapir/tensor/tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tapir::optim {
namespace schedules {

/// A rate as a function of the steps made so far (0 at the first): made by one of the classes below, or from a function
/// of a tensor, an f64 scalar, that gives a scalar of any floating dtype. An optimizer evaluates it within its step, so
/// a traced step follows it too. Copies are the same schedule.
class Schedule {
 public:
  template <class F>
  requires(!std::derived_from<std::remove_cvref_t<F>, Schedule> && std::is_invocable_r_v<Tensor, F&, const Tensor&>)
      Schedule(F f, std::string text = "custom")
      : function_(std::move(f)), text_(std::move(text)) {}

  /// The rate, an f32 scalar; step: a scalar of any numeric dtype. Throws ShapeError if a function of yours gives more
  /// than one number.
  Tensor operator()(const Tensor& step, Where where = Where::current()) const;
  /// The same as a number.
  double at(std::int64_t step, Where where = Where::current()) const;
  /// What it was made as: "ExponentialDecay(0.1, 100, 0.5, staircase=false)".
  const std::string& text() const { return text_; }

 private:
  Callable<Tensor(const Tensor&)> function_;
  std::string text_;
};

// Each throws UsageError if decay_steps is not positive.

struct StaircaseOptions {
  bool staircase = false;  ///< the rate changes every decay_steps steps only
};
/// initial * decay_rate^(step / decay_steps)
class ExponentialDecay : public Schedule {
 public:
  ExponentialDecay(double initial_learning_rate, std::int64_t decay_steps, double decay_rate,
                   const StaircaseOptions& options = {}, Where where = Where::current());
};
/// initial / (1 + decay_rate * step / decay_steps)
class InverseTimeDecay : public Schedule {
 public:
  InverseTimeDecay(double initial_learning_rate, std::int64_t decay_steps, double decay_rate,
                   const StaircaseOptions& options = {}, Where where = Where::current());
};

struct PolynomialOptions {
  double end_learning_rate = 0.0001, power = 1;
  bool cycle = false;  ///< at the end it starts again, with decay_steps more steps to go each time; else it stays there
};
/// (initial - end) * (1 - step / decay_steps)^power + end
class PolynomialDecay : public Schedule {
 public:
  PolynomialDecay(double initial_learning_rate, std::int64_t decay_steps, const PolynomialOptions& options = {},
                  Where where = Where::current());
};

/// values[i] up to and including step boundaries[i], then the last value. Throws UsageError unless there is one value
/// more than boundaries, and these ascend.
class PiecewiseConstantDecay : public Schedule {
 public:
  PiecewiseConstantDecay(const std::vector<std::int64_t>& boundaries, const std::vector<double>& values,
                         Where where = Where::current());
};

struct CosineOptions {
  double alpha = 0;                          ///< the rate at the end, as a part of that at the beginning
  std::optional<double> warmup_target = {};  ///< given: first the rate rises to this one, in a straight line
  std::int64_t warmup_steps = 0;             ///< in so many steps; those of the decay come after them
};
/// Half a cosine from the initial rate (or warmup_target) down. Source: Loshchilov and Hutter, ICLR 2017.
class CosineDecay : public Schedule {
 public:
  CosineDecay(double initial_learning_rate, std::int64_t decay_steps, const CosineOptions& options = {},
              Where where = Where::current());
};

struct RestartOptions {
  double t_mul = 2;  ///< each period is so many times as long as the one before
  double m_mul = 1;  ///< and starts at so much of its rate
  double alpha = 0;  ///< the rate at the end of a period, as a part of the initial one
};
/// The same, again and again. Source: as above.
class CosineDecayRestarts : public Schedule {
 public:
  CosineDecayRestarts(double initial_learning_rate, std::int64_t first_decay_steps, const RestartOptions& options = {},
                      Where where = Where::current());
};

}  // namespace schedules

/// What `.learning_rate` takes: a number or a schedule.
class LearningRate {
 public:
  LearningRate(double rate) : rate_(rate) {}
  LearningRate(const schedules::Schedule& schedule) : schedule_(schedule), scheduled_(true) {}
  bool scheduled() const { return scheduled_; }
  const schedules::Schedule& schedule() const { return schedule_; }
  /// The rate of the first step.
  double initial() const { return scheduled_ ? schedule_.at(0) : rate_; }

 private:
  double rate_ = 0;
  schedules::Schedule schedule_ = [](const Tensor& step) { return step; };
  bool scheduled_ = false;
};

}  // namespace tapir::optim
