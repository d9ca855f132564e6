// The handle, the step that all optimizers share, and its state. What each does with a gradient: optimizer_rules.cpp.
#include <tapir/nn/layer_state.h>
#include <tapir/nn/names.h>
#include <tapir/nn/optimizer_impl.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <algorithm>

namespace tapir::optim {

Optimizer::Impl::Slot* Optimizer::Impl::find(const Variable& v) {
  for (auto& s : slots)
    if (s.variable == v) return &s;
  return nullptr;
}

Optimizer::Impl::Slot& Optimizer::Impl::slot_of(const Variable& v, std::size_t guess) {
  if (guess < slots.size() && slots[guess].variable == v) return slots[guess];
  if (Slot* found = find(v)) return *found;
  Slot slot{v, {}};
  std::string path = v.name();
  std::replace(path.begin(), path.end(), '/', '_');
  const Tensors values = start(v);
  for (std::size_t k = 0; k < values.size(); ++k)
    slot.state.emplace_back(values[k], fmt::format("{}/{}_{}", name, path, slot_names[k]),
                            VariableOptions{.trainable = false});
  return slots.emplace_back(std::move(slot));
}

Tensors Optimizer::Impl::start(const Variable& v) const {
  nn::detail::Unrecorded unrecorded;  // in a trace too these are values
  Tensors values = fresh(v);
  if (use_ema) values.push_back(v.value());
  return values;
}

Tensor Optimizer::Impl::rate_after(const Tensor& made) const {
  return learning_rate.scheduled() ? learning_rate.schedule()(made) : rate.value();
}

namespace {

// g scaled so that a norm of `norm` comes down to `limit`.
Tensor scaled(const Tensor& g, const Tensor& norm, double limit) {
  return g * astype(limit / maximum(norm, limit), g.dtype());
}

// Halves in f32, where squares do not overflow.
Tensor square_sum(const Tensor& g) { return sum(square(g.dtype() == DType::f64 ? g : astype(g, DType::f32))); }

}  // namespace

void Optimizer::Impl::apply(const std::vector<Tensor>& gradients, const std::vector<Variable>& variables) {
  Tensor norm;
  if (global_clipnorm != 0) {
    for (auto& g : gradients)
      if (g.defined()) norm = norm.defined() ? norm + square_sum(g) : square_sum(g);
    norm = sqrt(norm);
  }
  const Tensor now = rate_after(iterations.value());
  iterations.assign_add(Tensor(1));
  const Tensor step = iterations.value();
  if (start_step) start_step(step);
  std::vector<ParameterUpdate> updates;
  std::vector<std::size_t> places;                             // of their slots
  std::vector<char> waiting(variables.size() + slots.size());  // which slots are among `places`
  auto run = [&] {
    if (updates.empty()) return;
    const Tensors fresh = update(updates, now, step);
    std::size_t at = 0;
    for (std::size_t i = 0; i < updates.size(); ++i) {
      Slot& slot = slots[places[i]];
      slot.variable.assign(fresh[at++]);
      for (std::size_t k = 0; k < updates[i].state.size(); ++k) slot.state[k].assign(fresh[at++]);
    }
    for (auto place : places) waiting[place] = 0;
    updates.clear(), places.clear();
  };
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    Tensor g = gradients[i];
    if (!g.defined()) continue;
    if (clipnorm != 0) g = scaled(g, sqrt(square_sum(g)), clipnorm);
    else if (clipvalue != 0) g = minimum(maximum(g, -clipvalue), clipvalue);
    else if (norm.defined()) g = scaled(g, norm, global_clipnorm);
    Slot& slot = slot_of(variables[i], i);
    const auto place = std::size_t(&slot - slots.data());
    if (waiting[place]) run();  // a variable that is there twice
    ParameterUpdate u{slot.variable.value(), g, {}};
    for (auto& v : slot.state) u.state.push_back(v.value());
    if (use_ema) u.state.pop_back();
    if (!updates.empty() &&
        (u.parameter.dtype() != updates[0].parameter.dtype() || u.parameter.device() != updates[0].parameter.device()))
      run();
    updates.push_back(std::move(u));
    places.push_back(place);
    waiting[place] = 1;
  }
  run();
  if (use_ema) average(variables, step);
}

// Also of variables that did not move in this step, as in Keras; the average of those that never did is their value.
void Optimizer::Impl::average(const std::vector<Variable>& variables, const Tensor& step) {
  const Tensor keep = where(step > 1, full({}, ema_momentum), full({}, 0.0));
  for (auto& v : variables) {
    Slot* slot = find(v);
    if (!slot) continue;
    Variable& own = slot->state.back();
    const Tensor k = astype(keep, v.dtype()), value = v.value();
    own.assign(own.value() * k + value * (1 - k));
    if (ema_overwrite_frequency > 0)
      slot->variable.assign(where(equal(remainder(step, ema_overwrite_frequency), 0), own.value(), value));
  }
}

Optimizer::Optimizer(const char* name, Where where) {
  CallSite site(where);
  const std::string n = nn::detail::text_of(name);
  static constexpr std::pair<const char*, Optimizer (*)()> table[] = {
      {"adadelta", [] { return Optimizer(Adadelta()); }}, {"adafactor", [] { return Optimizer(Adafactor()); }},
      {"adagrad", [] { return Optimizer(Adagrad()); }},   {"adam", [] { return Optimizer(Adam()); }},
      {"adamax", [] { return Optimizer(Adamax()); }},     {"adamw", [] { return Optimizer(AdamW()); }},
      {"ftrl", [] { return Optimizer(Ftrl()); }},         {"lamb", [] { return Optimizer(Lamb()); }},
      {"lion", [] { return Optimizer(Lion()); }},         {"muon", [] { return Optimizer(Muon()); }},
      {"nadam", [] { return Optimizer(Nadam()); }},       {"rmsprop", [] { return Optimizer(RMSprop()); }},
      {"sgd", [] { return Optimizer(SGD()); }},
  };
  std::vector<std::string> known;
  for (auto& [own, make] : table) {
    if (n == own) {
      *this = make();
      return;
    }
    known.push_back(own);
  }
  nn::detail::unknown_name("optimizer", n, known);
}
Optimizer::Optimizer(const std::string& name, Where where) : Optimizer(name.c_str(), where) {}

void Optimizer::apply_gradients(const std::vector<Tensor>& gradients, const std::vector<Variable>& variables,
                                Where where) {
  CallSite site(where);
  if (gradients.size() != variables.size())
    throw UsageError(
        fmt::format("apply_gradients: {} gradients for {} variables.", gradients.size(), variables.size()));
  bool any = false;
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
    any = true;
  }
  if (!any)
    throw UsageError(
        "apply_gradients: no gradient is defined. Does the loss depend on the variables, and was it computed under the "
        "tape?");

  impl_->apply(gradients, variables);
}

void Optimizer::build(const std::vector<Variable>& variables, Where where) {
  CallSite site(where);
  for (std::size_t i = 0; i < variables.size(); ++i) impl_->core().slot_of(variables[i], i);
}
void Optimizer::reset() {
  impl_->iterations.assign(zeros({}, DType::i64));
  for (std::size_t i = 0; i < impl_->shared.size(); ++i)
    impl_->shared[i].assign(astype(full({}, impl_->shared_start[i], DType::f64), impl_->shared[i].dtype()));
  for (auto& slot : impl_->core().slots) {
    const Tensors values = impl_->core().start(slot.variable);
    for (std::size_t k = 0; k < values.size(); ++k) slot.state[k].assign(values[k]);
  }
}

Tensor Optimizer::scale_loss(const Tensor& loss, Where where) const {
  CallSite site(where);
  return scales_loss() ? loss * astype(impl_->loss_scale, loss.dtype()) : loss;
}
bool Optimizer::scales_loss() const { return impl_->loss_scale.defined(); }

const std::string& Optimizer::name() const { return impl_->name; }
const std::string& Optimizer::text() const { return impl_->text; }
double Optimizer::learning_rate() const { return impl_->rate_after(impl_->iterations.value()).item<double>(); }
void Optimizer::set_learning_rate(double rate, Where where) {
  CallSite site(where);
  if (!(rate >= 0)) throw UsageError(fmt::format("set_learning_rate: the rate must be 0 or more, got {}.", rate));
  if (impl_->learning_rate.scheduled())
    throw UsageError(fmt::format("set_learning_rate: the rate of '{}' follows a schedule, {}.", name(),
                                 impl_->learning_rate.schedule().text()));
  impl_->rate.assign(Tensor(rate));
}
Variable Optimizer::iterations() const { return impl_->iterations; }
std::vector<Variable> Optimizer::variables() const {
  std::vector<Variable> all{impl_->iterations, impl_->rate};
  all.insert(all.end(), impl_->shared.begin(), impl_->shared.end());
  for (auto& s : impl_->core().slots) all.insert(all.end(), s.state.begin(), s.state.end());
  return all;
}

const std::vector<Variable>& Optimizer::shared_variables() const { return impl_->shared; }
const std::vector<std::string>& Optimizer::slot_names() const { return impl_->slot_names; }
std::vector<TensorSpec> Optimizer::slot_specs(const Variable& variable) const {
  std::vector<TensorSpec> specs;
  for (auto& t : impl_->core().start(variable)) specs.push_back(t.spec());
  return specs;
}
std::vector<Variable> Optimizer::slots(const Variable& variable) const {
  const Impl::Slot* slot = impl_->core().find(variable);
  return slot ? slot->state : std::vector<Variable>();
}
void Optimizer::finalize_variable_values(const std::vector<Variable>& variables, Where where) {
  CallSite site(where);
  if (!impl_->core().use_ema) return;
  for (auto v : variables)
    if (const Impl::Slot* slot = impl_->core().find(v)) v.assign(slot->state.back().value());
}

}  // namespace tapir::optim
