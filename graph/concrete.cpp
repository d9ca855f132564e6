#include <tapir/autograd/gradient_tape.h>
#include <tapir/graph/concrete.h>
#include <tapir/graph/effects.h>
#include <tapir/graph/passes.h>
#include <tapir/ops/call_observer.h>
#include <tapir/ops/create.h>
#include <tapir/tensor/device_scope.h>

#include <algorithm>
#include <exception>

namespace tapir::graph {

constexpr std::size_t kMaxExecutables = 16;

// forward: inputs -> outputs, saved; backward: saved, dy of `flowing` outputs -> gradients of the wanted inputs.
struct Concrete::Differentiated {
  std::shared_ptr<Concrete> forward, backward;
  std::shared_ptr<Concrete> again;  // forward as repeatable() makes it, with what was drawn as inputs
  std::vector<int> drawn;           // the outputs of forward that hold it
  std::vector<int> saved;           // of the forward graph: >= 0 an input, -1 - k the k-th extra output
  std::vector<int> flowing;         // outputs that a gradient comes from
  std::vector<int> gradient_of;     // per result of backward: the input
  std::exception_ptr error;         // why there is none; thrown when a gradient is asked for
};

Concrete::Concrete(Graph traced, Symbols symbols, int arguments, int results, std::vector<Variable> variables,
                   std::vector<int> assigned, std::vector<bool> own)
    : traced_(std::move(traced)),
      symbols_(std::move(symbols)),
      arguments_(arguments),
      results_(results),
      variables_(std::move(variables)),
      assigned_(std::move(assigned)),
      own_(std::move(own)),
      device_(default_device()) {
  if (!homeless_sizes(traced_, symbols_).empty())
    throw InternalError("a graph depends on a size that none of its inputs has.\n" + symbols_.named(to_text(traced_)));
}

std::vector<std::int64_t> Concrete::sizes_of(std::span<const Tensor> inputs) const {
  std::vector<std::int64_t> sizes;
  for (auto number : symbols_.numbers()) {  // the first input that has it says how large it is
    std::int64_t size = -1;
    for (std::size_t i = 0; i < inputs.size() && size < 0; ++i) {
      const Shape& s = traced_.spec(traced_.inputs[i]).shape;
      for (int d = 0; d < s.rank() && size < 0; ++d)
        if (s[d] == number) size = inputs[i].shape()[d];
    }
    sizes.push_back(size < 0 ? 1 : size);
  }
  return sizes;
}

std::vector<TensorSpec> Concrete::signature() const {
  std::vector<TensorSpec> out;
  for (int i = 0; i < arguments_; ++i) {
    const Spec& s = traced_.spec(traced_.inputs[std::size_t(i)]);
    out.emplace_back(s.shape, s.dtype);
    for (auto& d : out.back().shape)
      if (symbols_.in({d})) d = unknown;
  }
  return out;
}

bool Concrete::takes(std::span<const Tensor> arguments) const {
  if (symbols_.empty()) return true;
  const auto sizes = sizes_of(arguments);
  for (std::size_t i = 0; i < arguments.size(); ++i)
    if (!(symbols_.put(traced_.spec(traced_.inputs[i]).shape, sizes) == arguments[i].shape())) return false;
  return true;
}

std::shared_ptr<Executable> Concrete::executable(std::span<const Tensor> inputs) {
  const std::vector<std::int64_t> sizes = sizes_of(inputs);
  std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < executables_.size(); ++i)
    if (executables_[i].first == sizes) {
      if (i)
        std::rotate(executables_.begin(), executables_.begin() + std::ptrdiff_t(i),
                    executables_.begin() + std::ptrdiff_t(i) + 1);
      return executables_[0].second;
    }
  Untraced untraced;
  DeviceScope there(device_);
  detail::Span span("optimise", name_.c_str());
  std::vector<Assignment> assignments;
  for (std::size_t k = 0; k < assigned_.size(); ++k)
    assignments.push_back(
        {std::size_t(arguments_ + assigned_[k]), std::size_t(results_) + k, variables_[std::size_t(assigned_[k])]});
  Graph here = specialise(traced_, symbols_, sizes);
  auto value_of = [&](std::size_t variable) -> Value& {
    return here.values[std::size_t(here.inputs[std::size_t(arguments_) + variable])];
  };
  for (std::size_t k = 0; k < variables_.size(); ++k) value_of(k).lasting = true;
  for (int k : assigned_) value_of(std::size_t(k)).lasting = false;
  auto made = std::make_shared<Executable>(optimise(std::move(here)), std::move(assignments), name_);
  executables_.insert(executables_.begin(), {sizes, made});
  if (executables_.size() > kMaxExecutables) executables_.pop_back();
  return made;
}

std::vector<std::shared_ptr<Executable>> Concrete::executables() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Executable>> out;
  for (auto& e : executables_) out.push_back(e.second);
  return out;
}

Graph Concrete::specialised(std::span<const Tensor> inputs) const {
  const auto sizes = sizes_of(inputs);
  return sizes == symbols_.numbers() ? traced_ : specialise(traced_, symbols_, sizes);
}

std::vector<Spec> Concrete::output_specs(std::span<const Tensor> inputs) const {
  std::vector<Spec> out;
  const Graph here = specialised(inputs);
  for (int v : here.outputs) out.push_back(here.spec(v));
  return out;
}

std::shared_ptr<Concrete> Concrete::vjp() {
  std::lock_guard lock(mutex_);
  if (vjp_) return vjp_;
  std::vector<int> drawn;
  const Graph again = repeatable(traced_, drawn);
  if (!drawn.empty()) throw InternalError("vjp: a body draws random numbers.");  // control flow draws outside
  DeviceScope there(device_);
  Tracer tracer(symbols_);
  std::vector<Tensor> inputs, targets, dys, gradients;
  for (int v : traced_.inputs) inputs.push_back(tracer.input(traced_.spec(v)));
  GradientTape tape({.watch_accessed_variables = false});
  std::vector<GradientSource> sources;
  for (auto& t : inputs)
    if (is_floating(t.dtype())) tape.watch(t), sources.emplace_back(t);
  for (auto& y : replay(again, inputs)) {
    if (!is_floating(y.dtype())) continue;
    Tensor dy = tracer.input({y.shape(), y.dtype()});
    if (tape.recorded(y)) targets.push_back(y), dys.push_back(dy);
  }
  if (!targets.empty()) gradients = tape.gradients(targets, dys, sources);
  gradients.resize(sources.size());
  for (std::size_t k = 0; k < gradients.size(); ++k)
    if (!gradients[k].defined()) gradients[k] = zeros_like(*sources[k].tensor());
  const int results = int(gradients.size());
  Graph g = prune(tracer.finish(gradients));
  const int arguments = int(g.inputs.size());
  return vjp_ = std::make_shared<Concrete>(std::move(g), symbols_, arguments, results, std::vector<Variable>(),
                                           std::vector<int>());
}

std::vector<Tensor> Concrete::run(std::vector<Tensor> inputs) {
  auto made = executable(inputs);
  return made->run(std::move(inputs));
}

std::vector<Tensor> Concrete::call(std::span<const Tensor> arguments) {
  std::vector<Tensor> inputs(arguments.begin(), arguments.end()), outputs;
  for (auto& v : variables_) inputs.push_back(v.value());
  outputs = apply_concrete(*this, std::move(inputs));
  for (std::size_t k = 0; k < assigned_.size(); ++k) {
    Variable v = variables_[std::size_t(assigned_[k])];
    if (Tensor& next = outputs[std::size_t(results_) + k]; next.defined()) v.assign(next);
  }
  outputs.resize(std::size_t(results_));
  return outputs;
}

namespace {

using Differentiated = Concrete::Differentiated;
using Pair = std::shared_ptr<Differentiated>;

// A shared object as a tensor, so that tapes keep it alive. Its "data" is the pointer.
Tensor handle_of(Pair pair) {
  auto* own = new Pair(std::move(pair));
  return Tensor::from_external(
      own, {std::int64_t(sizeof(Pair))}, DType::u8, [](void* p) { delete static_cast<Pair*>(p); }, own);
}

// A gradient that comes through the saved values too, as in derivatives of higher order: the forward graph once more,
// under a tape of its own.
Tensors gradient_of_saved(const Differentiated& d, const tapir::Node& n, std::span<const Tensor> dy) {
  std::vector<Tensor> inputs(n.inputs.begin() + 1, n.inputs.end()), targets, seeds;
  for (auto& t : inputs) t = t.alias();
  const std::size_t given = inputs.size();
  for (int k : d.drawn) inputs.push_back(n.out(k));
  GradientTape tape({.watch_accessed_variables = false});
  std::vector<GradientSource> sources;
  std::vector<std::size_t> which;
  for (std::size_t i = 0; i < given; ++i)
    if (n.wants(int(i + 1))) tape.watch(inputs[i]), sources.emplace_back(inputs[i]), which.push_back(i + 1);
  std::vector<Tensor> outputs = apply_concrete(*d.again, inputs);
  for (std::size_t k = 0; k < outputs.size(); ++k)
    if (dy[k].defined() && tape.recorded(outputs[k])) targets.push_back(outputs[k]), seeds.push_back(dy[k]);
  Tensors dx(n.inputs.size());
  if (targets.empty()) return dx;
  std::vector<Tensor> g = tape.gradients(targets, seeds, sources);
  for (std::size_t k = 0; k < which.size(); ++k) dx[which[k]] = g[k];
  return dx;
}

Tensors call_gradient(const tapir::Node& n, std::span<const Tensor> dy) {
  const Differentiated& d = **n.in(0).data<Pair>();
  if (d.error) std::rethrow_exception(d.error);
  for (std::size_t k = std::size_t(d.forward->results()); k < dy.size(); ++k)
    if (dy[k].defined()) return gradient_of_saved(d, n, dy);
  std::vector<Tensor> inputs;
  for (int s : d.saved) inputs.push_back(s >= 0 ? n.in(1 + s) : n.out(d.forward->results() - 1 - s));
  for (int k : d.flowing) {
    const Tensor& g = dy[std::size_t(k)];
    inputs.push_back(g.defined() ? g : zeros(n.out(k).shape(), n.out(k).dtype()));
  }
  std::vector<Tensor> g = apply_concrete(*d.backward, inputs);
  Tensors dx(n.inputs.size());
  for (std::size_t k = 0; k < g.size(); ++k) dx[std::size_t(1 + d.gradient_of[k])] = g[k];
  return dx;
}

// A call of a graph as tapes see it. It has no kernel: apply_concrete runs the graph.
// Inputs: the handle, then those of the forward graph. Outputs: those of the forward graph.
const OpDef call_op = {.name = "call", .gradient = call_gradient, .saves = Saves::both};

}  // namespace

// Forward and backward are traced as one graph, then cut: the backward part gets what it reads of the forward part as
// inputs.
std::shared_ptr<Concrete::Differentiated> Concrete::differentiated(const std::vector<bool>& wanted) {
  std::lock_guard lock(mutex_);
  auto& made = differentiated_[wanted];
  if (made) return made;
  auto d = std::make_shared<Differentiated>();
  detail::Span span("trace gradient", name_.c_str());
  DeviceScope there(device_);
  Tracer tracer(symbols_);
  std::vector<Tensor> inputs, outputs, dys, gradients;
  for (int v : traced_.inputs) inputs.push_back(tracer.input(traced_.spec(v)));
  int forward_nodes = 0;
  {
    GradientTape tape({.watch_accessed_variables = false});
    std::vector<GradientSource> sources;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (wanted[i]) tape.watch(inputs[i]), sources.emplace_back(inputs[i]);
    outputs = replay(traced_, inputs);
    forward_nodes = tracer.node_count();
    std::vector<Tensor> targets;
    for (std::size_t k = 0; k < outputs.size(); ++k) {
      if (!is_floating(outputs[k].dtype()) || !tape.recorded(outputs[k])) continue;
      d->flowing.push_back(int(k));
      targets.push_back(outputs[k]);
      dys.push_back(tracer.input({outputs[k].shape(), outputs[k].dtype()}));
    }
    if (!targets.empty()) {
      std::vector<Tensor> g = tape.gradients(targets, dys, sources);
      for (std::size_t i = 0, k = 0; i < inputs.size(); ++i) {
        if (!wanted[i]) continue;
        if (g[k].defined()) gradients.push_back(g[k]), d->gradient_of.push_back(int(i));
        ++k;
      }
    }
  }
  std::vector<Tensor> all = outputs;
  all.insert(all.end(), gradients.begin(), gradients.end());
  Graph joint = tracer.finish(all);

  Graph forward = joint, backward = joint;
  forward.nodes.resize(std::size_t(forward_nodes));
  forward.inputs.resize(inputs.size());
  forward.outputs.resize(outputs.size());
  backward.nodes.erase(backward.nodes.begin(), backward.nodes.begin() + forward_nodes);
  backward.outputs.erase(backward.outputs.begin(), backward.outputs.begin() + std::ptrdiff_t(outputs.size()));
  const std::vector<int> dy_inputs(joint.inputs.begin() + std::ptrdiff_t(inputs.size()), joint.inputs.end());
  Graph kept = backward;  // without what no gradient needs
  kept.inputs = dy_inputs;
  kept = prune(std::move(kept));
  backward.nodes = kept.nodes;

  std::vector<int> from_input(joint.values.size(), -1);
  std::vector<char> here(joint.values.size(), 0);
  for (std::size_t i = 0; i < inputs.size(); ++i) from_input[std::size_t(joint.inputs[i])] = int(i);
  for (int v : dy_inputs) here[std::size_t(v)] = 1;
  for (auto& n : backward.nodes)
    for (int v : n.out) here[std::size_t(v)] = 1;
  backward.inputs.clear();
  int extra = 0;
  auto need = [&](int v) {
    if (here[std::size_t(v)] || joint.is_constant(v)) return;
    here[std::size_t(v)] = 1;
    backward.inputs.push_back(v);
    if (int i = from_input[std::size_t(v)]; i >= 0) {
      d->saved.push_back(i);
    } else {
      forward.outputs.push_back(v);
      d->saved.push_back(-1 - extra++);
    }
  };
  for (auto& n : backward.nodes)
    for (int v : n.in) need(v);
  for (int v : backward.outputs) need(v);
  for (std::size_t k : homeless_sizes(backward, symbols_))
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (auto& s = inputs[i].shape(); std::find(s.begin(), s.end(), symbols_.numbers()[k]) != s.end()) {
        backward.inputs.push_back(joint.inputs[i]);
        d->saved.push_back(int(i));
        break;
      }
  backward.inputs.insert(backward.inputs.end(), dy_inputs.begin(), dy_inputs.end());

  std::vector<int> drawn;
  Graph again = repeatable(forward, drawn);
  for (int v : drawn) {
    auto at = std::find(forward.outputs.begin(), forward.outputs.end(), v);
    d->drawn.push_back(int(at - forward.outputs.begin()));
    if (at == forward.outputs.end()) forward.outputs.push_back(v);
  }
  again.outputs = forward.outputs;
  d->again = std::make_shared<Concrete>(std::move(again), symbols_, int(inputs.size() + drawn.size()),
                                        int(forward.outputs.size()), std::vector<Variable>(), std::vector<int>());
  const int saved_count = int(backward.inputs.size()), gradient_count = int(backward.outputs.size());
  d->forward = std::make_shared<Concrete>(std::move(forward), symbols_, int(inputs.size()), int(outputs.size()),
                                          std::vector<Variable>(), std::vector<int>());
  d->backward = std::make_shared<Concrete>(std::move(backward), symbols_, saved_count, gradient_count,
                                           std::vector<Variable>(), std::vector<int>());
  d->again->set_name(name_);
  d->forward->set_name(name_);
  d->backward->set_name(name_ + ", backward");
  return made = d;
}

std::vector<Tensor> apply_concrete(Concrete& c, std::vector<Tensor> inputs) {
  if (Tracer::current()) return replay(c.traced(), inputs);
  std::vector<bool> wanted(inputs.size(), false);
  bool any = false;
  for (Recorder* r = recorder(); r; r = r->previous)
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (is_floating(inputs[i].dtype()) && r->follows(inputs[i])) any = wanted[i] = true;
  if (!any) return c.run(std::move(inputs));

  Pair pair;
  try {
    pair = c.differentiated(wanted);
    if (pair->flowing.empty()) return c.run(std::move(inputs));
  } catch (const UsageError&) {
    pair = std::make_shared<Differentiated>();
    pair->error = std::current_exception();
  }
  std::vector<Tensor> outputs = pair->error ? c.run(inputs) : pair->forward->run(inputs);
  for (auto& t : outputs)  // an output may be an input as it is; tapes need values of their own
    t = t.alias();
  std::vector<Tensor> recorded{handle_of(pair)};
  recorded.insert(recorded.end(), inputs.begin(), inputs.end());
  auto refs = refs_of(recorded);
  for (Recorder* r = recorder(); r; r = r->previous) r->record(call_op, Inputs(refs), outputs, {});
  outputs.resize(c.traced().outputs.size());
  return outputs;
}

}  // namespace tapir::graph
