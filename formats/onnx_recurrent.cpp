// ONNX: RNN, GRU, LSTM. X [T, N, in] (layout 1: [N, T, in]), W [directions, gates * hidden, in], R [directions, gates *
// hidden, hidden], B [directions, 2 * gates * hidden] -> Y [T, directions, N, hidden], the last states.
#include <tapir/formats/onnx_call.h>
#include <tapir/graph/control_flow.h>
#include <tapir/ops/create.h>
#include <tapir/ops/index.h>
#include <tapir/ops/matmul.h>
#include <tapir/ops/padding.h>
#include <tapir/ops/ranges.h>

#include <fmt/format.h>

#include <functional>

namespace tapir::onnx::detail {

namespace {

using Activation = std::function<Tensor(const Tensor&)>;
using States = std::vector<Tensor>;

Activation activation_of(const Call& c, const std::string& name, double alpha, double beta) {
  if (name == "Sigmoid") return [](const Tensor& x) { return sigmoid(x); };
  if (name == "Tanh") return [](const Tensor& x) { return tanh(x); };
  if (name == "Relu") return [](const Tensor& x) { return relu(x); };
  if (name == "Softsign") return [](const Tensor& x) { return softsign(x); };
  if (name == "Softplus") return [](const Tensor& x) { return softplus(x); };
  if (name == "HardSigmoid") return [=](const Tensor& x) { return clip(x * alpha + beta, 0, 1); };
  if (name == "LeakyRelu") return [=](const Tensor& x) { return leaky_relu(x, alpha); };
  if (name == "Elu") return [=](const Tensor& x) { return elu(x, alpha); };
  if (name == "Affine") return [=](const Tensor& x) { return x * alpha + beta; };
  c.fail("activation \"" + name + "\" is not supported");
}

// What an operator has in each direction: its functions and its weights.
struct Cell {
  std::vector<Activation> f;
  Tensor w, r, wb, rb, peephole;  // [gates * hidden, in], [gates * hidden, hidden], [gates * hidden] twice
  std::int64_t hidden = 0;
  double limit = 0;
  bool linear_before_reset = false, couple = false;

  Tensor gate(const Tensor& all, std::int64_t i) const { return narrow(all, -1, i * hidden, hidden); }
  Tensor limited(const Tensor& x) const { return limit > 0 ? clip(x, -limit, limit) : x; }
};
// (projected input [N, gates * hidden], states) -> new states, the first of which is the output.
using StepOf = States (*)(const Cell& cell, const Tensor& x, const States& states);

States rnn_step(const Cell& k, const Tensor& x, const States& s) {
  return {k.f[0](k.limited(x + matmul(s[0], k.r, {.transpose_b = true}) + k.rb))};
}

// Gates in the order update, reset, candidate.
States gru_step(const Cell& k, const Tensor& x, const States& s) {
  const std::int64_t n = k.hidden;
  const Tensor& h = s[0];
  const Tensor r_zr = narrow(k.r, 0, 0, 2 * n), r_h = narrow(k.r, 0, 2 * n, n);
  const Tensor zr =
      k.f[0](k.limited(narrow(x, -1, 0, 2 * n) + matmul(h, r_zr, {.transpose_b = true}) + narrow(k.rb, 0, 0, 2 * n)));
  const Tensor z = k.gate(zr, 0), r = k.gate(zr, 1), bias = k.gate(k.rb, 2);
  const Tensor inner = k.linear_before_reset ? r * (matmul(h, r_h, {.transpose_b = true}) + bias)
                                             : matmul(r * h, r_h, {.transpose_b = true}) + bias;
  const Tensor candidate = k.f[1](k.limited(k.gate(x, 2) + inner));
  return {(1.0 - z) * candidate + z * h};
}

// Gates in the order input, output, forget, cell; peepholes input, output, forget.
States lstm_step(const Cell& k, const Tensor& x, const States& s) {
  const Tensor &h = s[0], &c = s[1];
  const Tensor all = x + matmul(h, k.r, {.transpose_b = true}) + k.rb;
  auto peep = [&](const Tensor& gate, const Tensor& cell, std::int64_t i) {
    return k.f[0](k.limited(k.peephole.defined() ? gate + k.gate(k.peephole, i) * cell : gate));
  };
  const Tensor i = peep(k.gate(all, 0), c, 0);
  const Tensor forget = k.couple ? 1.0 - i : peep(k.gate(all, 2), c, 2);
  const Tensor next = forget * c + i * k.f[1](k.limited(k.gate(all, 3)));
  const Tensor o = peep(k.gate(all, 1), next, 1);
  return {o * k.f[2](next), next};
}

// All steps of one direction: the outputs [T, N, hidden] and the last states.
std::pair<Tensor, States> run(const Cell& cell, StepOf step, const Tensor& x, const States& start,
                              const Tensor& lengths) {
  const Tensor projected = matmul(x, cell.w, {.transpose_b = true}) + cell.wb;
  const Tensor times = arange(x.shape()[0]).astype(DType::i64);
  // Examples that are over keep their states and give zeros.
  auto body = [&](const States& states, const std::vector<Tensor>& at) {
    States next = step(cell, at[0], states);
    Tensor y = next[0];
    if (lengths.defined()) {
      const Tensor on = expand_dims(less(at[1], lengths), 1);
      for (std::size_t i = 0; i < next.size(); ++i) next[i] = where(on, next[i], states[i]);
      y = where(on, y, zeros_like(y));
    }
    return std::pair<States, Tensor>(next, y);
  };
  auto [states, y] = scan(body, start, std::vector<Tensor>{projected, times});
  return {y, states};
}

// An example's own steps in reverse order.
Tensor reversed(const Tensor& x, const Tensor& lengths) {
  if (!lengths.defined()) return flip(x, {.axis = 0});
  const Tensor at = reshape(arange(x.shape()[0]).astype(DType::i64), {-1, 1}), n = expand_dims(lengths, 0);
  const Tensor order = expand_dims(where(less(at, n), n - 1 - at, at), 2);
  return take_along_axis(x, broadcast_to(order, x.shape()), 0);
}

struct Kind {
  std::int64_t gates;
  int states;
  StepOf step;
  std::vector<const char*> activations;
};

std::vector<Activation> activations_of(const Call& c, const Kind& kind, std::size_t direction, std::size_t directions) {
  std::vector<std::string> names;
  const std::string given = c.text("activations");
  for (std::size_t at = 0; at < given.size();) {
    const auto end = given.find('\n', at);
    names.push_back(given.substr(at, end - at));
    at = end + 1;
  }
  const std::size_t n = kind.activations.size();
  if (names.empty())
    for (std::size_t i = 0; i < n * directions; ++i) names.emplace_back(kind.activations[i % n]);
  if (names.size() != n * directions)
    c.fail(fmt::format("{} activations, {} are needed", names.size(), n * directions));
  auto number = [&](const char* list, std::size_t i, double fallback) {
    auto* a = c.node().find(list);
    return a && i < a->numbers.size() ? double(a->numbers[i]) : fallback;
  };
  std::vector<Activation> out;
  for (std::size_t i = direction * n; i < (direction + 1) * n; ++i) {
    const bool hard = names[i] == "HardSigmoid", leaky = names[i] == "LeakyRelu";
    out.push_back(activation_of(c, names[i],
                                number("activation_alpha", i,
                                       hard    ? 0.2
                                       : leaky ? 0.01
                                               : 1),
                                number("activation_beta", i, hard ? 0.5 : 0)));
  }
  return out;
}

Results recurrent(const Call& c, const Kind& kind) {
  const bool batch_first = c.flag("layout");
  const Tensor x = batch_first ? swapaxes(c[0], 0, 1) : c[0];
  if (x.rank() != 3 || c[1].rank() != 3 || c[2].rank() != 3) c.fail("input and weights must have three dimensions");
  const std::int64_t hidden = c[2].shape()[2], batch = x.shape()[1], steps = x.shape()[0];
  const std::string direction = c.text("direction", "forward");
  const std::size_t directions = direction == "bidirectional" ? 2 : 1;
  if (c[1].shape()[0] != std::int64_t(directions) || c[1].shape()[1] != kind.gates * hidden || steps < 1)
    c.fail(fmt::format("weights {} and {} for {} direction(s)", c[1].shape().str(), c[2].shape().str(), directions));
  const Tensor lengths = c.has(4) ? c[4].astype(DType::i64) : Tensor();
  std::vector<Tensor> ys;
  std::vector<std::vector<Tensor>> last(static_cast<std::size_t>(kind.states));
  for (std::size_t d = 0; d < directions; ++d) {
    auto of = [&](std::size_t input) { return squeeze(narrow(c[input], 0, std::int64_t(d), 1), {0}); };
    const std::int64_t rows = kind.gates * hidden;
    const Tensor bias = c.has(3) ? of(3) : zeros({2 * rows}, x.dtype());
    Cell cell{.f = activations_of(c, kind, d, directions),
              .w = of(1),
              .r = of(2),
              .wb = narrow(bias, 0, 0, rows),
              .rb = narrow(bias, 0, rows, rows),
              .peephole = kind.states == 2 && c.has(7) ? of(7) : Tensor(),
              .hidden = hidden,
              .limit = c.number("clip", 0),
              .linear_before_reset = c.flag("linear_before_reset"),
              .couple = c.flag("input_forget")};
    States start;
    for (std::size_t s = 0; s < last.size(); ++s) {
      const bool given = c.has(5 + s);
      const Tensor first = given && batch_first ? swapaxes(c[5 + s], 0, 1) : given ? c[5 + s] : Tensor();
      start.push_back(given ? squeeze(narrow(first, 0, std::int64_t(d), 1), {0}) : zeros({batch, hidden}, x.dtype()));
    }
    const bool backwards = d == 1 || direction == "reverse";
    auto [y, states] = run(cell, kind.step, backwards ? reversed(x, lengths) : x, start, lengths);
    ys.push_back(backwards ? reversed(y, lengths) : y);
    for (std::size_t s = 0; s < last.size(); ++s) last[s].push_back(states[s]);
  }
  Results out{stack(ys, {.axis = batch_first ? 2 : 1})};
  if (batch_first) out[0] = permute_dims(out[0], {1, 0, 2, 3});  // [T, N, directions, hidden] to [N, T, ...]
  for (auto& s : last) out.push_back(stack(s, {.axis = batch_first ? 1 : 0}));
  return out;
}

Results rnn(const Call& c) { return recurrent(c, {1, 1, rnn_step, {"Tanh"}}); }
Results gru(const Call& c) { return recurrent(c, {3, 1, gru_step, {"Sigmoid", "Tanh"}}); }
Results lstm(const Call& c) { return recurrent(c, {4, 2, lstm_step, {"Sigmoid", "Tanh", "Tanh"}}); }

constexpr Row rows[] = {{"GRU", gru, 7, 0, 4}, {"LSTM", lstm, 7, 0, 4}, {"RNN", rnn, 7, 0, 4}};

}  // namespace

std::span<const Row> recurrent_rows() { return rows; }

}  // namespace tapir::onnx::detail
