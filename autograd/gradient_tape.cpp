#include <tapir/autograd/gradient_tape.h>
#include <tapir/ops/call_observer.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/shaping.h>
#include <tapir/ops/tile.h>
#include <tapir/tensor/device_scope.h>

#include <fmt/format.h>

#include <algorithm>

namespace tapir {

static constexpr std::size_t kChunk = 4 << 10;
static constexpr std::uint32_t kNone = ~0u;

namespace {

struct Entry {
  const OpDef* op;
  const void* attrs;
  std::uint32_t first;  // of its tensors and slots: inputs, then outputs
  std::uint16_t inputs, outputs;
};

// From the id of a value to its slot: open addressing, no deletion.
struct SlotMap {
  struct Cell {
    std::uint64_t id;
    std::uint32_t slot, era;  // taken in this era, else free: so that clearing does not touch the cells
  };
  std::vector<Cell> cells;
  std::uint32_t count = 0, era = 1;
  std::uint32_t find(std::uint64_t id) const;
  std::uint32_t insert(std::uint64_t id);
  void clear();
};

}  // namespace

// What was recorded. Taken from, and given back to, a store of the thread, so that a small tape allocates nothing.
struct GradientTape::Memory {
  std::vector<Entry> nodes;
  std::vector<Tensor> tensors;
  std::vector<std::uint32_t> slots;  // of tensors, kNone where nothing is watched
  SlotMap map;
  std::vector<std::pair<Variable, std::uint32_t>> variables;  // each version read
  std::vector<std::unique_ptr<std::byte[]>> arena;            // attributes, in chunks
  std::size_t arena_used = 0;
  std::vector<Tensor> grads;        // while backward runs, by slot
  std::vector<std::uint8_t> marks;  // the same
  void clear();
};

static std::size_t home_of(std::uint64_t id) { return std::size_t((id * 0x9e3779b97f4a7c15ull) >> 20); }

std::uint32_t SlotMap::find(std::uint64_t id) const {
  if (count == 0) return kNone;
  const std::size_t mask = cells.size() - 1;
  for (std::size_t i = home_of(id) & mask;; i = (i + 1) & mask) {
    if (cells[i].era != era) return kNone;
    if (cells[i].id == id) return cells[i].slot;
  }
}

std::uint32_t SlotMap::insert(std::uint64_t id) {
  auto free_or = [&](std::uint64_t wanted) {
    const std::size_t mask = cells.size() - 1;
    std::size_t i = home_of(wanted) & mask;
    while (cells[i].era == era && cells[i].id != wanted) i = (i + 1) & mask;
    return &cells[i];
  };
  if (2 * (count + 1) > cells.size()) {
    auto old = std::move(cells);
    cells.assign(std::max<std::size_t>(32, old.size() * 2), {0, 0, 0});
    for (auto& c : old)
      if (c.era == era) *free_or(c.id) = c;
  }
  Cell* cell = free_or(id);
  if (cell->era != era) *cell = {id, count++, era};
  return cell->slot;
}

void SlotMap::clear() {
  count = 0;
  if (++era == 0) cells.clear(), era = 1;
}

void GradientTape::Memory::clear() {
  nodes.clear();
  tensors.clear();
  slots.clear();
  map.clear();
  variables.clear();
  arena.resize(std::min<std::size_t>(arena.size(), 1));
  arena_used = 0;
  grads.clear();
}

// A few memories of tapes that ended, of modest size.
struct GradientTape::Store {
  std::vector<std::unique_ptr<Memory>> kept;
  std::unique_ptr<Memory> take() {
    if (kept.empty()) return std::make_unique<Memory>();
    auto m = std::move(kept.back());
    kept.pop_back();
    return m;
  }
  void give(std::unique_ptr<Memory> m) {
    m->clear();
    if (kept.size() < 4 && m->map.cells.size() <= 4096) kept.push_back(std::move(m));
  }
};
GradientTape::Store& GradientTape::store() {
  static thread_local Store s;
  return s;
}

bool GradientTape::recorded(const Tensor& x) const { return x.defined() && m_->map.find(x.id()) != kNone; }
std::size_t GradientTape::size() const { return m_->nodes.size(); }

GradientTape::GradientTape(TapeOptions options) : options_(options), m_(store().take()) { link(); }

GradientTape::~GradientTape() {
  unlink();
  store().give(std::move(m_));
}

void GradientTape::link() {
  linked_ = true;
  Recorder::previous = std::exchange(recorder(), static_cast<Recorder*>(this));
  VariableObserver::previous = std::exchange(detail::variable_observer(), static_cast<detail::VariableObserver*>(this));
}

void GradientTape::unlink() {
  if (!linked_) return;
  linked_ = false;
  for (Recorder** r = &recorder(); *r; r = &(*r)->previous)
    if (*r == this) {
      *r = Recorder::previous;
      break;
    }
  for (auto** o = &detail::variable_observer(); *o; o = &(*o)->previous)
    if (*o == this) {
      *o = VariableObserver::previous;
      break;
    }
}

void GradientTape::reset() {
  m_->clear();
  if (used_) link();
  used_ = false;
}

void GradientTape::use_up() {
  unlink();
  reset();
  used_ = true;
}

void GradientTape::watch(const Tensor& x, Where where) {
  CallSite site(where);
  if (!is_floating(x.dtype()))
    throw DTypeError(fmt::format("watch: needs a floating tensor, got {}. Cast it first: x.astype(DType::f32).",
                                 name_of(x.dtype())));
  m_->map.insert(x.id());
}

void GradientTape::watch(const Variable& v, Where where) {
  CallSite site(where);
  if (!is_floating(v.dtype()))
    throw DTypeError(
        fmt::format("watch: variable '{}' is {}; only floating ones have gradients.", v.name(), name_of(v.dtype())));
  Tensor value = v.value();
  std::uint32_t slot = m_->map.insert(value.id());
  for (auto& known : m_->variables)
    if (known.second == slot) return;
  m_->variables.emplace_back(v, slot);
}

void GradientTape::on_read(const Variable& v, const Tensor& value) {
  if (!options_.watch_accessed_variables || !v.trainable() || !is_floating(value.dtype())) return;
  std::uint32_t before = m_->map.count, slot = m_->map.insert(value.id());
  if (slot == before) m_->variables.emplace_back(v, slot);
}

const void* GradientTape::keep_attrs(Attrs attrs) {
  if (!attrs) return nullptr;
  std::size_t bytes = (attrs.type()->size + 7) / 8 * 8;
  if (m_->arena.empty() || m_->arena_used + bytes > kChunk) {
    m_->arena.push_back(std::make_unique_for_overwrite<std::byte[]>(std::max(kChunk, bytes)));
    m_->arena_used = 0;
  }
  std::byte* at = m_->arena.back().get() + m_->arena_used;
  m_->arena_used += bytes;
  std::memcpy(at, attrs.data(), attrs.type()->size);
  return at;
}

void GradientTape::record(const OpDef& op, Inputs in, std::span<const Tensor> out, Attrs attrs) {
  Memory& m = *m_;
  const std::size_t first = m.slots.size();
  bool any = false;
  for (std::size_t i = 0; i < in.size(); ++i) {
    std::uint32_t s = in[i].is_weak() ? kNone : m.map.find(in[i].id());
    any |= s != kNone;
    m.slots.push_back(s);
  }
  if (!any) return m.slots.resize(first);
  auto keep = [&](const Tensor& t, bool saved) {  // values inside the header cost nothing to keep
    // What is small is at hand anyway: on the CPU it lives in its header.
    const detail::Storage* storage = t.impl()->storage;
    const bool small = !storage || storage->bytes <= detail::TensorImpl::small_bytes;
    m.tensors.push_back(saved || small ? t : Tensor::only_spec(t.shape(), t.dtype(), t.device()));
  };
  m.nodes.push_back(
      {&op, keep_attrs(attrs), std::uint32_t(first), std::uint16_t(in.size()), std::uint16_t(out.size())});
  for (std::size_t i = 0; i < in.size(); ++i) keep(in[i], op.saves == Saves::inputs || op.saves == Saves::both);
  for (auto& t : out) {
    keep(t, op.saves == Saves::output || op.saves == Saves::both);
    m.slots.push_back(is_floating(t.dtype()) ? m.map.insert(t.id()) : kNone);
  }
}

template <class F>
void GradientTape::each_slot(const GradientSource& source, F f) const {
  if (source.tensor()) {
    std::uint32_t s = m_->map.find(source.tensor()->id());
    if (s != kNone) f(s);
  } else {
    for (auto& [variable, slot] : m_->variables)
      if (variable == *source.variable()) f(slot);
  }
}

GradientHook::~GradientHook() = default;

// A source, and the node from which on nothing adds to its gradient: the first one that reads it.
struct GradientTape::Final {
  std::size_t node, source;
};

// In the order in which the reverse walk comes to them.
std::vector<GradientTape::Final> GradientTape::finals(std::span<const GradientSource> sources) const {
  std::vector<std::size_t> first_reader(m_->map.count, m_->nodes.size());
  for (std::size_t k = m_->nodes.size(); k-- > 0;)
    for (std::size_t i = 0; i < m_->nodes[k].inputs; ++i)
      if (const std::uint32_t slot = m_->slots[m_->nodes[k].first + i]; slot != kNone) first_reader[slot] = k;
  std::vector<Final> all;
  for (std::size_t s = 0; s < sources.size(); ++s) {
    std::size_t node = m_->nodes.size();
    each_slot(sources[s], [&](std::uint32_t slot) { node = std::min(node, first_reader[slot]); });
    all.push_back({node, s});
  }
  std::stable_sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.node > b.node; });
  return all;
}

// One reverse walk over the nodes. Only what lies between the target and a source is computed. What a persistent tape
// records meanwhile goes behind them, so that everything here may move.
std::vector<Tensor> GradientTape::backward(std::span<const Seed> seeds, std::span<const GradientSource> sources,
                                           GradientHook* hook) {
  detail::Span span("tape", "gradient");
  Memory& m = *m_;
  constexpr std::uint8_t leads = 1, is_source = 2;  // to a source
  auto& marks = m.marks;
  marks.assign(m.map.count, 0);
  for (auto& s : sources) each_slot(s, [&](std::uint32_t slot) { marks[slot] = leads | is_source; });
  for (auto& n : m.nodes) {
    const std::uint32_t *in = &m.slots[n.first], *out = in + n.inputs;
    bool any = false;
    for (std::size_t i = 0; i < n.inputs; ++i) any |= in[i] != kNone && marks[in[i]];
    for (std::size_t i = 0; any && i < n.outputs; ++i)
      if (out[i] != kNone) marks[out[i]] |= leads;
  }

  auto& grads = m.grads;
  grads.clear();
  grads.resize(m.map.count);
  for (auto& s : seeds) grads[s.slot] = grads[s.slot].defined() ? grads[s.slot] + s.dy : s.dy;
  std::vector<Tensor> result(sources.size());
  const auto collect = [&](std::size_t s) {
    each_slot(sources[s],
              [&, &sum = result[s]](std::uint32_t slot) {  // a variable that was read meanwhile has a slot beyond
                if (slot < grads.size() && grads[slot].defined()) sum = sum.defined() ? sum + grads[slot] : grads[slot];
              });
  };
  const std::vector<Final> order = hook ? finals(sources) : std::vector<Final>();
  std::size_t told = 0;
  const auto tell = [&](std::size_t node) {  // those that the walk has passed, down to this node
    for (; told < order.size() && order[told].node >= node; ++told) {
      const std::size_t s = order[told].source;
      collect(s);
      if (result[s].defined()) hook->ready(s, result[s]);
    }
  };
  std::vector<Tensor> kept;
  for (std::size_t k = m.nodes.size(); k-- > 0;) {
    if (hook) tell(k + 1);
    const Entry n = m.nodes[k];
    const std::uint32_t *in = &m.slots[n.first], *out = in + n.inputs;
    bool flows = false, any = false;
    for (std::size_t i = 0; i < n.outputs; ++i) flows |= out[i] != kNone && grads[out[i]].defined();
    if (!flows) continue;
    SmallVector<std::uint8_t, 8> wants(n.inputs);
    for (std::size_t i = 0; i < n.inputs; ++i) any |= (wants[i] = in[i] != kNone && marks[in[i]]) != 0;
    Tensors dys(n.outputs);
    for (std::size_t i = 0; i < n.outputs; ++i) {
      if (out[i] == kNone) continue;
      if (marks[out[i]] & is_source) dys[i] = grads[out[i]];
      else dys[i] = std::exchange(grads[out[i]], Tensor());
    }
    if (!any) continue;
    std::span<const Tensor> tensors{&m.tensors[n.first], std::size_t(n.inputs) + n.outputs};
    if (linked_) kept.assign(tensors.begin(), tensors.end()), tensors = kept;
    Node node{n.op,
              Attrs(n.attrs, n.attrs ? n.op->attrs : nullptr),
              tensors.first(n.inputs),
              tensors.subspan(n.inputs),
              {wants.data(), wants.size()}};
    const Tensor* flowing = std::find_if(dys.begin(), dys.end(), [](const Tensor& t) { return t.defined(); });
    DeviceScope there(flowing->device());
    Tensors dx = n.op->gradient(node, {dys.data(), dys.size()});
    for (std::size_t i = 0; i < dx.size(); ++i) {
      if (!dx[i].defined() || !wants[i]) continue;
      Tensor& g = grads[m.slots[n.first + i]];
      g = g.defined() ? std::move(g) + std::move(dx[i]) : std::move(dx[i]);
    }
  }

  if (hook) tell(0);
  else
    for (std::size_t s = 0; s < sources.size(); ++s) collect(s);
  grads.clear();
  return result;
}

std::uint32_t GradientTape::start(const Tensor& t, const char* what) const {
  if (used_)
    throw UsageError(
        fmt::format("{}: this tape was used already. For several gradients make it persistent: "
                    "GradientTape tape({{.persistent = true}}).",
                    what));
  if (!is_floating(t.dtype()))
    throw DTypeError(
        fmt::format("{}: the target is {}; only floating tensors have gradients.", what, name_of(t.dtype())));
  std::uint32_t slot = m_->map.find(t.id());
  if (slot == kNone)
    throw UsageError(
        fmt::format("{}: target does not depend on a watched tensor. Call tape.watch(x) before "
                    "computing it.",
                    what));
  return slot;
}

std::vector<Tensor> GradientTape::run(const Operand& target, std::span<const GradientSource> sources,
                                      const GradientOptions& o) {
  CallSite site(target.where());
  const Tensor& t = target.tensor();
  std::uint32_t slot = start(t, "gradient");
  check_sources("gradient", sources);
  Tensor dy = o.output_gradients;
  if (!dy.defined()) dy = ones_like(t);
  else check_seed(t, dy);
  std::vector<Tensor> g;
  {
    Paused paused(*this, !options_.persistent);
    const Seed seed{slot, dy};
    g = backward({&seed, 1}, sources, o.hook);
    if (o.unconnected == UnconnectedGradients::zero)
      for (std::size_t i = 0; i < g.size(); ++i) {
        if (g[i].defined()) continue;
        const GradientSource& s = sources[i];
        g[i] = s.tensor() ? zeros_like(*s.tensor()) : zeros(s.variable()->shape(), s.variable()->dtype());
      }
  }
  if (!options_.persistent) use_up();
  return g;
}

std::vector<Tensor> GradientTape::gradients(std::span<const Tensor> targets, std::span<const Tensor> dy,
                                            std::span<const GradientSource> sources, Where where) {
  CallSite site(where);
  check_sources("gradients", sources);
  if (targets.size() != dy.size())
    throw UsageError(fmt::format("gradients: {} targets, {} gradients of them.", targets.size(), dy.size()));
  std::vector<Seed> seeds;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    seeds.push_back({start(targets[i], "gradients"), dy[i]});
    check_seed(targets[i], dy[i]);
  }
  std::vector<Tensor> g;
  {
    Paused paused(*this, !options_.persistent);
    g = backward(seeds, sources);
  }
  if (!options_.persistent) use_up();
  return g;
}

void GradientTape::check_sources(const char* what, std::span<const GradientSource> sources) {
  for (std::size_t i = 0; i < sources.size(); ++i)
    if (sources[i].tensor() ? !sources[i].tensor()->defined() : !sources[i].variable()->defined())
      throw UsageError(fmt::format("{}: source {} is undefined.", what, i));
}

void GradientTape::check_seed(const Tensor& target, const Tensor& dy) const {
  if (dy.shape() != target.shape())
    throw ShapeError(
        fmt::format("gradient: output_gradients has shape {}, the target {}.", dy.shape().str(), target.shape().str()));
  if (dy.dtype() != target.dtype())
    throw DTypeError(
        fmt::format("gradient: output_gradients is {}, the target {}.", name_of(dy.dtype()), name_of(target.dtype())));
}

Tensor GradientTape::gradient(const Operand& target, const GradientSource& source, GradientOptions o) {
  return run(target, {&source, 1}, o)[0];
}
std::vector<Tensor> GradientTape::gradient(const Operand& target, const std::vector<Tensor>& sources,
                                           GradientOptions o) {
  return run(target, std::vector<GradientSource>(sources.begin(), sources.end()), o);
}
std::vector<Tensor> GradientTape::gradient(const Operand& target, const std::vector<Variable>& sources,
                                           GradientOptions o) {
  return run(target, std::vector<GradientSource>(sources.begin(), sources.end()), o);
}

Tensors pullback(Tensor (*f)(Inputs in, const void* functor), const Node& n, const Tensor& dy) {
  GradientTape tape({.watch_accessed_variables = false});
  for (std::size_t i = 0; i < n.inputs.size(); ++i)
    if (n.wants(int(i))) tape.watch(n.inputs[i]);
  auto refs = refs_of(n.inputs);
  Tensor y = f(Inputs(refs), n.attrs.data());
  Tensors dx(n.inputs.size());
  if (!tape.recorded(y)) return dx;
  std::vector<GradientSource> sources;
  std::vector<std::size_t> which;
  for (std::size_t i = 0; i < n.inputs.size(); ++i) {
    bool first = n.wants(int(i));
    for (std::size_t k = 0; k < i; ++k) first &= n.inputs[k].id() != n.inputs[i].id();  // the same value twice: once
    if (first) sources.emplace_back(n.inputs[i]), which.push_back(i);
  }
  std::vector<Tensor> g = tape.gradient(y, std::span<const GradientSource>(sources), {.output_gradients = dy});
  for (std::size_t k = 0; k < g.size(); ++k)
    if (g[k].defined()) dx[which[k]] = sum_to(g[k], n.inputs[which[k]].shape(), n.inputs[which[k]].dtype());
  return dx;
}

}  // namespace tapir
