// The rows of control flow. A body is a graph, handed over as a handle; what it reads of the outside are inputs of the
// row.
#include <tapir/graph/control_flow.h>
#include <tapir/graph/effects.h>
#include <tapir/graph/handle.h>
#include <tapir/graph/loops.h>
#include <tapir/graph/passes.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/index.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/random.h>
#include <tapir/ops/shaping.h>
#include <tapir/tensor/device_scope.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace tapir {

using graph::Concrete;
using graph::Tracer;

namespace {

// Counts are attributes, which may be those of a file.
std::vector<Tensor> list(Inputs in, std::size_t from, std::size_t to) {
  if (from > to || to > in.size()) throw UsageError("control flow: has fewer operands than it says.");
  std::vector<Tensor> out;
  for (std::size_t i = from; i < to; ++i) out.push_back(in[i]);
  return out;
}

// A body may hand out what it was given; the caller's memory ends sooner.
Tensors own(const std::vector<Tensor>& results, Inputs in) {
  Tensors out;
  for (auto& t : results) {
    bool shared = false;
    for (std::size_t i = 0; i < in.size(); ++i)
      shared |= t.impl() == in[i].impl() || (t.impl()->storage && t.impl()->storage == in[i].impl()->storage);
    Tensor mine = t;
    if (shared) {
      mine = Tensor::empty(t.shape(), t.dtype(), t.device());
      if (t.size()) cast_into(t, mine);
    }
    out.push_back(mine);
  }
  return out;
}

std::shared_ptr<Concrete> body_of(const Tensor& t) {
  auto c = graph::concrete_of(t);
  if (!c) throw InternalError("control flow: an input is no graph.");
  return c;
}

Tensor zeros_if_undefined(const Tensor& dy, const Tensor& y) { return dy.defined() ? dy : zeros_like(y); }

// ---- switch: index, the handles of the branches, what they read -> the results of the branch number `index`

struct SwitchAttrs {
  int branches = 0;
  template <class V>
  void visit(V&& v) {
    v("branches", branches);
  }
};

extern const OpDef switch_op;

void infer_switch(Inputs in, Attrs a, Specs& out) {
  const int k = a.as<SwitchAttrs>().branches;
  if (k < 1) throw UsageError("switch: has no branches.");
  for (auto& branch : list(in, 1, std::size_t(1 + k))) body_of(branch);
  for (auto& s : body_of(in[1])->output_specs(list(in, std::size_t(1 + k), in.size()))) out.push_back(s);
}

Tensors make_switch(Inputs in, Attrs a) {
  const int k = a.as<SwitchAttrs>().branches;
  std::int64_t i = in[0].dtype() == DType::boolean ? !in[0].item<bool>() : in[0].item<std::int64_t>();
  if (i < 0 || i >= k) i = k - 1;
  return own(body_of(in[std::size_t(1 + i)])->run(list(in, std::size_t(1 + k), in.size())), in);
}

Tensors switch_gradient(const Node& n, std::span<const Tensor> dy) {
  const int k = n.attrs.as<SwitchAttrs>().branches;
  std::vector<Tensor> inputs{n.in(0)};
  for (int b = 0; b < k; ++b) inputs.push_back(graph::handle_of(body_of(n.in(1 + b))->vjp()));
  for (std::size_t i = std::size_t(1 + k); i < n.inputs.size(); ++i) inputs.push_back(n.inputs[i]);
  for (std::size_t o = 0; o < n.outputs.size(); ++o)
    if (is_floating(n.outputs[o].dtype())) inputs.push_back(zeros_if_undefined(dy[o], n.outputs[o]));
  auto refs = refs_of(inputs);
  Tensors g = apply_all(switch_op, Inputs(refs), n.attrs, Where::current()), dx(n.inputs.size());
  for (std::size_t i = std::size_t(1 + k), at = 0; i < n.inputs.size(); ++i)
    if (is_floating(n.inputs[i].dtype())) dx[i] = g[at++];
  return dx;
}

const OpDef switch_op = {.name = "switch",
                         .infer = infer_switch,
                         .gradient = switch_gradient,
                         .saves = Saves::inputs,
                         .make = make_switch,
                         .attrs = &attrs_type<SwitchAttrs>};

// ---- loop: handles of condition and body, states, scanned, what the condition reads, what the body reads
//      -> last states, stacked values. With `trip` >= 0 there is no condition (its handle stands for nothing).

struct LoopAttrs {
  int states = 0, scanned = 0, condition_reads = 0;
  std::int64_t trip = -1, most = -1;
  bool backwards = false;
  template <class V>
  void visit(V&& v) {
    v("states", states), v("scanned", scanned), v("condition_reads", condition_reads), v("trip", trip), v("most", most);
    v("backwards", backwards);
  }
};

struct LoopInputs {
  std::shared_ptr<Concrete> condition, body;
  std::vector<Tensor> states, scanned, condition_reads, body_reads;
  LoopInputs(Inputs in, const LoopAttrs& a) {
    if (a.trip < 0) condition = body_of(in[0]);
    body = body_of(in[1]);
    std::size_t at = 2;
    auto next = [&](std::size_t n) { return at += n, list(in, at - n, at); };
    states = next(std::size_t(a.states));
    scanned = next(std::size_t(a.scanned));
    condition_reads = next(std::size_t(a.condition_reads));
    body_reads = next(in.size() - at);
  }
  std::vector<Tensor> for_body(const std::vector<Tensor>& now, std::int64_t i) const {
    std::vector<Tensor> out = now;
    for (auto& t : scanned) {
      Shape shape = t.shape(), strides = t.strides();
      shape.erase(0), strides.erase(0);
      out.push_back(i < 0 ? Tensor::only_spec(shape, t.dtype(), t.device())
                          : t.view_as(shape, strides, i * t.strides()[0]));
    }
    out.insert(out.end(), body_reads.begin(), body_reads.end());
    return out;
  }
  bool goes_on(const std::vector<Tensor>& now) const {
    std::vector<Tensor> in = now;
    in.insert(in.end(), condition_reads.begin(), condition_reads.end());
    return condition->run(in)[0].item<bool>();
  }
};

extern const OpDef loop_op, while_gradient_op;

void infer_loop(Inputs in, Attrs attrs, Specs& out) {
  const auto& a = attrs.as<LoopAttrs>();
  LoopInputs l(in, a);
  for (auto& t : l.scanned)
    if (t.rank() == 0 || t.shape()[0] != l.scanned[0].shape()[0])
      throw ShapeError("loop: what is scanned has no first dimension, or others.");
  auto specs = l.body->output_specs(l.for_body(l.states, -1));
  if (specs.size() < l.states.size()) throw UsageError("loop: its body gives fewer results than there are states.");
  for (std::size_t i = 0; i < specs.size(); ++i) {
    Spec s = specs[i];
    if (i >= l.states.size()) s.shape.insert(0, l.scanned.empty() ? a.trip : l.scanned[0].shape()[0]);
    out.push_back(s);
  }
}

Tensors make_loop(Inputs in, Attrs attrs) {
  const auto& a = attrs.as<LoopAttrs>();
  LoopInputs l(in, a);
  const std::int64_t trip = l.scanned.empty() ? a.trip : l.scanned[0].shape()[0];
  std::vector<Tensor> states = l.states, stacked;
  Specs specs;
  infer_loop(in, attrs, specs);
  for (std::size_t i = states.size(); i < specs.size(); ++i)
    stacked.push_back(Tensor::empty(specs[i].shape, specs[i].dtype, default_device()));
  for (std::int64_t i = 0; trip < 0 ? l.goes_on(states) : i < trip; ++i) {
    if (a.most >= 0 && i >= a.most) detail::too_many_rounds(a.most, Where());
    const std::int64_t at = a.backwards ? trip - 1 - i : i;
    std::vector<Tensor> next = l.body->run(l.for_body(states, trip < 0 ? 0 : at));
    for (std::size_t k = 0; k < stacked.size(); ++k) {
      Shape shape = stacked[k].shape(), strides = stacked[k].strides();
      shape.erase(0), strides.erase(0);
      Tensor row =
          stacked[k].impl()->storage ? stacked[k].view_as(shape, strides, at * stacked[k].strides()[0]) : Tensor();
      if (row.defined()) {
        cast_into(next[states.size() + k], row);
      } else {  // a small value lies in its header, which a view would copy
        Tensor dense = contiguous(next[states.size() + k]);
        const std::size_t bytes = std::size_t(dense.size()) * size_of(dense.dtype());
        if (bytes)
          std::memcpy(stacked[k].mutable_data<std::byte>() + std::size_t(at) * bytes, dense.data<std::byte>(), bytes);
      }
    }
    next.resize(states.size());
    states = std::move(next);
  }
  Tensors out = own(states, in);
  for (auto& t : stacked) out.push_back(t);
  return out;
}

// Rounds are counted: a scan forward that keeps each round's states, and one backwards over them. Both are rows like
// this one, so it can be differentiated again.
Tensors counted_gradient(const LoopAttrs& a, const Node& n, const LoopInputs& l, std::span<const Tensor> dy) {
  const std::size_t states = l.states.size();
  const std::int64_t trip = l.scanned.empty() ? a.trip : l.scanned[0].shape()[0];
  const auto again = body_of(graph::repeatable(n.in(1)));
  detail::Loop forward{.body =
                           [&](std::span<const Tensor> s, std::span<const Tensor> slices) {
                             std::vector<Tensor> in(s.begin(), s.end());
                             in.insert(in.end(), slices.begin(), slices.end());
                             in.insert(in.end(), l.body_reads.begin(), l.body_reads.end());
                             std::vector<Tensor> out = graph::replay(again->traced(), in);
                             out.resize(states);
                             out.insert(out.end(), s.begin(), s.end());
                             return out;
                           },
                       .trip = trip,
                       .backwards = a.backwards};
  std::vector<Tensor> kept = detail::traced_loop("loop", forward, l.states, l.scanned, Where::current());
  kept.erase(kept.begin(), kept.begin() + std::ptrdiff_t(states));

  // carry: gradients of the states, then of what the body reads; scanned: states, slices, gradients of what was stacked
  std::vector<Tensor> carry, scanned = kept;
  scanned.insert(scanned.end(), l.scanned.begin(), l.scanned.end());
  std::vector<bool> floating_state;
  for (std::size_t i = 0; i < states; ++i)
    if (is_floating(l.states[i].dtype())) carry.push_back(zeros_if_undefined(dy[i], n.outputs[i]));
  const std::size_t state_gradients = carry.size();
  for (auto& t : l.body_reads)
    if (is_floating(t.dtype())) carry.push_back(zeros_like(t));
  for (std::size_t i = states; i < n.outputs.size(); ++i)
    if (is_floating(n.outputs[i].dtype())) scanned.push_back(zeros_if_undefined(dy[i], n.outputs[i]));
  auto vjp = l.body->vjp();
  std::size_t slice_gradients = 0;
  for (auto& t : l.scanned) slice_gradients += is_floating(t.dtype());
  detail::Loop backward{.body =
                            [&](std::span<const Tensor> c, std::span<const Tensor> s) {
                              std::vector<Tensor> in(s.begin(), s.begin() + std::ptrdiff_t(states + l.scanned.size()));
                              in.insert(in.end(), l.body_reads.begin(), l.body_reads.end());
                              in.insert(in.end(), c.begin(), c.begin() + std::ptrdiff_t(state_gradients));
                              in.insert(in.end(), s.begin() + std::ptrdiff_t(states + l.scanned.size()), s.end());
                              std::vector<Tensor> g = graph::replay(vjp->traced(), in),
                                                  out(g.begin(), g.begin() + std::ptrdiff_t(state_gradients));
                              for (std::size_t k = state_gradients; k < c.size(); ++k)
                                out.push_back(c[k] + g[k + slice_gradients]);
                              out.insert(out.end(), g.begin() + std::ptrdiff_t(state_gradients),
                                         g.begin() + std::ptrdiff_t(state_gradients + slice_gradients));
                              return out;
                            },
                        .trip = trip,
                        .backwards = !a.backwards};
  std::vector<Tensor> g = detail::traced_loop("loop", backward, carry, scanned, Where::current());

  Tensors dx(n.inputs.size());
  std::size_t at = 0, slice = carry.size(), to = 2;
  for (auto& t : l.states) {
    if (is_floating(t.dtype())) dx[to] = g[at++];
    ++to;
  }
  for (auto& t : l.scanned) {
    if (is_floating(t.dtype())) dx[to] = g[slice++];
    ++to;
  }
  to += l.condition_reads.size();
  for (auto& t : l.body_reads) {
    if (is_floating(t.dtype())) dx[to] = g[at++];
    ++to;
  }
  return dx;
}

Tensors loop_gradient(const Node& n, std::span<const Tensor> dy) {
  const auto& a = n.attrs.as<LoopAttrs>();
  auto refs = refs_of(n.inputs);
  LoopInputs l(Inputs(refs), a);
  if (a.trip >= 0 || a.scanned > 0) return counted_gradient(a, n, l, dy);
  std::vector<Tensor> inputs(n.inputs.begin(), n.inputs.end());
  for (std::size_t i : {0, 1}) inputs[i] = graph::repeatable(inputs[i]);
  for (std::size_t i = 0; i < l.states.size(); ++i)
    if (is_floating(l.states[i].dtype())) inputs.push_back(zeros_if_undefined(dy[i], n.outputs[i]));
  auto all = refs_of(inputs);
  Tensors g = apply_all(while_gradient_op, Inputs(all), a, Where::current()), dx(n.inputs.size());
  std::size_t at = 0, to = 2;
  for (auto& t : l.states) {
    if (is_floating(t.dtype())) dx[to] = g[at++];
    ++to;
  }
  to += l.condition_reads.size();
  for (auto& t : l.body_reads) {
    if (is_floating(t.dtype())) dx[to] = g[at++];
    ++to;
  }
  return dx;
}

const OpDef loop_op = {.name = "loop",
                       .infer = infer_loop,
                       .gradient = loop_gradient,
                       .saves = Saves::inputs,
                       .make = make_loop,
                       .attrs = &attrs_type<LoopAttrs>};

// ---- while_gradient: the inputs of the loop, dy of the floating states -> gradients of floating states and reads.
//      The loop runs again and keeps its states, as many as there were rounds; then the rounds run backwards.

std::size_t split_while(Inputs in, const LoopAttrs& a) {  // how many of the inputs are the loop's own
  std::size_t floating = 0;
  for (int i = 0; i < a.states; ++i) floating += is_floating(in[std::size_t(2 + i)].dtype());
  return in.size() - floating;
}

const OpDef while_gradient_op = {
    .name = "while_gradient",
    .infer =
        [](Inputs in, Attrs attrs, Specs& out) {
          const auto& a = attrs.as<LoopAttrs>();
          auto add = [&](const Tensor& t) {
            if (is_floating(t.dtype())) out.push_back({t.shape(), t.dtype()});
          };
          const std::size_t own_inputs = split_while(in, a);
          for (std::size_t i = 2; i < own_inputs; ++i)
            if (i < std::size_t(2 + a.states) || i >= std::size_t(2 + a.states + a.condition_reads)) add(in[i]);
        },
    .gradient = [](const Node&, std::span<const Tensor>) -> Tensors {
      throw UsageError(
          "while_loop: in a trace it has first derivatives only. Use for_loop or scan, or "
          "run_functions_eagerly(true).");
    },
    .saves = Saves::inputs,
    .make = [](Inputs in, Attrs attrs) -> Tensors {
      const auto& a = attrs.as<LoopAttrs>();
      const std::size_t own_inputs = split_while(in, a);
      std::vector<Inputs::Ref> refs;
      for (std::size_t i = 0; i < own_inputs; ++i) refs.emplace_back(in[i]);
      LoopInputs l(Inputs(refs), a);
      std::vector<std::vector<Tensor>> history;
      std::vector<Tensor> states = l.states;
      while (l.goes_on(states)) {
        if (a.most >= 0 && std::int64_t(history.size()) >= a.most) detail::too_many_rounds(a.most, Where());
        history.push_back(states);
        states = l.body->run(l.for_body(states, 0));
      }
      auto vjp = l.body->vjp();
      std::vector<Tensor> d = list(in, own_inputs, in.size()), reads;
      const std::size_t state_gradients = d.size();
      for (auto& t : l.body_reads)
        if (is_floating(t.dtype())) reads.push_back(zeros_like(t));
      while (!history.empty()) {
        std::vector<Tensor> inputs = l.for_body(history.back(), 0);
        history.pop_back();
        inputs.insert(inputs.end(), d.begin(), d.end());
        std::vector<Tensor> g = vjp->run(inputs);
        for (std::size_t k = 0; k < reads.size(); ++k) reads[k] = reads[k] + g[state_gradients + k];
        g.resize(state_gradients);
        d = std::move(g);
      }
      d.insert(d.end(), reads.begin(), reads.end());
      return own(d, in);
    },
    .attrs = &attrs_type<LoopAttrs>,
};

}  // namespace

namespace detail {

bool tracing() { return Tracer::current() != nullptr; }

bool truth_of(const char* what, const Tensor& t, const Where& where) {
  CallSite site(where);
  if (t.size() != 1)
    throw ShapeError(fmt::format("{}: the condition must be a scalar, got {}.", what, t.shape().str()));
  if (t.dtype() != DType::boolean)
    throw DTypeError(
        fmt::format("{}: the condition must be bool, got {}. Compare it: x != 0.", what, name_of(t.dtype())));
  return t.has_data() ? t.item<bool>() : false;
}

std::int64_t index_of(const Tensor& t, std::int64_t branches, const Where& where) {
  CallSite site(where);
  if (t.size() != 1) throw ShapeError(fmt::format("switch_case: the index must be a scalar, got {}.", t.shape().str()));
  if (!is_integer(t.dtype()))
    throw DTypeError(fmt::format("switch_case: the index must be an integer, got {}.", name_of(t.dtype())));
  const std::int64_t i = t.has_data() ? t.item<std::int64_t>() : 0;
  return i < 0 || i >= branches ? branches - 1 : i;
}

void too_many_rounds(std::int64_t most, const Where& where) {
  CallSite site(where);
  throw UsageError(fmt::format("while_loop: more than max_iterations = {} rounds.", most));
}
void nothing_to_scan(const Where& where) {
  CallSite site(where);
  throw ShapeError("scan: the first axis is empty, so the shape of the result is not known.");
}

static void check_branch(const char* what, const std::vector<Tensor>& first, const std::vector<Tensor>& other,
                         const Where& where) {
  CallSite site(where);
  if (first.size() != other.size())
    throw UsageError(fmt::format("{}: one branch gives {} tensors, another {}.", what, first.size(), other.size()));
  for (std::size_t i = 0; i < first.size(); ++i)
    if (!(first[i].shape() == other[i].shape()) || first[i].dtype() != other[i].dtype())
      throw ShapeError(fmt::format("{}: one branch gives {}{}, another {}{}; in a trace they must agree.", what,
                                   name_of(first[i].dtype()), first[i].shape().str(), name_of(other[i].dtype()),
                                   other[i].shape().str()));
}

void check_state(const char* what, const std::vector<Tensor>& before, const std::vector<Tensor>& after,
                 const Where& where) {
  CallSite site(where);
  if (before.size() != after.size())
    throw UsageError(
        fmt::format("{}: the state has {} tensors, the body returns {}.", what, before.size(), after.size()));
  for (std::size_t i = 0; i < before.size(); ++i)
    if (!(before[i].shape() == after[i].shape()) || before[i].dtype() != after[i].dtype())
      throw ShapeError(fmt::format("{}: state {} changes from {}{} to {}{}; loops keep dtypes and shapes.", what, i,
                                   name_of(before[i].dtype()), before[i].shape().str(), name_of(after[i].dtype()),
                                   after[i].shape().str()));
}

std::vector<Tensor> stack_up(const std::vector<std::vector<Tensor>>& rows, const Where& where) {
  CallSite site(where);
  std::vector<Tensor> out;
  for (std::size_t k = 0; k < rows[0].size(); ++k) {
    std::vector<Tensor> column;
    for (auto& r : rows) column.push_back(r[k]);
    out.push_back(stack(column));
  }
  return out;
}
Tensor slice_of(const Tensor& t, std::int64_t i, const Where& where) { return t[Index(i, where)]; }
std::int64_t common_length(const std::vector<Tensor>& xs, const Where& where) {
  CallSite site(where);
  if (xs.empty()) throw UsageError("scan: there is nothing to go over; use for_loop.");
  for (auto& t : xs)
    if (t.rank() < 1) throw ShapeError("scan: xs must have a first axis to go over, got a scalar.");
    else if (t.shape()[0] != xs[0].shape()[0])
      throw ShapeError(fmt::format("scan: first axes differ, {} and {}.", xs[0].shape().str(), t.shape().str()));
  return xs[0].shape()[0];
}
Tensor counter(std::int64_t i) { return constant(i); }
Tensor plus_one(const Tensor& i, const Where& where) { return add({i, where}, {1, where}); }
std::vector<Tensor> with_first(const Tensor& first, std::vector<Tensor> rest) {
  rest.insert(rest.begin(), first);
  return rest;
}

namespace {

// A body as a graph of its own. Inputs: those of the given specs, then what it captured; outputs: results, then the new
// values of the variables that it assigned. What it draws can be drawn outside: a gradient, which runs it again, must
// see the same.
struct Body {
  graph::Graph graph;
  std::vector<Tracer::Captured> captured;
  std::size_t given, results;
  std::vector<Variable> assigned;
  std::vector<int> keys;       // values in place of draws
  std::int64_t key_count = 0;  // in one run

  void draw_outside() {
    std::vector<graph::Node> kept;
    for (auto& n : graph.nodes) {
      if (std::strcmp(n.op->name, "random_key") != 0) {
        kept.push_back(std::move(n));
        continue;
      }
      keys.push_back(n.out[0]);
      key_count += graph.spec(n.out[0]).shape.size() / 2;
    }
    graph.nodes = std::move(kept);
  }
  // What goes in for each of `keys`, of all [key_count, 2]; or of [rounds, key_count, 2] for that many runs.
  std::vector<Tensor> parts_of(const Tensor& all) const {
    std::vector<Tensor> out;
    std::int64_t at = 0;
    for (int v : keys) {
      Shape s = graph.spec(v).shape;
      const std::int64_t count = s.size() / 2;
      if (all.rank() == 3) s.insert(0, all.shape()[0]);
      out.push_back(reshape(narrow(all, -2, at, count), s));
      at += count;
    }
    return out;
  }

  Body(const std::vector<Tensor>& like, const Callable<std::vector<Tensor>(std::span<const Tensor>)>& f)
      : given(like.size()) {
    Tracer tracer(Tracer::current()->symbols());
    std::vector<Tensor> inputs;
    for (auto& t : like) inputs.push_back(tracer.input({t.shape(), t.dtype()}));
    std::vector<Tensor> out = f(inputs);
    results = out.size();
    for (auto& c : tracer.captured())
      if (c.assigned) assigned.push_back(c.variable), out.push_back(c.now);
    graph = tracer.finish(out);
    tracer.bring_in_sizes();
    graph = tracer.finish(out);
    captured = tracer.captured();
  }
  // The value inside of what is `outer` outside; made if the body does not read it.
  int input_for(const Tensor& outer) {
    for (std::size_t i = 0; i < captured.size(); ++i)
      if (captured[i].outer.id() == outer.id()) return graph.inputs[given + i];
    return graph.add({outer.shape(), outer.dtype()});
  }
  // The output that holds variable v at the end, or `otherwise`.
  int last_of(const Variable& v, int otherwise) const {
    for (std::size_t k = 0; k < assigned.size(); ++k)
      if (assigned[k] == v) return graph.outputs[results + k];
    return otherwise;
  }
  std::vector<Tensor> result_specs() const {
    std::vector<Tensor> out;
    for (std::size_t k = 0; k < results; ++k)
      out.push_back(
          Tensor::only_spec(graph.spec(graph.outputs[k]).shape, graph.spec(graph.outputs[k]).dtype, default_device()));
    return out;
  }
};

void add_new(std::vector<Variable>& all, const std::vector<Variable>& some) {
  for (auto& v : some)
    if (std::find(all.begin(), all.end(), v) == all.end()) all.push_back(v);
}
void add_new(std::vector<Tensor>& all, const Tensor& t) {
  for (auto& known : all)
    if (known.id() == t.id()) return;
  all.push_back(t);
}

Tensor handle(const graph::Graph& g) {
  return graph::handle_of(std::make_shared<Concrete>(graph::prune(g), Tracer::current()->symbols(),
                                                     int(g.inputs.size()), int(g.outputs.size()),
                                                     std::vector<Variable>(), std::vector<int>()));
}

}  // namespace

// All branches take what any of them reads, and give their results and the variables that any of them assigns.
std::vector<Tensor> traced_switch(const char* what, const Tensor& index, const Bodies& bodies, const Where& where) {
  if (index.dtype() == DType::boolean || std::string(what) == "cond") truth_of(what, index, where);
  else index_of(index, std::int64_t(bodies.size()), where);
  std::vector<Body> branches;
  std::vector<Variable> assigned;
  for (auto& body : bodies) {
    branches.emplace_back(std::vector<Tensor>(), [&](std::span<const Tensor>) { return body(); });
    add_new(assigned, branches.back().assigned);
    check_branch(what, branches[0].result_specs(), branches.back().result_specs(), where);
  }
  CallSite site(where);
  std::vector<Tensor> reads;
  for (auto& b : branches)
    for (auto& c : b.captured) add_new(reads, c.outer);
  for (auto& v : assigned) add_new(reads, v.value());
  std::int64_t key_count = 0;  // the generator moves on alike, whichever branch is taken
  for (auto& b : branches) b.draw_outside(), key_count = std::max(key_count, b.key_count);
  std::vector<std::vector<Tensor>> keys(branches.size());
  if (key_count) {
    const Tensor all = random::keys(key_count);
    for (std::size_t i = 0; i < branches.size(); ++i) keys[i] = branches[i].parts_of(all);
  }
  std::vector<Tensor> inputs{index};
  for (std::size_t i = 0; i < branches.size(); ++i) {
    Body& b = branches[i];
    std::vector<int> in, out(b.graph.outputs.begin(), b.graph.outputs.begin() + std::ptrdiff_t(b.results));
    for (auto& t : reads) in.push_back(b.input_for(t));
    for (std::size_t k = 0; k < branches.size(); ++k)
      for (std::size_t j = 0; j < keys[k].size(); ++j)
        in.push_back(k == i ? b.keys[j] : b.graph.add({keys[k][j].shape(), DType::i64}));
    for (auto& v : assigned) {
      const Tensor outer = v.value();
      for (std::size_t i = 0; i < reads.size(); ++i)
        if (reads[i].id() == outer.id()) out.push_back(b.last_of(v, in[i]));
    }
    b.graph.inputs = in;
    b.graph.outputs = out;
    inputs.push_back(handle(b.graph));
  }
  inputs.insert(inputs.end(), reads.begin(), reads.end());
  for (auto& k : keys) inputs.insert(inputs.end(), k.begin(), k.end());
  auto refs = refs_of(inputs);
  Tensors out = apply_all(switch_op, Inputs(refs), SwitchAttrs{int(branches.size())}, where);
  const std::size_t results = branches[0].results;
  for (std::size_t k = 0; k < assigned.size(); ++k) assigned[k].assign(out[results + k]);
  return {out.begin(), out.begin() + std::ptrdiff_t(results)};
}

// Variables that the body assigns travel as states.
std::vector<Tensor> traced_loop(const char* what, const Loop& loop, const std::vector<Tensor>& states,
                                const std::vector<Tensor>& scanned, const Where& where) {
  std::vector<Tensor> given = states;
  for (auto& t : scanned) {
    Shape s = t.shape();
    s.erase(0);
    given.push_back(Tensor::only_spec(s, t.dtype(), t.device()));
  }
  Body body(given,
            [&](std::span<const Tensor> in) { return loop.body(in.first(states.size()), in.subspan(states.size())); });
  {
    std::vector<Tensor> next = body.result_specs();
    if (next.size() > states.size()) next.resize(states.size());
    check_state(what, states, next, where);
  }
  std::optional<Body> test;
  if (loop.condition)
    test.emplace(states, [&](std::span<const Tensor> s) {
      Tensor t = loop.condition(s);
      truth_of(what, t, where);
      return std::vector<Tensor>{t};
    });
  CallSite site(where);
  std::vector<Tensor> all_states = states, body_reads, condition_reads;
  for (auto& v : body.assigned) all_states.push_back(v.value());
  auto is_state = [&](const Tensor& t) {
    for (std::size_t i = states.size(); i < all_states.size(); ++i)
      if (all_states[i].id() == t.id()) return true;
    return false;
  };
  for (auto& c : body.captured)
    if (!is_state(c.outer)) add_new(body_reads, c.outer);

  std::vector<Tensor> all_scanned = scanned;
  if (!loop.condition) {
    body.draw_outside();
    const std::int64_t trip = scanned.empty() ? loop.trip : scanned[0].shape()[0];
    if (body.key_count)
      for (auto& k : body.parts_of(reshape(random::keys(trip * body.key_count), {trip, body.key_count, 2})))
        all_scanned.push_back(k);
  }
  graph::Graph& g = body.graph;
  std::vector<int> in(g.inputs.begin(), g.inputs.begin() + std::ptrdiff_t(states.size()));
  std::vector<int> out(g.outputs.begin(), g.outputs.begin() + std::ptrdiff_t(states.size()));
  for (std::size_t i = states.size(); i < all_states.size(); ++i) in.push_back(body.input_for(all_states[i]));
  in.insert(in.end(), g.inputs.begin() + std::ptrdiff_t(states.size()),
            g.inputs.begin() + std::ptrdiff_t(given.size()));
  in.insert(in.end(), body.keys.begin(), body.keys.end());
  for (auto& t : body_reads) in.push_back(body.input_for(t));
  for (auto& v : body.assigned) out.push_back(body.last_of(v, -1));
  out.insert(out.end(), g.outputs.begin() + std::ptrdiff_t(states.size()),
             g.outputs.begin() + std::ptrdiff_t(body.results));
  g.inputs = in;
  g.outputs = out;

  Tensor condition_handle = Tensor::empty({1}, DType::u8);
  *condition_handle.mutable_data<std::uint8_t>() = 0;
  if (test) {
    if (!test->assigned.empty())
      throw UsageError(
          fmt::format("{}: the condition assigns variable '{}'. Assign in the body.", what, test->assigned[0].name()));
    for (auto& c : test->captured)
      if (!is_state(c.outer)) add_new(condition_reads, c.outer);
    std::vector<int> inputs(test->graph.inputs.begin(), test->graph.inputs.begin() + std::ptrdiff_t(states.size()));
    for (std::size_t i = states.size(); i < all_states.size(); ++i) inputs.push_back(test->input_for(all_states[i]));
    for (auto& t : condition_reads) inputs.push_back(test->input_for(t));
    test->graph.inputs = inputs;
    condition_handle = handle(test->graph);
  }
  std::vector<Tensor> inputs{condition_handle, handle(g)};
  for (const std::vector<Tensor>& part : {all_states, all_scanned, condition_reads, body_reads})
    inputs.insert(inputs.end(), part.begin(), part.end());
  auto refs = refs_of(inputs);
  LoopAttrs attrs{int(all_states.size()),
                  int(all_scanned.size()),
                  int(condition_reads.size()),
                  loop.condition ? -1 : loop.trip,
                  loop.most,
                  loop.backwards};
  Tensors results = apply_all(loop_op, Inputs(refs), attrs, where);
  for (std::size_t k = 0; k < body.assigned.size(); ++k) body.assigned[k].assign(results[states.size() + k]);
  std::vector<Tensor> mine(results.begin(), results.begin() + std::ptrdiff_t(states.size()));
  mine.insert(mine.end(), results.begin() + std::ptrdiff_t(all_states.size()), results.end());
  return mine;
}

}  // namespace detail

std::optional<graph::Graph> graph::unrolled(const Graph& g, const Node& n, std::int64_t most_rounds,
                                            std::size_t most_nodes) {
  if (n.op != &loop_op) return {};
  const LoopAttrs a = n.attrs.get().as<LoopAttrs>();
  Tracer tracer;
  std::vector<Tensor> inputs;
  for (int v : n.in) inputs.push_back(g.is_constant(v) ? g.values[std::size_t(v)].constant : tracer.input(g.spec(v)));
  auto refs = refs_of(inputs);
  LoopInputs l(Inputs(refs), a);
  const std::int64_t trip = l.scanned.empty() ? a.trip : l.scanned[0].shape()[0];
  if (trip < 1 || trip > most_rounds) return {};
  const Graph body = l.body->specialised(l.for_body(l.states, -1));
  if (body.nodes.size() * std::size_t(trip) > most_nodes) return {};
  const std::size_t states = l.states.size();
  std::vector<Tensor> now = l.states;
  std::vector<std::vector<Tensor>> rows(static_cast<std::size_t>(trip));
  for (std::int64_t i = 0; i < trip; ++i) {
    const std::int64_t at = a.backwards ? trip - 1 - i : i;
    std::vector<Tensor> in = now;
    for (auto& t : l.scanned) in.push_back(tapir::detail::slice_of(t, at, n.where));
    in.insert(in.end(), l.body_reads.begin(), l.body_reads.end());
    std::vector<Tensor> next = replay(body, in);
    rows[std::size_t(at)].assign(next.begin() + std::ptrdiff_t(states), next.end());
    next.resize(states);
    now = std::move(next);
  }
  for (auto& t : tapir::detail::stack_up(rows, n.where)) now.push_back(t);
  return tracer.finish(now);
}

void list_control_flow(std::vector<const OpDef*>& out) {
  for (auto* op : {&switch_op, &loop_op, &while_gradient_op}) out.push_back(op);
}

}  // namespace tapir
