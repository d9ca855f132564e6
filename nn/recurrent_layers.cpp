#include <tapir/graph/control_flow.h>
#include <tapir/nn/layer_state.h>
#include <tapir/nn/masks.h>
#include <tapir/nn/names.h>
#include <tapir/nn/recurrent_layers.h>
#include <tapir/ops/create.h>
#include <tapir/ops/dropout.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/matmul.h>
#include <tapir/ops/padding.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <algorithm>

namespace tapir::nn {
namespace {

// Columns [i * units, (i + count) * units) of the gates.
Tensor gate(const Tensor& z, std::int64_t i, std::int64_t units, std::int64_t count = 1) {
  return narrow(z, -1, i * units, count * units);
}

}  // namespace

// ---- cells

RecurrentCell::RecurrentCell(const char* type, std::int64_t units, const RecurrentOptions& options, const Where& where)
    : Layer(""), type_(type), units_(units), options_(options) {
  CallSite site(where);
  detail::check_positive(type, "units", units);
  detail::check_rate(type, "dropout", options.dropout);
  detail::check_rate(type, "recurrent_dropout", options.recurrent_dropout);
}

void RecurrentCell::make_weights(const Shape& s) {
  if (s.rank() != 1)
    throw ShapeError(fmt::format("{}: needs an input [N, features], got rank {}.", type_, s.rank() + 1));
  prepare_weights(s[0]);
}

void RecurrentCell::prepare_weights(std::int64_t) {}

void RecurrentCell::make_gates(std::int64_t features, std::int64_t gates, const Shape& bias) {
  const auto& o = options_;
  kernel_ = add_weight("kernel", {features, gates * units_}, {.initializer = o.kernel_initializer, .seed = o.seed});
  recurrent_ = add_weight("recurrent_kernel", {units_, gates * units_},
                          {.initializer = o.recurrent_initializer, .seed = o.seed});
  if (o.use_bias) bias_ = add_weight("bias", bias, {.initializer = o.bias_initializer, .seed = o.seed});
  state()->built = true;
}

Tensor RecurrentCell::with_kernel(const Tensor& input) const {
  const Tensor x = detail::as_weights(input, kernel_);
  if (x.shape().back() != kernel_.shape()[0])
    throw ShapeError(
        fmt::format("{}: was built for {} features, got an input {}.", type_, kernel_.shape()[0], x.shape().str()));
  return matmul(x, kernel_);
}

Tensor RecurrentCell::project(const Tensor& x) const {
  Tensor p = with_kernel(x);
  return options_.use_bias ? std::move(p) + bias_ : p;
}

Tensor RecurrentCell::call(const Tensor& x, bool training) {
  std::vector<Tensor> xs{x};
  for (auto size : state_sizes()) xs.push_back(zeros({x.shape()[0], size}, detail::autocast_dtype()));
  return call_list(xs, training)[0];
}

std::vector<Tensor> RecurrentCell::call_list(const std::vector<Tensor>& xs, bool training) {
  if (xs.size() == 1) return {call(xs[0], training)};
  const std::size_t states = state_sizes().size();
  if (xs.size() != states + 1)
    throw UsageError(fmt::format("{}: takes an input and {} states, got {} tensors.", type_, states, xs.size()));
  Tensor x = xs[0];
  std::vector<Tensor> before(xs.begin() + 1, xs.end());
  if (training && options_.dropout > 0) x = dropout(x, options_.dropout);
  if (training && options_.recurrent_dropout > 0) before[0] = dropout(before[0], options_.recurrent_dropout);
  return step(project(x), before);
}

void SimpleRNNCell::prepare_weights(std::int64_t features) { make_gates(features, 1, {units_}); }
std::vector<Tensor> SimpleRNNCell::step(const Tensor& projected, const std::vector<Tensor>& states) const {
  const Tensor h = options_.activation(projected + matmul(states[0], recurrent_));
  return {h, h};
}
std::shared_ptr<RecurrentCell> SimpleRNNCell::anew() const { return std::make_shared<SimpleRNNCell>(units_, options_); }

void LSTMCell::prepare_weights(std::int64_t features) {
  const bool first = !bias_.defined();
  const bool had = !state()->own.empty();
  make_gates(features, 4, {4 * units_});
  if (first && !had && options_.use_bias && options_.unit_forget_bias) {
    const Tensor start = options_.bias_initializer({units_});
    bias_.assign(concat({start, ones({units_}), options_.bias_initializer({2 * units_})}));
  }
}
std::vector<Tensor> LSTMCell::step(const Tensor& projected, const std::vector<Tensor>& states) const {
  const auto& o = options_;
  const Tensor z = projected + matmul(states[0], recurrent_);
  const Tensor in = o.recurrent_activation(gate(z, 0, units_)), forget = o.recurrent_activation(gate(z, 1, units_));
  const Tensor c = forget * states[1] + in * o.activation(gate(z, 2, units_));
  const Tensor h = o.recurrent_activation(gate(z, 3, units_)) * o.activation(c);
  return {h, h, c};
}
std::shared_ptr<RecurrentCell> LSTMCell::anew() const { return std::make_shared<LSTMCell>(units_, options_); }

void GRUCell::prepare_weights(std::int64_t features) {
  make_gates(features, 3, options_.reset_after ? Shape({2, 3 * units_}) : Shape({3 * units_}));
}
Tensor GRUCell::project(const Tensor& x) const {
  Tensor p = with_kernel(x);
  if (!options_.use_bias) return p;
  return options_.reset_after ? std::move(p) + squeeze(narrow(bias_, 0, 0, 1), 0) : std::move(p) + bias_;
}
std::vector<Tensor> GRUCell::step(const Tensor& x, const std::vector<Tensor>& states) const {
  const auto& o = options_;
  const Tensor& h = states[0];
  Tensor update, candidate;
  if (o.reset_after) {
    Tensor r = matmul(h, recurrent_);
    if (o.use_bias) r = std::move(r) + squeeze(narrow(bias_, 0, 1, 1), 0);
    update = o.recurrent_activation(gate(x, 0, units_) + gate(r, 0, units_));
    const Tensor reset = o.recurrent_activation(gate(x, 1, units_) + gate(r, 1, units_));
    candidate = o.activation(gate(x, 2, units_) + reset * gate(r, 2, units_));
  } else {
    const Tensor r = matmul(h, gate(recurrent_, 0, units_, 2));
    update = o.recurrent_activation(gate(x, 0, units_) + gate(r, 0, units_));
    const Tensor reset = o.recurrent_activation(gate(x, 1, units_) + gate(r, 1, units_));
    candidate = o.activation(gate(x, 2, units_) + matmul(reset * h, gate(recurrent_, 2, units_)));
  }
  const Tensor next = update * h + (1 - update) * candidate;
  return {next, next};
}
std::shared_ptr<RecurrentCell> GRUCell::anew() const { return std::make_shared<GRUCell>(units_, options_); }

StackedRNNCells::StackedRNNCells(const std::vector<AnyCell>& cells, Where where)
    : RecurrentCell("StackedRNNCells", cells.empty() ? 1 : cells.back().cell()->units(), {}, where) {
  CallSite site(where);
  if (cells.empty()) throw UsageError("StackedRNNCells: needs cells, got none.");
  for (auto& c : cells) cells_.push_back(c.cell());
}
std::vector<std::int64_t> StackedRNNCells::state_sizes() const {
  std::vector<std::int64_t> sizes;
  for (auto& c : cells_)
    for (auto n : c->state_sizes()) sizes.push_back(n);
  return sizes;
}
void StackedRNNCells::prepare_weights(std::int64_t features) {
  for (auto& c : cells_) {
    c->type(), c->name();
    c->prepare_weights(features);
    state()->attach(c->state());
    features = c->units();
  }
  state()->built = true;
}
Tensor StackedRNNCells::project(const Tensor& x) const { return cells_[0]->project(x); }
std::vector<Tensor> StackedRNNCells::step(const Tensor& projected, const std::vector<Tensor>& states) const {
  std::vector<Tensor> out{Tensor()};
  std::size_t next = 0;
  Tensor x = projected;
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    const std::size_t n = cells_[i]->state_sizes().size();
    const auto y = cells_[i]->step(i == 0 ? x : cells_[i]->project(x),
                                   {states.begin() + std::ptrdiff_t(next), states.begin() + std::ptrdiff_t(next + n)});
    next += n;
    x = y[0];
    out.insert(out.end(), y.begin() + 1, y.end());
  }
  out[0] = x;
  return out;
}
std::shared_ptr<RecurrentCell> StackedRNNCells::anew() const {
  std::vector<AnyCell> cells;
  for (auto& c : cells_) cells.emplace_back(c->anew());
  return std::make_shared<StackedRNNCells>(cells);
}

// ---- over time

RNN::RNN(const AnyCell& cell, const RecurrentOptions& options, Where where)
    : LayerOf(options.name), cell_(cell.cell()), options_(options) {
  CallSite site(where);
  detail::check_rate("RNN", "dropout", options.dropout);
  detail::check_rate("RNN", "recurrent_dropout", options.recurrent_dropout);
}

RNN RNN::anew(bool reversed, const std::string& name) const {
  RecurrentOptions o = options_;
  o.go_backwards = o.go_backwards != reversed;
  o.zero_output_for_mask = o.return_sequences;
  o.name = name;
  RNN copy(cell_->anew(), o);
  copy.state()->type = type();
  copy.state()->policy = state()->policy;
  return copy;
}

void RNN::make_weights(const Shape& s) {
  if (s.rank() != 2)
    throw ShapeError(fmt::format("{}: needs an input [N, steps, features], got rank {}.", type(), s.rank() + 1));
  cell_->type(), cell_->name();
  cell_->prepare_weights(s[1]);
  state()->attach(cell_->state());
}

void RNN::reset_states() {
  for (auto& v : kept_) v.assign(zeros(v.shape()));
}

std::vector<Tensor> RNN::first_states(const std::vector<Tensor>& xs) {
  const auto sizes = cell_->state_sizes();
  const std::int64_t n = xs[0].shape()[0];
  if (xs.size() > 1) {
    if (xs.size() != sizes.size() + 1)
      throw UsageError(
          fmt::format("{}: takes an input and {} states, got {} tensors.", name(), sizes.size(), xs.size()));
    return {xs.begin() + 1, xs.end()};
  }
  std::vector<Tensor> states;
  if (!options_.stateful) {
    for (auto size : sizes) states.push_back(zeros({n, size}, detail::autocast_dtype()));
    return states;
  }
  if (kept_.empty() || kept_[0].shape()[0] != n) {
    detail::Unrecorded unrecorded;
    std::erase_if(state()->streams, [&](auto& v) { return std::find(kept_.begin(), kept_.end(), v) != kept_.end(); });
    kept_.clear();
    for (auto size : sizes) {
      kept_.emplace_back(zeros({n, size}), "state", VariableOptions{.trainable = false});
      state()->streams.push_back(kept_.back());  // state, but no weight
    }
  }
  for (auto& v : kept_) states.push_back(astype(v.value(), detail::autocast_dtype()));
  return states;
}

Tensor RNN::call(const Tensor& x, bool training) { return call_list({x}, training)[0]; }

std::vector<Tensor> RNN::call_list(const std::vector<Tensor>& xs, bool training) {
  constexpr std::int64_t unrolled = 16;  // in a trace
  const auto& o = options_;
  Tensor x = xs[0];
  detail::check_rank(type().c_str(), x, 3);
  std::vector<Tensor> states = first_states(xs);
  const std::int64_t steps = x.shape()[1];
  if (steps == 0) throw ShapeError(fmt::format("{}: there are no steps in {}.", name(), x.shape().str()));
  if (training && o.dropout > 0) x = x * dropout(ones({x.shape()[0], 1, x.shape()[2]}, x.dtype()), o.dropout);
  const Tensor state_mask = training && o.recurrent_dropout > 0
                                ? dropout(ones(states[0].shape(), states[0].dtype()), o.recurrent_dropout)
                                : Tensor();
  // Steps first, so that each is a piece of memory: [T, N, gates].
  auto steps_first = [&](const Tensor& t) { return o.go_backwards ? flip(t, {.axis = 0}) : t; };
  std::vector<Tensor> scanned{steps_first(cell_->project(contiguous(moveaxis(x, 1, 0))))};
  const Tensor mask = MaskScope::of(xs[0]);
  if (mask.defined() && mask.rank() != 2)
    throw ShapeError(fmt::format("{}: needs a mask [N, T], got {}.", name(), mask.shape().str()));
  const std::size_t n = states.size();
  if (mask.defined()) {  // [T, N, 1], and the output before is a state too
    scanned.push_back(steps_first(contiguous(moveaxis(expand_dims(mask, -1), 1, 0))));
    states.push_back(zeros_like(states[n - cell_->last_states()]));
  }

  // The new states, then the output.
  auto step = [&](std::span<const Tensor> before, std::span<const Tensor> at) {
    std::vector<Tensor> s(before.begin(), before.begin() + std::ptrdiff_t(n));
    if (state_mask.defined()) s[0] = s[0] * state_mask;
    std::vector<Tensor> y = cell_->step(at[0], s);
    std::rotate(y.begin(), y.begin() + 1, y.end());
    if (!mask.defined()) return y;
    const Tensor& counts = at[1];
    for (std::size_t i = 0; i < n; ++i) y[i] = where(counts, y[i], before[i]);
    y[n] = where(counts, y[n], o.zero_output_for_mask ? zeros_like(y[n]) : before[n]);
    y.push_back(y[n]);  // as a state and as an output
    return y;
  };
  Tensor sequence, last;
  const std::size_t carried = states.size();
  if (tapir::detail::tracing() && steps > unrolled) {
    tapir::detail::Loop loop;
    loop.trip = steps;
    loop.body = [&](std::span<const Tensor> before, std::span<const Tensor> slices) {
      std::vector<Tensor> out = step(before, slices);
      if (!o.return_sequences) out.pop_back();
      return out;
    };
    auto out = tapir::detail::traced_loop("RNN", loop, states, scanned, Where::current());
    states.assign(out.begin(), out.begin() + std::ptrdiff_t(carried));
    if (o.return_sequences) sequence = out[carried];
    // The output of a step is its first state, of stacked cells the first of the last one's.
    last = mask.defined() ? states[n] : states[n - cell_->last_states()];
  } else {
    std::vector<Tensor> rows;
    for (std::int64_t t = 0; t < steps; ++t) {
      std::vector<Tensor> at;
      for (auto& all : scanned) at.push_back(tapir::detail::slice_of(all, t, Where::current()));
      std::vector<Tensor> y = step(states, at);
      last = y.back();
      states.assign(y.begin(), y.begin() + std::ptrdiff_t(carried));
      if (o.return_sequences) rows.push_back(last);
    }
    if (o.return_sequences) sequence = stack(rows);
  }
  states.resize(n);
  for (std::size_t i = 0; o.stateful && i < kept_.size(); ++i)
    kept_[i].assign(astype(stop_gradient(states[i]), kept_[i].dtype()));
  std::vector<Tensor> out{o.return_sequences ? contiguous(moveaxis(sequence, 0, 1)) : last};
  if (o.return_sequences) MaskScope::set(out[0], mask);
  if (o.return_state) out.insert(out.end(), states.begin(), states.end());
  return out;
}

// ---- around other layers

Bidirectional::Bidirectional(const RNN& layer, const BidirectionalOptions& options, Where where)
    : LayerOf(options.name),
      forward_(layer.anew(false, "forward_" + layer.name())),
      backward_(layer.anew(true, "backward_" + layer.name())),
      merge_(options.merge_mode) {
  CallSite site(where);
  if (merge_ != "concat" && merge_ != "sum" && merge_ != "mul" && merge_ != "ave" && merge_ != "none")
    detail::unknown_name("merge_mode", merge_, {"ave", "concat", "mul", "none", "sum"});
}

Tensor Bidirectional::call(const Tensor& x, bool training) { return call_list({x}, training)[0]; }

std::vector<Tensor> Bidirectional::call_list(const std::vector<Tensor>& xs, bool) {
  std::vector<Tensor> forward{xs[0]}, backward{xs[0]};
  if (xs.size() % 2 == 0)
    throw UsageError(
        fmt::format("{}: takes an input and states for both directions, got {} tensors.", name(), xs.size()));
  const std::size_t half = (xs.size() - 1) / 2;
  for (std::size_t i = 0; i < half; ++i) forward.push_back(xs[1 + i]), backward.push_back(xs[1 + half + i]);
  const auto a = forward_.outputs(forward), b = backward_.outputs(backward);
  const Tensor there = a[0], back = forward_.options().return_sequences ? flip(b[0], {.axis = 1}) : b[0];
  std::vector<Tensor> out;
  if (merge_ == "concat") out = {concat({there, back}, {.axis = -1})};
  else if (merge_ == "sum") out = {there + back};
  else if (merge_ == "mul") out = {there * back};
  else if (merge_ == "ave") out = {(there + back) / 2};
  else out = {there, back};
  if (forward_.options().return_sequences)
    for (auto& y : out) MaskScope::set(y, MaskScope::of(xs[0]));
  out.insert(out.end(), a.begin() + 1, a.end());
  out.insert(out.end(), b.begin() + 1, b.end());
  return out;
}

Tensor TimeDistributed::call(const Tensor& x, bool) {
  if (x.rank() < 3)
    throw ShapeError(fmt::format("TimeDistributed: needs an input [N, T, ...], got {}.", x.shape().str()));
  const Shape outer = x.shape().first(2), inner = x.shape().last(x.rank() - 2);
  const Tensor each = reshape(x, Shape({outer[0] * outer[1]}).concat(inner));
  if (const Tensor mask = MaskScope::of(x); mask.defined() && mask.rank() > 2)
    MaskScope::set(each, reshape(mask, Shape({outer[0] * outer[1]}).concat(mask.shape().last(mask.rank() - 2))));
  const Tensor y = (*layer_)(each);
  return reshape(y, outer.concat(y.shape().last(y.rank() - 1)));
}

}  // namespace tapir::nn
