// What each optimizer does with a gradient: one fused op for the common ones, ops of the library for the others.
#include <tapir/nn/optimizer_impl.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/matmul.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <cmath>
#include <regex>

namespace tapir::optim {
namespace {

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
  if (!o.learning_rate.scheduled()) not_negative("learning_rate", o.learning_rate.initial());
  not_negative("weight_decay", o.weight_decay);
  not_negative("clipnorm", o.clipnorm);
  not_negative("clipvalue", o.clipvalue);
  not_negative("global_clipnorm", o.global_clipnorm);
  if ((o.clipnorm != 0) + (o.clipvalue != 0) + (o.global_clipnorm != 0) > 1)
    throw UsageError(fmt::format("{}: only one of clipnorm, clipvalue and global_clipnorm may be set.", type));
  if (o.use_ema) fraction("ema_momentum", o.ema_momentum);
  if (o.ema_overwrite_frequency < 0) refuse("ema_overwrite_frequency", o.ema_overwrite_frequency, "0 or more");
  if constexpr (requires { o.epsilon; }) not_negative("epsilon", o.epsilon);
  if constexpr (requires { o.momentum; }) {
    if (!(o.momentum >= 0 && o.momentum <= 1)) refuse("momentum", o.momentum, "in [0, 1]");
  }
  if constexpr (requires { o.beta_1; }) fraction("beta_1", o.beta_1), fraction("beta_2", o.beta_2);
  if constexpr (requires { o.adam_beta_1; }) {
    fraction("adam_beta_1", o.adam_beta_1), fraction("adam_beta_2", o.adam_beta_2);
    if (o.ns_steps < 1) refuse("ns_steps", o.ns_steps, "1 or more");
  }
  if constexpr (requires { o.rho; }) fraction("rho", o.rho);
  if constexpr (requires { o.learning_rate_power; }) {
    if (!(o.learning_rate_power <= 0)) refuse("learning_rate_power", o.learning_rate_power, "0 or less");
    not_negative("l1_regularization_strength", o.l1_regularization_strength);
    not_negative("l2_regularization_strength", o.l2_regularization_strength);
    not_negative("l2_shrinkage_regularization_strength", o.l2_shrinkage_regularization_strength);
  }
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
  if constexpr (requires { o.learning_rate_power; })
    add("learning_rate_power", o.learning_rate_power), add("l1_regularization_strength", o.l1_regularization_strength),
        add("l2_regularization_strength", o.l2_regularization_strength),
        add("l2_shrinkage_regularization_strength", o.l2_shrinkage_regularization_strength), add("beta", o.beta);
  if constexpr (requires { o.beta_2_decay; })
    add("beta_2_decay", o.beta_2_decay), add("epsilon_1", o.epsilon_1), add("epsilon_2", o.epsilon_2),
        add("clip_threshold", o.clip_threshold), add("relative_step", o.relative_step);
  if constexpr (requires { o.ns_steps; })
    add("ns_steps", o.ns_steps), add("adam_beta_1", o.adam_beta_1), add("adam_beta_2", o.adam_beta_2),
        add("adam_weight_decay", o.adam_weight_decay);
  if constexpr (requires { o.epsilon; }) add("epsilon", o.epsilon);
  if constexpr (requires { o.amsgrad; }) add("amsgrad", o.amsgrad);
  if (o.weight_decay != 0) add("weight_decay", o.weight_decay);
  if (o.clipnorm != 0) add("clipnorm", o.clipnorm);
  if (o.clipvalue != 0) add("clipvalue", o.clipvalue);
  if (o.global_clipnorm != 0) add("global_clipnorm", o.global_clipnorm);
  if (o.use_ema) add("ema_momentum", o.ema_momentum), add("ema_overwrite_frequency", o.ema_overwrite_frequency);
  return fmt::format("{}({})", type, text);
}

std::shared_ptr<Optimizer::Impl> common(const char* type, const auto& o, std::vector<std::string> state_names,
                                        const Where& where) {
  CallSite site(where);
  check_options(type, o);
  auto impl = std::make_shared<Optimizer::Impl>();
  impl->name = o.name;
  impl->text = text_of(type, o);
  impl->clipnorm = o.clipnorm;
  impl->clipvalue = o.clipvalue;
  impl->global_clipnorm = o.global_clipnorm;
  impl->use_ema = o.use_ema;
  impl->ema_momentum = o.ema_momentum;
  impl->ema_overwrite_frequency = o.ema_overwrite_frequency;
  impl->fresh = [n = state_names.size()](const Variable& v) {
    Tensors zero;
    for (std::size_t i = 0; i < n; ++i) zero.push_back(zeros(v.shape(), v.dtype()));
    return zero;
  };
  impl->slot_names = std::move(state_names);
  if (o.use_ema) impl->slot_names.push_back("average");
  VariableOptions fixed{.trainable = false};
  impl->learning_rate = o.learning_rate;
  impl->iterations = Variable(zeros({}, DType::i64), o.name + "/iterations", fixed);
  impl->rate = Variable(full({}, o.learning_rate.initial()), o.name + "/learning_rate", fixed);
  return impl;
}

template <class Rule>
std::shared_ptr<Optimizer::Impl> make(const char* type, const auto& o, Rule rule, std::vector<std::string> state_names,
                                      const Where& where) {
  auto impl = common(type, o, std::move(state_names), where);
  rule.weight_decay = o.weight_decay;
  if constexpr (requires { rule.epsilon; }) rule.epsilon = o.epsilon;
  impl->update = [rule](std::span<const ParameterUpdate> updates, const Tensor& rate, const Tensor& step) {
    return optimizer_update(rule, updates, rate, step);
  };
  return impl;
}

// A step in f32 or f64: halves are cast there and back.
struct Step {
  Tensor p, g, rate, step;  // step is counted from 1
  std::vector<Tensor> state;
  Tensor power(double beta) const { return pow(beta, step); }
};

// `rule` gives what is taken away from p, then the new state.
template <class Rule>
std::shared_ptr<Optimizer::Impl> compose(const char* type, const auto& o, std::vector<std::string> state_names,
                                         const Where& where, Rule rule) {
  auto impl = common(type, o, std::move(state_names), where);
  auto update = [rule, decay = o.weight_decay](const ParameterUpdate& u, const Tensor& rate, const Tensor& step) {
    const DType own = u.parameter.dtype(), inner = own == DType::f64 ? own : DType::f32;
    auto cast = [&](const Tensor& t) { return astype(t, inner); };
    Step s{cast(u.parameter), cast(u.gradient), cast(rate), cast(step), {}};
    for (auto& t : u.state) s.state.push_back(cast(t));
    if constexpr (requires { rule.decay(s); }) s.p = s.p - s.p * (s.rate * rule.decay(s));
    else if (decay != 0) s.p = s.p - s.p * (s.rate * decay);
    Tensors fresh = rule(s);
    fresh[0] = s.p - fresh[0];
    for (auto& t : fresh) t = astype(t, own);
    return fresh;
  };
  impl->update = [update](std::span<const ParameterUpdate> updates, const Tensor& rate, const Tensor& step) {
    Tensors all;
    for (auto& u : updates)
      for (auto& t : update(u, rate, step)) all.push_back(t);
    return all;
  };
  return impl;
}

Tensor towards(const Tensor& mean, const Tensor& value, double beta) { return mean + (value - mean) * (1 - beta); }
Tensor rms(const Tensor& x) { return sqrt(mean(square(x))); }

std::shared_ptr<Optimizer::Impl> adam(const char* type, const auto& o, const Where& where) {
  AdamUpdate rule{.beta_1 = o.beta_1, .beta_2 = o.beta_2, .amsgrad = o.amsgrad};
  std::vector<std::string> states{"momentum", "velocity"};
  if (o.amsgrad) states.push_back("velocity_hat");
  return make(type, o, rule, states, where);
}

// Newton and Schulz's iteration: x with singular values near 1.
Tensor orthogonalised(Tensor x, const MuonOptions& o) {
  const bool turned = x.shape()[0] > x.shape()[1];
  if (turned) x = matrix_transpose(x);
  x = x / (sqrt(sum(square(x))) + 1e-7);
  for (int i = 0; i < o.ns_steps; ++i) {
    const Tensor a = matmul(x, x, {.transpose_b = true});
    x = x * o.muon_a + matmul(a * o.muon_b + matmul(a, a) * o.muon_c, x);
  }
  return turned ? matrix_transpose(x) : x;
}

// A variable that goes by Adam has a velocity; of others that is empty.
struct MuonRule {
  MuonOptions o;

  bool by_adam(const Variable& v) const {
    std::string name = v.name(), lower = name;
    for (char& c : lower) c = char(std::tolower(static_cast<unsigned char>(c)));
    bool excluded = v.shape().rank() != 2 || (o.exclude_embeddings && lower.find("embedding") != std::string::npos);
    for (auto& pattern : o.exclude_layers) excluded |= std::regex_search(name, std::regex(pattern));
    return excluded;
  }
  static bool by_adam(const Step& s) { return s.state[1].shape() == s.p.shape(); }
  double decay(const Step& s) const { return by_adam(s) ? o.adam_weight_decay : o.weight_decay; }

  Tensors operator()(const Step& s) const {
    if (by_adam(s)) {
      const Tensor m = towards(s.state[0], s.g, o.adam_beta_1), v = towards(s.state[1], square(s.g), o.adam_beta_2);
      const Tensor rate = s.rate * o.adam_lr_ratio * sqrt(1 - s.power(o.adam_beta_2)) / (1 - s.power(o.adam_beta_1));
      return {m * rate / (sqrt(v) + o.epsilon), m, v};
    }
    const Tensor m = s.g + s.state[0] * o.momentum, way = o.nesterov ? s.g + m * o.momentum : m;
    const double longest = double(std::max(s.p.shape()[0], s.p.shape()[1]));
    const double scale = o.rms_rate == 0 ? 1 : std::sqrt(longest) * o.rms_rate;
    return {orthogonalised(way, o) * (s.rate * scale), m, s.state[1]};
  }
};

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
  impl_->fresh = [start = o.initial_accumulator_value](const Variable& v) {
    return Tensors{full(v.shape(), start, v.dtype())};
  };
}

Adamax::Adamax(const AdamaxOptions& o, Where where)
    : Optimizer(compose("Adamax", o, {"momentum", "norm"}, where, [o](const Step& s) -> Tensors {
        const Tensor m = towards(s.state[0], s.g, o.beta_1), u = maximum(s.state[1] * o.beta_2, abs(s.g));
        return {m * s.rate / ((u + o.epsilon) * (1 - s.power(o.beta_1))), m, u};
      })) {}

Nadam::Nadam(const NadamOptions& o, Where where) : Optimizer(std::shared_ptr<Impl>()) {
  auto decay = [o](const Tensor& step) { return (1 - pow(0.96, step) * 0.5) * o.beta_1; };
  Variable product(ones({}, DType::f64), o.name + "/decay_product", {.trainable = false});
  impl_ = compose("Nadam", o, {"momentum", "velocity"}, where, [o, decay, product](const Step& s) -> Tensors {
    const Tensor m = towards(s.state[0], s.g, o.beta_1), v = towards(s.state[1], square(s.g), o.beta_2);
    const Tensor so_far = astype(product.value(), s.p.dtype()), next = decay(s.step + 1);
    const Tensor m_hat = m * (next / (1 - so_far * next)) + s.g * ((1 - decay(s.step)) / (1 - so_far));
    return {m_hat * s.rate / (sqrt(v / (1 - s.power(o.beta_2))) + o.epsilon), m, v};
  });
  impl_->shared = {product};
  impl_->shared_start = {1};
  impl_->start_step = [product, decay](const Tensor& step) {
    Variable(product).assign(product.value() * decay(astype(step, DType::f64)));
  };
}

Adadelta::Adadelta(const AdadeltaOptions& o, Where where)
    : Optimizer(
          compose("Adadelta", o, {"accumulated_grad", "accumulated_delta_var"}, where, [o](const Step& s) -> Tensors {
            const Tensor g2 = towards(s.state[0], square(s.g), o.rho);
            const Tensor way = sqrt(s.state[1] + o.epsilon) * s.g / sqrt(g2 + o.epsilon);
            return {way * s.rate, g2, towards(s.state[1], square(way), o.rho)};
          })) {}

Ftrl::Ftrl(const FtrlOptions& o, Where where)
    : Optimizer(compose("Ftrl", o, {"accumulator", "linear"}, where, [o](const Step& s) -> Tensors {
        auto power = [&](const Tensor& x) {
          return o.learning_rate_power == -0.5 ? sqrt(x) : pow(x, -o.learning_rate_power);
        };
        const Tensor sum = s.state[0] + square(s.g), strong = power(sum) / s.rate;
        const Tensor linear = s.state[1] + s.g + s.p * (2 * o.l2_shrinkage_regularization_strength) -
                              (strong - power(s.state[0]) / s.rate) * s.p;
        const Tensor quadratic = strong + (2 * o.l2_regularization_strength + o.beta / s.rate);
        const double l1 = o.l1_regularization_strength;
        return {s.p - (minimum(maximum(linear, -l1), l1) - linear) / quadratic, sum, linear};
      })) {
  impl_->fresh = [start = o.initial_accumulator_value](const Variable& v) {
    return Tensors{full(v.shape(), start, v.dtype()), zeros(v.shape(), v.dtype())};
  };
}

Lion::Lion(const LionOptions& o, Where where)
    : Optimizer(compose("Lion", o, {"momentum"}, where, [o](const Step& s) -> Tensors {
        const Tensor& m = s.state[0];
        return {sign(m * o.beta_1 + s.g * (1 - o.beta_1)) * s.rate, m * o.beta_2 + s.g * (1 - o.beta_2)};
      })) {}

Lamb::Lamb(const LambOptions& o, Where at)
    : Optimizer(compose("Lamb", o, {"momentum", "velocity"}, at, [o](const Step& s) -> Tensors {
        const Tensor m = towards(s.state[0], s.g, o.beta_1), v = towards(s.state[1], square(s.g), o.beta_2);
        const Tensor way = m / (1 - s.power(o.beta_1)) / (sqrt(v / (1 - s.power(o.beta_2))) + o.epsilon);
        const Tensor p_norm = sqrt(sum(square(s.p))), way_norm = sqrt(sum(square(way)));
        const Tensor ratio = where(logical_and(p_norm > 0, way_norm > 0), p_norm / way_norm, ones_like(p_norm));
        return {way * (ratio * s.rate), m, v};
      })) {}

// Of a variable of rank 0 or 1 rows and columns are one number that nobody reads.
Adafactor::Adafactor(const AdafactorOptions& o, Where where)
    : Optimizer(compose("Adafactor", o, {"row", "column", "velocity"}, where, [o](const Step& s) -> Tensors {
        const Tensor slow = 1 / sqrt(s.step), keep = 1 - pow(s.step, o.beta_2_decay);
        const Tensor length = maximum(rms(s.p), o.epsilon_2) * minimum(s.rate, slow), g2 = square(s.g) + o.epsilon_1;
        auto mixed = [&](const Tensor& old, const Tensor& now) { return old * keep + now * (1 - keep); };
        Tensor row = s.state[0], column = s.state[1], v;
        if (s.p.rank() >= 2) {
          row = mixed(row, mean(g2, {.axis = -1}));
          column = mixed(column, mean(g2, {.axis = -2}));
          v = expand_dims(row / mean(row, {.axis = -1, .keepdims = true}), -1) * expand_dims(column, -2);
        } else {
          v = mixed(s.state[2], g2);
        }
        const Tensor way = s.g / sqrt(v);
        return {way / maximum(rms(way) / o.clip_threshold, 1) * length, row, column, v};
      })) {
  impl_->fresh = [](const Variable& v) {
    const Shape s = v.shape();
    const int rank = s.rank();
    const Shape row = rank < 2 ? Shape() : s.first(rank - 1);
    const Shape column = rank < 2 ? Shape() : s.first(rank - 2).concat(s.last(1));
    return Tensors{zeros(row, v.dtype()), zeros(column, v.dtype()), zeros(s, v.dtype())};
  };
}

Muon::Muon(const MuonOptions& o, Where where)
    : Optimizer(compose("Muon", o, {"momentum", "velocity"}, where, MuonRule{o})) {
  impl_->fresh = [rule = MuonRule{o}](const Variable& v) {
    return Tensors{zeros(v.shape(), v.dtype()), zeros(rule.by_adam(v) ? v.shape() : Shape({0}), v.dtype())};
  };
}

}  // namespace tapir::optim
