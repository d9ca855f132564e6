#include <tapir/graph/executable.h>
#include <tapir/graph/executable_frame.h>
#include <tapir/graph/memory_plan.h>
#include <tapir/graph/replay.h>
#include <tapir/graph/settled.h>
#include <tapir/graph/trace.h>
#include <tapir/ops/call_observer.h>
#include <tapir/ops/tile_program.h>
#include <tapir/tensor/cuda_module.h>
#include <tapir/tensor/device_scope.h>

#include <algorithm>
#include <chrono>
#include <set>

namespace tapir::graph {

namespace {

// May output o be written over input k while it is read? Elementwise ops read each element before they write it; a
// program must not read it again once its output is made.
bool in_place(const Graph& g, const Node& n, std::size_t k, std::size_t o) {
  const Spec &in = g.spec(n.in[k]), &out = g.spec(n.out[o]);
  if (!(in.shape == out.shape) || in.dtype != out.dtype) return false;
  if (n.op->tile) return !n.op->tile->bool_result;
  if (n.op->in_place) return k == o;
  if (n.op != &tile_program_op) return false;
  return n.attrs.get().as<TileProgramAttrs>().program->may_overwrite(int(k), int(o));
}

}  // namespace

Executable::Executable(Graph g, std::vector<Assignment> assignments, std::string name, bool keeps)
    : graph_(std::move(g)), device_(default_device()), assignments_(std::move(assignments)), name_(std::move(name)) {
  plan(keeps);
  idle_.push_back(make_frame());
  if (Replay::possible(*this)) replay_ = std::make_unique<Replay>(*this);
}
Executable::~Executable() = default;

void Executable::plan(bool keeps) {
  const std::size_t count = graph_.values.size();
  place_.assign(count, Place::constant);
  root_.resize(count);
  offset_.assign(count, 0);
  for (std::size_t v = 0; v < count; ++v) root_[v] = int(v);
  for (int v : graph_.inputs) place_[std::size_t(v)] = Place::input;
  const std::vector<char> settled = settle(keeps);

  const int end = int(graph_.nodes.size());
  std::vector<int> first(count, 0), last(count, -1);
  for (int i = 0; i < end; ++i) {
    if (settled[std::size_t(i)]) continue;
    const Node& n = graph_.nodes[std::size_t(i)];
    for (int v : n.out) {
      place_[std::size_t(v)] = n.op->view || n.op->make ? Place::made : Place::arena;
      if (n.op->view) root_[std::size_t(v)] = root_[std::size_t(n.in[0])];
      first[std::size_t(v)] = i;
    }
    for (int v : n.in) last[std::size_t(root_[std::size_t(v)])] = i;
    for (int v : n.out) last[std::size_t(root_[std::size_t(v)])] = i;
  }
  for (int v : graph_.outputs) {
    const auto r = std::size_t(root_[std::size_t(v)]);
    if (place_[r] == Place::arena) place_[r] = Place::fresh;
    last[r] = end;
  }

  // Buffers: one a root in the arena, but for outputs in place of dying inputs.
  std::vector<int> buffer(count, -1);
  std::vector<Life> lives, unshared;
  for (int i = 0; i < end; ++i) {
    const Node& n = graph_.nodes[std::size_t(i)];
    std::set<int> taken;  // by another output of this node
    for (std::size_t j = 0; j < n.out.size(); ++j) {
      const int v = n.out[j];
      const auto o = std::size_t(v);
      if (place_[o] != Place::arena) continue;
      unshared.push_back({i, last[o], bytes_of(graph_.spec(v))});
      for (std::size_t k = 0; k < n.in.size() && buffer[o] < 0; ++k) {
        const auto in = std::size_t(n.in[k]);
        if (place_[in] != Place::arena || last[in] != i || taken.contains(buffer[in]) || !in_place(graph_, n, k, j))
          continue;
        if (only_as_it_is(n, int(in))) buffer[o] = buffer[in], taken.insert(buffer[in]);
      }
      if (buffer[o] >= 0) {
        lives[std::size_t(buffer[o])].last = last[o];
      } else {
        buffer[o] = int(lives.size());
        lives.push_back({i, last[o], bytes_of(graph_.spec(v))});
      }
    }
  }
  MemoryPlan memory = plan_memory(lives);
  arena_bytes_ = memory.bytes;
  unplanned_bytes_ = peak_of(unshared);
  for (std::size_t v = 0; v < count; ++v)
    if (buffer[v] >= 0) offset_[v] = memory.offsets[std::size_t(buffer[v])];

  std::uint32_t ins = 0, outs = 0;
  for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
    if (settled[i]) continue;
    const Node& n = graph_.nodes[i];
    Step s{&n, n.attrs.get(), ins, outs, n.op->view || n.op->make, false, !n.op->effect};
    for (int v : n.out) {
      s.fresh |= place_[std::size_t(v)] == Place::fresh;
      s.empty &= graph_.spec(v).shape.size() == 0;
    }
    if (!s.made) kernel_for(*n.op, device_);
    ins += std::uint32_t(n.in.size()), outs += std::uint32_t(n.out.size());
    steps_.push_back(s);
  }
  plan_overwrites(last);
}

// Which nodes settled_ runs; what the others read of it is `kept`.
std::vector<char> Executable::settle(bool keeps) {
  std::vector<char> settled(graph_.nodes.size(), 0);
  if (!keeps || device_.backend != Backend::cpu) return settled;  // a replay has the addresses of all values
  settled = settled_nodes(graph_);
  std::vector<char> read(graph_.values.size(), 0);
  for (int v : graph_.outputs) read[std::size_t(v)] = 1;
  for (std::size_t i = graph_.nodes.size(); i-- > 0;) {
    const Node& n = graph_.nodes[i];
    if (n.op->view && !read[std::size_t(n.out[0])]) settled[i] = 1;  // settled nodes alone look through it
    if (settled[i]) continue;
    for (int v : n.in) read[std::size_t(v)] = 1;
  }
  std::vector<int> values;
  for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
    if (!settled[i]) continue;
    for (int v : graph_.nodes[i].out) {
      place_[std::size_t(v)] = Place::kept;
      if (read[std::size_t(v)]) values.push_back(v);
    }
  }
  if (!values.empty()) settled_ = std::make_unique<Settled>(graph_, settled, std::move(values));
  return settled;
}

// Is a view of `value` no operand of n? It may be read in another order.
bool Executable::only_as_it_is(const Node& n, int value) const {
  return std::all_of(n.in.begin(), n.in.end(), [&](int v) { return v == value || root_[std::size_t(v)] != value; });
}

// `last`: the step that reads a root last.
void Executable::plan_overwrites(const std::vector<int>& last) {
  // An effect that throws must find the variables as they were.
  std::size_t begin = steps_.size();
  while (begin > 0 && !steps_[begin - 1].made && !steps_[begin - 1].node->op->effect) --begin;
  for (std::size_t i = begin; i < steps_.size(); ++i) {
    const Node& n = *steps_[i].node;
    steps_[i].first_target = std::uint32_t(targets_.size());
    for (std::size_t o = 0; o < n.out.size(); ++o)
      for (const Assignment& a : assignments_) {
        const int in = graph_.inputs[a.input], out = graph_.outputs[a.output];
        if (out != n.out[o] || last[std::size_t(in)] != int(i)) continue;
        const auto k = std::size_t(std::find(n.in.begin(), n.in.end(), in) - n.in.begin());
        const auto results = std::count(graph_.outputs.begin(), graph_.outputs.end(), out);
        if (k == n.in.size() || results != 1 || !only_as_it_is(n, in) || !in_place(graph_, n, k, o)) continue;
        Target t{in, out, a.variable, {}};
        for (std::size_t v = 0; v < root_.size(); ++v)
          if (root_[v] == in && int(v) != in) t.views.push_back(int(v));
        targets_.push_back(std::move(t));
      }
    steps_[i].targets = std::uint32_t(targets_.size()) - steps_[i].first_target;
  }
}

std::unique_ptr<Executable::Frame> Executable::make_frame() const {
  auto f = std::make_unique<Frame>();
  f->arena.owners = 1 << 30;
  f->values.resize(graph_.values.size());
  for (std::size_t v = 0; v < f->values.size(); ++v) {
    const Value& value = graph_.values[v];
    if (place_[v] == Place::constant) f->values[v] = constant_there(value.constant);
    if (place_[v] != Place::arena) continue;
    Tensor t = Tensor::only_spec(value.spec.shape, value.spec.dtype, device_);
    t.impl()->storage = &f->arena;
    detail::retain(&f->arena);
    f->in_arena.emplace_back(t.impl(), offset_[v]);
    f->values[v] = std::move(t);
  }
  for (const Step& s : steps_) {
    for (int v : s.node->in) f->ins.emplace_back(f->values[std::size_t(v)]);
    for (int v : s.node->out) f->outs.push_back(f->values[std::size_t(v)]);
  }
  return f;
}

// A constant may have been made before the trace, on another device. C++ numbers, and what is no value but somebody's
// object (a graph), stay.
Tensor Executable::constant_there(const Tensor& c) const {
  if (!c.defined() || !c.has_data() || c.is_weak() || c.device() == device_) return c;
  if (c.impl()->storage && c.impl()->storage->context) return c;
  return detail::copied_to(c, device_);
}

// Kernels take addresses as they are.
void Executable::check_device(const Tensor& input) const {
  const detail::Storage* storage = input.impl()->storage;
  if (input.device() == device_ || input.is_weak() || (storage && storage->context)) return;
  throw DeviceError(name_ + ": it was traced on " + device_.str() + ", but a tensor or variable that it reads is on " +
                    input.device().str() +
                    ". Move it: x.to(Device::" + (device_.backend == Backend::cpu ? "cpu()" : "cuda()") + ").");
}

double Executable::seconds_per_call() const {
  const std::int64_t n = timed_.load(std::memory_order_relaxed);
  return n ? double(nanoseconds_.load(std::memory_order_relaxed)) * 1e-9 / double(n) : 0;
}

std::vector<Tensor> Executable::run(std::vector<Tensor> inputs) {
  detail::Span span("function", name_.c_str());
  // The first call warms up; then one in 16 is timed.
  if (calls_.fetch_add(1, std::memory_order_relaxed) % 16 != 1) return run_once(std::move(inputs));
  const auto start = std::chrono::steady_clock::now();
  std::vector<Tensor> out = run_once(std::move(inputs));
  nanoseconds_.fetch_add((std::chrono::steady_clock::now() - start).count(), std::memory_order_relaxed);
  timed_.fetch_add(1, std::memory_order_relaxed);
  return out;
}

std::vector<Tensor> Executable::run_once(std::vector<Tensor> inputs) {
  DeviceScope there(device_);
  for (auto& t : inputs) check_device(t);
  if (replay_)
    if (auto results = replay_->run(inputs)) return std::move(*results);
  std::unique_ptr<Frame> frame;
  {
    std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      frame = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!frame) frame = make_frame();
  Frame& f = *frame;
  // The arena of this call: the one that the call before gave back, most of the time.
  struct Arena {
    detail::Storage* storage;
    ~Arena() {
      if (storage) detail::drop(storage);
    }
  } arena{arena_bytes_ ? detail::new_storage(arena_bytes_, device_) : nullptr};
  if (arena.storage) f.move_to(arena.storage->data);

  if (settled_) {
    const auto kept = settled_->of(inputs);
    for (std::size_t k = 0; k < kept->size(); ++k) f.values[std::size_t(settled_->values()[k])] = (*kept)[k];
  }
  for (std::size_t i = 0; i < graph_.inputs.size(); ++i) f.values[std::size_t(graph_.inputs[i])] = std::move(inputs[i]);
  const std::vector<int> done = run_steps(f, nullptr);
  std::vector<Tensor> results = results_of(f, done);
  forget(f);
  std::lock_guard lock(mutex_);
  idle_.push_back(std::move(frame));
  return results;
}

std::vector<int> Executable::run_steps(Frame& f, Overwrites* kept) {
  std::vector<int> done;
  for (const Step& s : steps_) {
    const Node& n = *s.node;
    if (kept && Replay::before(n)) continue;
    CallSite site(n.where, CallSite::Inner());
    if (s.made) {
      if (n.op->view) {
        f.values[std::size_t(n.out[0])] = n.op->view(f.values[std::size_t(n.in[0])], graph_.spec(n.out[0]), s.attrs);
      } else {
        Untraced hidden;
        detail::Span span("control flow", n.op->name);
        Tensors out = n.op->make(Inputs(std::span(f.ins).subspan(s.first_in, n.in.size())), s.attrs);
        for (std::size_t k = 0; k < n.out.size(); ++k) f.values[std::size_t(n.out[k])] = std::move(out[k]);
      }
      continue;
    }
    std::vector<detail::Overwrite> overwrites(kept ? 0 : s.targets);
    for (std::uint32_t t = 0; t < s.targets; ++t) {
      const Target& target = targets_[s.first_target + t];
      for (int v : target.views) f.values[std::size_t(v)] = Tensor();
      if (kept) kept->push_back(std::make_unique<detail::Overwrite>());
      detail::Overwrite& overwrite = kept ? *kept->back() : overwrites[t];
      if (!overwrite.take(target.variable, f.values[std::size_t(target.input)])) continue;
      f.values[std::size_t(target.output)] = overwrite.next();
      done.push_back(target.output);
    }
    if (s.fresh)
      for (std::size_t k = 0; k < n.out.size(); ++k) {
        if (place_[std::size_t(n.out[k])] != Place::fresh) continue;
        if (s.targets && f.values[std::size_t(n.out[k])].defined()) {
          f.outs[s.first_out + k] = f.values[std::size_t(n.out[k])];
          continue;
        }
        const Spec& spec = graph_.spec(n.out[k]);
        f.outs[s.first_out + k] = f.values[std::size_t(n.out[k])] = Tensor::empty(spec.shape, spec.dtype, device_);
      }
    if (s.empty) continue;
    run_kernel(*n.op, Inputs(std::span(f.ins).subspan(s.first_in, n.in.size())),
               std::span<const Tensor>(f.outs).subspan(s.first_out, n.out.size()), s.attrs, device_);
  }
  return done;
}

std::vector<Tensor> Executable::results_of(const Frame& f, const std::vector<int>& done) const {
  std::vector<Tensor> results;
  results.reserve(graph_.outputs.size());
  for (int v : graph_.outputs) {
    const bool assigned = std::find(done.begin(), done.end(), v) != done.end();
    results.push_back(assigned ? Tensor() : f.values[std::size_t(v)]);
  }
  return results;
}

void Executable::forget(Frame& f) const {
  for (std::size_t v = 0; v < f.values.size(); ++v)
    if (place_[v] != Place::constant && place_[v] != Place::arena) f.values[v] = Tensor();
  for (const Step& s : steps_)
    if (s.fresh)
      for (std::size_t k = 0; k < s.node->out.size(); ++k)
        if (place_[std::size_t(s.node->out[k])] == Place::fresh) f.outs[s.first_out + k] = Tensor();
}

}  // namespace tapir::graph
