// What is behind an Optimizer: its rule, its state. Internal to nn/.
#pragma once
#include <tapir/nn/optimizers.h>
#include <tapir/ops/optimizer_update.h>

#include <functional>

namespace tapir::optim {

struct Optimizer::Impl {
  struct Slot {
    Variable variable;
    std::vector<Variable> state;  // as slot_names()
  };
  std::string name, text;
  std::vector<std::string> slot_names;
  double clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  bool use_ema = false;
  double ema_momentum = 0;
  int ema_overwrite_frequency = 0;
  // For each parameter its new value, then its new state but for the average. They have one dtype and device.
  std::function<Tensors(std::span<const ParameterUpdate>, const Tensor& rate, const Tensor& step)> update;
  std::function<Tensors(const Variable&)> fresh;       // the state of a new variable, but for the average
  std::function<void(const Tensor& step)> start_step;  // moves what is shared
  LearningRate learning_rate = 0;
  Variable iterations, rate;
  std::vector<Variable> shared;
  std::vector<double> shared_start;
  std::vector<Slot> slots;
  Variable loss_scale;  // undefined: losses are not scaled

  Impl() = default;
  Impl(const Impl&) = delete;
  virtual ~Impl() = default;
  virtual void apply(const std::vector<Tensor>& gradients, const std::vector<Variable>& variables);
  /// Who keeps the slots: another one if this is wrapped around it.
  virtual Impl& core() { return *this; }
  /// Steps see the same variables in the same order, so the first guess is nearly always right.
  Slot& slot_of(const Variable& v, std::size_t guess);
  Slot* find(const Variable& v);
  /// The first values of the slots of `v`.
  Tensors start(const Variable& v) const;
  /// The rate of the step after `made` steps: an f32 scalar.
  Tensor rate_after(const Tensor& made) const;

 private:
  void average(const std::vector<Variable>& variables, const Tensor& step);
};

}  // namespace tapir::optim
