#include <tapir/nn/names.h>
#include <tapir/nn/optimizers.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/optimizer_update.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace tapir::optim {

struct Optimizer::Impl {
  struct Slot {
    Variable variable;
    std::vector<Variable> state;
  };
  std::string name, text;
  std::vector<std::string> state_names;
  double initial = 0;  // value of fresh state
  double clipnorm = 0, clipvalue = 0, global_clipnorm = 0;
  std::function<Tensors(const UpdateInputs&, std::span<const Tensor>)> update;
  Variable iterations, rate;
  std::vector<Slot> slots;

  // Steps see the same variables in the same order, so the first guess is nearly always right.
  Slot& slot_of(const Variable& v, std::size_t guess) {
    if (guess < slots.size() && slots[guess].variable == v) return slots[guess];
    for (auto& s : slots)
      if (s.variable == v) return s;
    Slot slot{v, {}};
    std::string path = v.name();
    std::replace(path.begin(), path.end(), '/', '_');
    for (auto& n : state_names)
      slot.state.emplace_back(full(v.shape(), initial, v.dtype()), fmt::format("{}/{}_{}", name, path, n),
                              VariableOptions{.trainable = false});
    return slots.emplace_back(std::move(slot));
  }
};

namespace {

// g scaled so that a norm of `norm` comes down to `limit`.
Tensor scaled(const Tensor& g, const Tensor& norm, double limit) {
  return g * astype(limit / maximum(norm, limit), g.dtype());
}

// Halves in f32, where squares do not overflow.
Tensor square_sum(const Tensor& g) { return sum(square(g.dtype() == DType::f64 ? g : astype(g, DType::f32))); }

void check_options(const char* type, auto& o) {
  auto refuse = [&](const char* what, double v, const char* rule) {
    throw UsageError(fmt::format("{}: {} must be {}, got {}.", type, what, rule, v));
  };
  auto not_negative = [&](const char* what, double v) {
    if (!(v >= 0)) refuse(what, v, "0 or more");
  };
  auto fraction = [&](const char* what, double v) {
    if (!(v >= 0 && v < 1)) refuse(what, v, "in [0, 1)");
  };
  not_negative("learning_rate", o.learning_rate);
  not_negative("weight_decay", o.weight_decay);
  not_negative("clipnorm", o.clipnorm);
  not_negative("clipvalue", o.clipvalue);
  not_negative("global_clipnorm", o.global_clipnorm);
  if ((o.clipnorm != 0) + (o.clipvalue != 0) + (o.global_clipnorm != 0) > 1)
    throw UsageError(fmt::format("{}: only one of clipnorm, clipvalue and global_clipnorm may be set.", type));
  if constexpr (requires { o.epsilon; }) not_negative("epsilon", o.epsilon);
  if constexpr (requires { o.momentum; }) {
    if (!(o.momentum >= 0 && o.momentum <= 1)) refuse("momentum", o.momentum, "in [0, 1]");
  }
  if constexpr (requires { o.beta_1; }) fraction("beta_1", o.beta_1), fraction("beta_2", o.beta_2);
  if constexpr (requires { o.rho; }) fraction("rho", o.rho);
  if constexpr (requires { o.initial_accumulator_value; })
    not_negative("initial_accumulator_value", o.initial_accumulator_value);
}

// The options that steps depend on beside the learning rate, those of the common ones that are on.
std::string text_of(const char* type, const auto& o) {
  std::string text;
  auto add = [&](const char* what, auto v) { text += fmt::format("{}{}={}", text.empty() ? "" : ", ", what, v); };
  if constexpr (requires { o.momentum; }) add("momentum", o.momentum);
  if constexpr (requires { o.nesterov; }) add("nesterov", o.nesterov);
  if constexpr (requires { o.beta_1; }) add("beta_1", o.beta_1), add("beta_2", o.beta_2);
  if constexpr (requires { o.rho; }) add("rho", o.rho);
  if constexpr (requires { o.centered; }) add("centered", o.centered);
  if constexpr (requires { o.initial_accumulator_value; })
    add("initial_accumulator_value", o.initial_accumulator_value);
  if constexpr (requires { o.epsilon; }) add("epsilon", o.epsilon);
  if constexpr (requires { o.amsgrad; }) add("amsgrad", o.amsgrad);
  if (o.weight_decay != 0) add("weight_decay", o.weight_decay);
  if (o.clipnorm != 0) add("clipnorm", o.clipnorm);
  if (o.clipvalue != 0) add("clipvalue", o.clipvalue);
  if (o.global_clipnorm != 0) add("global_clipnorm", o.global_clipnorm);
  return fmt::format("{}({})", type, text);
}

template <class Rule>
std::shared_ptr<Optimizer::Impl> make(const char* type, const auto& o, Rule rule, std::vector<std::string> state_names,
                                      const Where& where) {
  CallSite site(where);
  check_options(type, o);
  rule.weight_decay = o.weight_decay;
  if constexpr (requires { rule.epsilon; }) rule.epsilon = o.epsilon;
  auto impl = std::make_shared<Optimizer::Impl>();
  impl->name = o.name;
  impl->text = text_of(type, o);
  impl->clipnorm = o.clipnorm;
  impl->clipvalue = o.clipvalue;
  impl->global_clipnorm = o.global_clipnorm;
  impl->state_names = std::move(state_names);
  impl->update = [rule](const UpdateInputs& in, std::span<const Tensor> state) {
    return optimizer_update(rule, in, state);
  };
  VariableOptions fixed{.trainable = false};
  impl->iterations = Variable(zeros({}, DType::i64), o.name + "/iterations", fixed);
  impl->rate = Variable(full({}, o.learning_rate), o.name + "/learning_rate", fixed);
  return impl;
}

std::shared_ptr<Optimizer::Impl> adam(const char* type, const auto& o, const Where& where) {
  AdamUpdate rule{.beta_1 = o.beta_1, .beta_2 = o.beta_2, .amsgrad = o.amsgrad};
  std::vector<std::string> states{"momentum", "velocity"};
  if (o.amsgrad) states.push_back("velocity_hat");
  return make(type, o, rule, states, where);
}

}  // namespace

SGD::SGD(const SGDOptions& o, Where where)
    : Optimizer(make("SGD", o, SGDUpdate{.momentum = o.momentum, .nesterov = o.nesterov},
                     o.momentum != 0 ? std::vector<std::string>{"momentum"} : std::vector<std::string>{}, where)) {}
Adam::Adam(const AdamOptions& o, Where where) : Optimizer(adam("Adam", o, where)) {}
AdamW::AdamW(const AdamWOptions& o, Where where) : Optimizer(adam("AdamW", o, where)) {}

RMSprop::RMSprop(const RMSpropOptions& o, Where where) : Optimizer(std::shared_ptr<Impl>()) {
  std::vector<std::string> states{"velocity"};
  if (o.centered) states.push_back("average_gradient");
  if (o.momentum != 0) states.push_back("momentum");
  impl_ =
      make("RMSprop", o, RMSpropUpdate{.rho = o.rho, .momentum = o.momentum, .centered = o.centered}, states, where);
}

Adagrad::Adagrad(const AdagradOptions& o, Where where)
    : Optimizer(make("Adagrad", o, AdagradUpdate{}, {"accumulator"}, where)) {
  impl_->initial = o.initial_accumulator_value;
}

Optimizer::Optimizer(const char* name, Where where) {
  CallSite site(where);
  const std::string n = nn::detail::text_of(name);
  if (n == "sgd") *this = SGD();
  else if (n == "adam") *this = Adam();
  else if (n == "adamw") *this = AdamW();
  else if (n == "rmsprop") *this = RMSprop();
  else if (n == "adagrad") *this = Adagrad();
  else nn::detail::unknown_name("optimizer", n, {"adagrad", "adam", "adamw", "rmsprop", "sgd"});
}
Optimizer::Optimizer(const std::string& name, Where where) : Optimizer(name.c_str(), where) {}

void Optimizer::apply_gradients(const std::vector<Tensor>& gradients, const std::vector<Variable>& variables,
                                Where where) {
  CallSite site(where);
  Impl& o = *impl_;
  if (gradients.size() != variables.size())
    throw UsageError(
        fmt::format("apply_gradients: {} gradients for {} variables.", gradients.size(), variables.size()));
  std::vector<std::size_t> moved;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (!variables[i].defined()) throw UsageError(fmt::format("apply_gradients: variable {} is undefined.", i));
    if (!gradients[i].defined()) continue;
    if (!is_floating(variables[i].dtype()))
      throw DTypeError(fmt::format("apply_gradients: variable '{}' must be floating, got {}.", variables[i].name(),
                                   name_of(variables[i].dtype())));
    if (gradients[i].shape() != variables[i].shape())
      throw ShapeError(fmt::format("apply_gradients: variable '{}' has shape {}, its gradient {}.", variables[i].name(),
                                   variables[i].shape().str(), gradients[i].shape().str()));
    if (gradients[i].dtype() != variables[i].dtype())
      throw DTypeError(fmt::format("apply_gradients: variable '{}' is {}, its gradient {}.", variables[i].name(),
                                   name_of(variables[i].dtype()), name_of(gradients[i].dtype())));
    moved.push_back(i);
  }
  if (moved.empty())
    throw UsageError(
        "apply_gradients: no gradient is defined. Does the loss depend on the variables, and was it computed under the "
        "tape?");

  Tensor norm;
  if (o.global_clipnorm != 0) {
    for (std::size_t i : moved) norm = norm.defined() ? norm + square_sum(gradients[i]) : square_sum(gradients[i]);
    norm = sqrt(norm);
  }
  o.iterations.assign_add(Tensor(1));
  const Tensor rate = o.rate.value(), step = o.iterations.value();
  for (std::size_t i : moved) {
    Tensor g = gradients[i];
    if (o.clipnorm != 0) g = scaled(g, sqrt(square_sum(g)), o.clipnorm);
    else if (o.clipvalue != 0) g = minimum(maximum(g, -o.clipvalue), o.clipvalue);
    else if (norm.defined()) g = scaled(g, norm, o.global_clipnorm);
    Impl::Slot& slot = o.slot_of(variables[i], i);
    std::vector<Tensor> state;
    for (auto& v : slot.state) state.push_back(v.value());
    const Tensor parameter = slot.variable.value();
    Tensors fresh = o.update({parameter, g, rate, step}, state);
    slot.variable.assign(fresh[0]);
    for (std::size_t k = 0; k < slot.state.size(); ++k) slot.state[k].assign(fresh[k + 1]);
  }
}

void Optimizer::build(const std::vector<Variable>& variables, Where where) {
  CallSite site(where);
  for (std::size_t i = 0; i < variables.size(); ++i) impl_->slot_of(variables[i], i);
}
void Optimizer::reset() {
  impl_->iterations.assign(zeros({}, DType::i64));
  for (auto& slot : impl_->slots)
    for (auto& v : slot.state) v.assign(full(v.shape(), impl_->initial, v.dtype()));
}

const std::string& Optimizer::name() const { return impl_->name; }
const std::string& Optimizer::text() const { return impl_->text; }
double Optimizer::learning_rate() const { return impl_->rate.value().item<double>(); }
void Optimizer::set_learning_rate(double rate, Where where) {
  CallSite site(where);
  if (!(rate >= 0)) throw UsageError(fmt::format("set_learning_rate: the rate must be 0 or more, got {}.", rate));
  impl_->rate.assign(Tensor(rate));
}
Variable Optimizer::iterations() const { return impl_->iterations; }
std::vector<Variable> Optimizer::variables() const {
  std::vector<Variable> all{impl_->iterations, impl_->rate};
  for (auto& s : impl_->slots) all.insert(all.end(), s.state.begin(), s.state.end());
  return all;
}

const std::vector<std::string>& Optimizer::slot_names() const { return impl_->state_names; }
std::vector<Variable> Optimizer::slots(const Variable& variable) const {
  for (auto& s : impl_->slots)
    if (s.variable == variable) return s.state;
  return {};
}

}  // namespace tapir::optim
