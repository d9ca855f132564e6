#include <tapir/nn/layer_state.h>
#include <tapir/nn/masks.h>
#include <tapir/nn/names.h>
#include <tapir/ops/call_observer.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/op.h>
#include <tapir/ops/random.h>
#include <tapir/ops/shaping.h>

#include <cxxabi.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <typeinfo>

namespace tapir::nn {
namespace {

// The layers whose `call` is running on this thread, innermost first.
struct Scope {
  std::shared_ptr<Layer::State> state;
  bool training, frozen;
  Scope* outer;
};
thread_local Scope* scope = nullptr;

// Hands each variable that is read to the innermost layer.
struct Finder final : tapir::detail::VariableObserver {
  void on_read(const Variable& v, const Tensor&) override {
    if (scope) scope->state->attach(v);
  }
};

// Enters a layer. The outermost one puts the Finder in place, and a scope for masks unless there is one.
class Entered {
 public:
  Entered(const std::shared_ptr<Layer::State>& state, bool training)
      : scope_{state, training, !state->trainable || (scope && scope->frozen), scope},
        autocast_(state->casts && state->policy ? state->policy->compute_dtype() : DType::f32) {
    if (scope) scope->state->attach(state);
    else {
      finder_.previous = tapir::detail::variable_observer();
      tapir::detail::variable_observer() = &finder_;
      outermost_ = true;
      if (!MaskScope::active()) masks_.emplace();
    }
    scope = &scope_;
  }
  ~Entered() {
    scope = scope_.outer;
    if (outermost_) tapir::detail::variable_observer() = finder_.previous;
  }

 private:
  Scope scope_;
  detail::Autocast autocast_;
  Finder finder_;
  bool outermost_ = false;
  std::optional<MaskScope> masks_;
};

// A floating x in the dtype that the layer computes in.
Tensor as_computed(const Layer::State& s, const Tensor& x) {
  if (!s.casts || !s.policy || !is_floating(x.dtype()) || x.dtype() == s.policy->compute_dtype()) return x;
  const Tensor cast = astype(x, s.policy->compute_dtype());
  MaskScope::set(cast, MaskScope::of(x));
  return cast;
}

// An output that has no mask of its own gets that of the input.
void hand_on_mask(const Layer::State& s, const Tensor& x, const Tensor& y) {
  if (!s.passes_mask) return;
  const Tensor mask = MaskScope::of(x);
  if (mask.defined() && !MaskScope::of(y).defined()) MaskScope::set(y, mask);
}

// "tapir::nn::Conv2D" -> "Conv2D"; "(anonymous namespace)::Block<int>" -> "Block".
std::string type_of(const Layer& layer) {
  int status = 0;
  char* text = abi::__cxa_demangle(typeid(layer).name(), nullptr, nullptr, &status);
  std::string name = text ? text : "Layer";
  std::free(text);
  name = name.substr(0, name.find('<'));
  auto colons = name.rfind("::");
  return colons == std::string::npos ? name : name.substr(colons + 2);
}

}  // namespace

namespace detail {
namespace {
template <class F>
void each_layer(const Layer::State& s, std::set<const Layer::State*>& seen, F& f) {
  if (!seen.insert(&s).second) return;
  f(s);
  for (auto& c : s.children) each_layer(*c, seen, f);
}
template <class F>
void each_layer(const Layer::State& root, F f) {
  std::set<const Layer::State*> seen;
  each_layer(root, seen, f);
}
}  // namespace
}  // namespace detail

void Layer::State::attach(const std::shared_ptr<State>& child) {
  if (child.get() == this) return;
  if (std::find(children.begin(), children.end(), child) == children.end()) children.push_back(child);
}
void Layer::State::attach(const Variable& v) {
  if (std::find(streams.begin(), streams.end(), v) != streams.end() || owns(v)) return;
  own.push_back(v);
}
// A layer may read what belongs to one within, as a recurrent layer does with its cell.
bool Layer::State::owns(const Variable& v) const {
  return std::find(own.begin(), own.end(), v) != own.end() ||
         std::any_of(children.begin(), children.end(), [&](auto& child) { return child->owns(v); });
}

Layer::Layer(std::string name) : state_(std::make_shared<State>()) {
  state_->named = !name.empty();
  state_->name = std::move(name);
  if (detail::dtype_policy_given()) state_->policy = nn::dtype_policy();
}
Layer::~Layer() = default;
AnyLayer::AnyLayer(Layer* owned) : layer_(owned) {}
Layer::Layer(const Layer&) = default;
Layer::Layer(Layer&& other) noexcept : state_(other.state_), made_(other.made_) {}
Layer& Layer::operator=(const Layer&) = default;
Layer& Layer::operator=(Layer&& other) noexcept {
  state_ = other.state_;
  made_ = other.made_;
  return *this;
}

const std::string& Layer::type() const {
  if (state_->type.empty()) state_->type = type_of(*this);
  return state_->type;
}
const std::string& Layer::name() const {
  if (state_->name.empty()) state_->name = detail::unique_name(detail::snake_case(type()));
  return state_->name;
}
bool Layer::built() const { return state_->built; }
bool Layer::trainable() const { return state_->trainable; }
void Layer::set_trainable(bool trainable) { state_->trainable = trainable; }
bool Layer::frozen() const { return !state_->trainable || (scope && scope->frozen); }
void Layer::needs_no_build() { state_->needs_build = false; }
void Layer::casts_nothing() { state_->casts = false; }
void Layer::set_dtype_policy(const DTypePolicy& policy) { state_->policy = policy; }
DTypePolicy Layer::dtype_policy() const { return state_->policy.value_or("float32"); }
void Layer::passes_mask() { state_->passes_mask = true; }

// Makes the weights if this is the first call; is it in training?
bool Layer::prepare(std::span<const Tensor> xs, CallOptions options) {
  type(), name();
  if (xs.empty()) throw UsageError(fmt::format("{}: needs an input, got an empty list.", state_->name));
  for (auto& x : xs)
    if (!x.defined()) throw UsageError(fmt::format("{}: the input is an undefined tensor.", state_->name));
  if (!made_) {
    detail::Unrecorded unrecorded;
    auto example = [](const Tensor& x) { return x.rank() > 0 ? x.shape().last(x.rank() - 1) : Shape(); };
    if (xs.size() == 1) {
      make_weights(example(xs[0]));
    } else {
      std::vector<Shape> shapes;
      for (auto& x : xs) shapes.push_back(example(x));
      make_weights_list(shapes);
    }
    made_ = true;
  }
  return options.training >= 0 ? options.training != 0 : scope && scope->training;
}

void Layer::ran(std::span<const Tensor> xs, const Tensor& y) {
  State& s = *state_;
  if (!y.defined()) throw UsageError(fmt::format("{}: call gave an undefined tensor.", s.name));
  if (s.built) return;
  s.built = true;
  s.input = xs[0].spec();
  for (auto& x : xs.subspan(1)) s.other_inputs.push_back(x.spec());
  s.output = y.shape();
}

Tensor Layer::operator()(const Tensor& given, CallOptions options, Where where) {
  CallSite site(where);
  const bool training = prepare({&given, 1}, options);
  Entered entered(state_, training);
  const Tensor x = as_computed(*state_, given);
  const std::span<const Tensor> xs(&x, 1);
  tapir::detail::Span span("layer", state_->name.c_str());
  detail::LayerObserver* observer = detail::layer_observer();
  if (observer) observer->enter(state_, x);
  Tensor y = call(x, training);
  ran(xs, y);
  hand_on_mask(*state_, x, y);
  if (observer) observer->leave(state_, y);
  return y;
}

std::vector<Tensor> Layer::run_list(const std::vector<Tensor>& given, CallOptions options) {
  const bool training = prepare(given, options);
  Entered entered(state_, training);
  std::vector<Tensor> xs = given;
  for (auto& x : xs) x = as_computed(*state_, x);
  tapir::detail::Span span("layer", state_->name.c_str());
  detail::LayerObserver* observer = detail::layer_observer();
  if (observer) observer->enter(state_, xs[0]);
  std::vector<Tensor> ys = call_list(xs, training);
  ran(xs, ys.empty() ? Tensor() : ys[0]);
  for (auto& y : ys) hand_on_mask(*state_, xs[0], y);
  if (observer) observer->leave(state_, ys[0]);
  return ys;
}

Tensor Layer::operator()(const std::vector<Tensor>& xs, CallOptions options, Where where) {
  CallSite site(where);
  return run_list(xs, options)[0];
}
std::vector<Tensor> Layer::outputs(const std::vector<Tensor>& xs, CallOptions options, Where where) {
  CallSite site(where);
  return run_list(xs, options);
}

std::vector<Tensor> Layer::call_list(const std::vector<Tensor>& xs, bool training) {
  if (xs.size() != 1) throw UsageError(fmt::format("{}: takes one input, got {}.", name(), xs.size()));
  return {call(xs[0], training)};
}
void Layer::make_weights_list(const std::vector<Shape>& shapes) { make_weights(shapes[0]); }

Tensor Layer::run_on_zeros(const char* what, const Shape& input_shape) {
  for (auto d : input_shape)
    if (d < 0) throw ShapeError(fmt::format("{}: the input shape {} has an unknown size.", what, input_shape.str()));
  detail::Unrecorded unrecorded;
  return (*this)(zeros(Shape({1}).concat(input_shape)), {.training = false});
}

void Layer::build(const Shape& input_shape, Where where) {
  CallSite site(where);
  run_on_zeros("build", input_shape);
}

Shape Layer::compute_output_shape(const Shape& input_shape, Where where) {
  CallSite site(where);
  const Shape s = run_on_zeros("compute_output_shape", input_shape).shape();
  return s.rank() > 0 ? s.last(s.rank() - 1) : Shape();
}

Variable Layer::add_weight(const std::string& name, const Shape& shape, const WeightOptions& options) {
  const std::string path = this->name() + "/" + name;
  for (auto& v : state_->own)
    if (v.name() == path) return v;
  detail::Unrecorded unrecorded;
  Variable v(options.initializer(shape, options.seed), path, {.trainable = options.trainable});
  state_->own.push_back(v);
  if (options.regularizer.defined()) state_->regularizers.emplace_back(v, options.regularizer);
  if (options.constraint.defined()) state_->constraints.emplace_back(v, options.constraint);
  return v;
}

namespace {
thread_local LossScope* loss_scope = nullptr;
Tensor sum_of(const std::vector<Tensor>& losses) {
  Tensor total;
  for (auto& t : losses) total = total.defined() ? total + t : t;
  return total.defined() ? total : zeros({});
}
}  // namespace

LossScope::LossScope() : outer_(std::exchange(loss_scope, this)) {}
LossScope::~LossScope() { loss_scope = outer_; }
Tensor LossScope::total() const { return sum_of(losses_); }

void Layer::add_loss(const Tensor& loss, Where where) {
  CallSite site(where);
  if (!loss.defined() || loss.rank() != 0)
    throw ShapeError(fmt::format("add_loss: '{}' must give a scalar, got {}.", name(),
                                 loss.defined() ? loss.shape().str() : "none"));
  if (loss_scope) loss_scope->losses_.push_back(loss);
}

Tensor Layer::with_activity(Tensor y, const Regularizer& regularizer) {
  if (!loss_scope || !regularizer.defined()) return y;
  const Tensor cost = regularizer(is_half(y.dtype()) ? astype(y, DType::f32) : y);
  add_loss(y.rank() > 0 ? cost / double(std::max<std::int64_t>(y.shape()[0], 1)) : cost);
  return y;
}

Tensor Layer::regularization_loss() const {
  std::vector<Tensor> losses;
  for (auto& v : trainable_variables())
    detail::each_layer(*state_, [&](const State& s) {
      for (auto& [own, regularizer] : s.regularizers)
        if (own == v) losses.push_back(regularizer(v.value()));
    });
  return sum_of(losses);
}

void Layer::apply_constraints() {
  for (auto& v : trainable_variables())
    detail::each_layer(*state_, [&](const State& s) {
      for (auto& [own, constraint] : s.constraints)
        if (own == v) Variable(v).assign(constraint(v.value()));
    });
}

std::vector<Variable> Layer::variables() const {
  std::vector<Variable> out;
  detail::visit_variables(*state_, [&](const Variable& v, bool, const std::string&) { out.push_back(v); });
  return out;
}
std::vector<Variable> Layer::trainable_variables() const {
  std::vector<Variable> out;
  detail::visit_variables(*state_, [&](const Variable& v, bool trainable, const std::string&) {
    if (trainable) out.push_back(v);
  });
  return out;
}
std::vector<Variable> Layer::non_trainable_variables() const {
  std::vector<Variable> out;
  detail::visit_variables(*state_, [&](const Variable& v, bool trainable, const std::string&) {
    if (!trainable) out.push_back(v);
  });
  return out;
}
std::int64_t Layer::count_params() const {
  std::int64_t n = 0;
  for (auto& v : variables()) n += v.size();
  return n;
}

Variable Layer::add_stream(std::int64_t seed) {
  detail::Unrecorded unrecorded;
  return state_->streams.emplace_back(random::key(seed), "stream", VariableOptions{.trainable = false});
}

namespace detail {

LayerObserver*& layer_observer() {
  static thread_local constinit LayerObserver* observer = nullptr;
  return observer;
}

namespace {

// A name within its parent: the user's, else the type's with a count of its own.
std::string local_name(const std::string& base, std::map<std::string, int>& taken) {
  int n = taken[base]++;
  return n == 0 ? base : local_name(fmt::format("{}_{}", base, n), taken);
}

struct Visit {
  Callable<void(const Variable&, bool, const std::string&)> f;
  const std::vector<Variable> Layer::State::*list;
  Callable<void(const Layer::State&, const std::string&)> of_layer = {};
  std::set<const void*> seen = {};

  void layer(const Layer::State& s, bool trainable, const std::string& path) {
    if (!seen.insert(&s).second) return;
    if (of_layer) of_layer(s, path.substr(0, path.empty() ? 0 : path.size() - 1));
    trainable &= s.trainable;
    std::map<std::string, int> taken;
    for (auto& v : s.*list) {
      std::string leaf = v.name().substr(v.name().rfind('/') + 1);
      std::string name = local_name(leaf, taken);
      if (f && seen.insert(v.cell()).second) f(v, trainable && v.trainable(), path + name);
    }
    for (auto& c : s.children)
      layer(*c, trainable, path + local_name(c->named ? c->name : snake_case(c->type), taken) + "/");
  }
};

}  // namespace

void visit_variables(const Layer::State& root, const Callable<void(const Variable&, bool, const std::string&)>& f) {
  Visit{f, &Layer::State::own}.layer(root, true, "");
}
void visit_streams(const Layer::State& root, const Callable<void(const Variable&, bool, const std::string&)>& f) {
  Visit{f, &Layer::State::streams}.layer(root, true, "");
}
void visit_layers(const Layer::State& root, const Callable<void(const Layer::State&, const std::string&)>& f) {
  Visit{{}, &Layer::State::own, f}.layer(root, true, "");
}

bool all_built(const Layer::State& root) {
  bool all = true;
  each_layer(root, [&](const Layer::State& s) { all &= s.built; });
  return all;
}

bool regularized(const Layer::State& root) {
  bool any = false;
  each_layer(root, [&](const Layer::State& s) { any |= !s.regularizers.empty(); });
  return any;
}

std::string structure_of(const Layer::State& root) {
  std::string out;
  auto add = [&](auto v) { out.append(reinterpret_cast<const char*>(&v), sizeof v); };
  each_layer(root, [&](const Layer::State& s) {
    add(&s), add(s.trainable), add(s.version), add(s.own.size());
    add(s.policy ? int(s.policy->compute_dtype()) : -1);
    for (auto& v : s.own) add(v.cell()), add(v.trainable());
    add(s.children.size());
    for (auto& c : s.children) add(c.get());
  });
  return out;
}

Unrecorded::Unrecorded()
    : recorder_(std::exchange(tapir::recorder(), nullptr)),
      observer_(std::exchange(tapir::detail::variable_observer(), nullptr)),
      scope_(std::exchange(scope, nullptr)) {}
Unrecorded::~Unrecorded() {
  tapir::recorder() = static_cast<Recorder*>(recorder_);
  tapir::detail::variable_observer() = static_cast<tapir::detail::VariableObserver*>(observer_);
  scope = static_cast<Scope*>(scope_);
}

}  // namespace detail
}  // namespace tapir::nn
