#include <tapir/autograd/gradient_tape.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/shaping.h>
#include <tapir/ops/tile.h>

#include <fmt/format.h>

#include <algorithm>

namespace tapir {

static constexpr std::size_t kChunk = 16 << 10;

static std::size_t home_of(std::uint64_t id) { return std::size_t((id * 0x9e3779b97f4a7c15ull) >> 20); }

std::uint32_t GradientTape::SlotMap::find(std::uint64_t id) const {
  if (cells.empty()) return kNone;
  const std::size_t mask = cells.size() - 1;
  for (std::size_t i = home_of(id) & mask;; i = (i + 1) & mask) {
    if (cells[i].first == id) return cells[i].second;
    if (cells[i].first == 0) return kNone;
  }
}

std::uint32_t GradientTape::SlotMap::insert(std::uint64_t id) {
  std::uint32_t slot = find(id);
  if (slot != kNone) return slot;
  auto put = [&](std::pair<std::uint64_t, std::uint32_t> cell) {
    const std::size_t mask = cells.size() - 1;
    std::size_t i = home_of(cell.first) & mask;
    while (cells[i].first) i = (i + 1) & mask;
    cells[i] = cell;
  };
  if (2 * (count + 1) > cells.size()) {
    auto old = std::move(cells);
    cells.assign(std::max<std::size_t>(32, old.size() * 2), {0, 0});
    for (auto& c : old)
      if (c.first) put(c);
  }
  put({id, count});
  return count++;
}

void GradientTape::SlotMap::clear() {
  cells.clear();
  count = 0;
}

GradientTape::GradientTape(TapeOptions options) : options_(options) { link(); }

GradientTape::~GradientTape() {
  unlink();
  for (auto* chunk : arena_) ::operator delete(chunk);
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
  nodes_.clear();
  tensors_.clear();
  slots_.clear();
  map_.clear();
  variables_.clear();
  for (auto* chunk : arena_) ::operator delete(chunk);
  arena_.clear();
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
  map_.insert(x.id());
}

void GradientTape::watch(const Variable& v, Where where) {
  CallSite site(where);
  if (!is_floating(v.dtype()))
    throw DTypeError(fmt::format("watch: variable '{}' is {}; only floating ones have gradients.", v.name(),
                                 name_of(v.dtype())));
  Tensor value = v.value();
  std::uint32_t slot = map_.insert(value.id());
  for (auto& known : variables_)
    if (known.second == slot) return;
  variables_.emplace_back(v, slot);
}

void GradientTape::on_read(const Variable& v, const Tensor& value) {
  if (!options_.watch_accessed_variables || !v.trainable() || !is_floating(value.dtype())) return;
  std::uint32_t before = map_.count, slot = map_.insert(value.id());
  if (slot == before) variables_.emplace_back(v, slot);
}

const void* GradientTape::keep_attrs(Attrs attrs) {
  if (!attrs) return nullptr;
  std::size_t bytes = (attrs.type()->size + 7) / 8 * 8;
  if (arena_.empty() || arena_used_ + bytes > kChunk) {
    arena_.push_back(static_cast<std::byte*>(::operator new(std::max(kChunk, bytes))));
    arena_used_ = 0;
  }
  std::byte* at = arena_.back() + arena_used_;
  arena_used_ += bytes;
  std::memcpy(at, attrs.data(), attrs.type()->size);
  return at;
}

void GradientTape::record(const OpDef& op, Inputs in, std::span<const Tensor> out, Attrs attrs) {
  SmallVector<std::uint32_t, 8> found;
  bool any = false;
  for (std::size_t i = 0; i < in.size(); ++i) {
    std::uint32_t s = in[i].is_weak() ? kNone : map_.find(in[i].id());
    any |= s != kNone;
    found.push_back(s);
  }
  if (!any) return;
  const bool keep_in = op.saves == Saves::inputs || op.saves == Saves::both;
  const bool keep_out = op.saves == Saves::output || op.saves == Saves::both;
  auto keep = [&](const Tensor& t, bool saved) {  // values inside the header cost nothing to keep
    tensors_.push_back(saved || !t.impl()->storage ? t : Tensor::only_spec(t.shape(), t.dtype(), t.device()));
  };
  nodes_.push_back({&op, keep_attrs(attrs), std::uint32_t(tensors_.size()), std::uint16_t(in.size()),
                    std::uint16_t(out.size())});
  for (std::size_t i = 0; i < in.size(); ++i) {
    keep(in[i], keep_in);
    slots_.push_back(found[i]);
  }
  for (auto& t : out) {
    keep(t, keep_out);
    slots_.push_back(is_floating(t.dtype()) ? map_.insert(t.id()) : kNone);
  }
}

std::vector<std::uint32_t> GradientTape::slots_of(const GradientSource& source) const {
  std::vector<std::uint32_t> out;
  if (source.tensor()) {
    std::uint32_t s = map_.find(source.tensor()->id());
    if (s != kNone) out.push_back(s);
  } else {
    for (auto& [variable, slot] : variables_)
      if (variable == *source.variable()) out.push_back(slot);
  }
  return out;
}

// One reverse walk over the nodes. Only what lies between the target and a source is computed.
std::vector<Tensor> GradientTape::backward(std::uint32_t target, const Tensor& dy,
                                           std::span<const GradientSource> sources) {
  std::vector<std::vector<std::uint32_t>> wanted;
  std::vector<char> leads(map_.count, 0), is_source(map_.count, 0);
  for (auto& s : sources) {
    wanted.push_back(slots_of(s));
    for (auto slot : wanted.back()) leads[slot] = is_source[slot] = 1;
  }
  for (auto& n : nodes_) {
    bool any = false;
    for (std::size_t i = 0; i < n.inputs; ++i)
      if (auto s = slots_[n.first + i]; s != kNone) any |= bool(leads[s]);
    if (!any) continue;
    for (std::size_t i = 0; i < n.outputs; ++i)
      if (auto s = slots_[n.first + n.inputs + i]; s != kNone) leads[s] = 1;
  }

  std::vector<Tensor> grads(map_.count);
  grads[target] = dy;
  for (std::size_t k = nodes_.size(); k-- > 0;) {
    const Entry& n = nodes_[k];
    const std::uint32_t *in = &slots_[n.first], *out = in + n.inputs;
    bool flows = false, any = false;
    for (std::size_t i = 0; i < n.outputs; ++i) flows |= out[i] != kNone && grads[out[i]].defined();
    if (!flows) continue;
    SmallVector<std::uint8_t, 8> wants(n.inputs);
    for (std::size_t i = 0; i < n.inputs; ++i) any |= (wants[i] = in[i] != kNone && leads[in[i]]) != 0;
    Tensors dys(n.outputs);
    for (std::size_t i = 0; i < n.outputs; ++i) {
      if (out[i] == kNone) continue;
      if (is_source[out[i]]) dys[i] = grads[out[i]];
      else dys[i] = std::exchange(grads[out[i]], Tensor());
    }
    if (!any) continue;
    Node node{n.op, Attrs(n.attrs, n.attrs ? n.op->attrs : nullptr), {&tensors_[n.first], n.inputs},
              {&tensors_[n.first + n.inputs], n.outputs}, {wants.data(), wants.size()}};
    Tensors dx = n.op->gradient(node, {dys.data(), dys.size()});
    for (std::size_t i = 0; i < dx.size(); ++i) {
      if (!dx[i].defined() || !wants[i]) continue;
      Tensor& g = grads[in[i]];
      g = g.defined() ? std::move(g) + std::move(dx[i]) : std::move(dx[i]);
    }
  }

  std::vector<Tensor> result;
  for (auto& slots : wanted) {
    Tensor sum;
    for (auto s : slots)
      if (grads[s].defined()) sum = sum.defined() ? sum + grads[s] : grads[s];
    result.push_back(sum);
  }
  return result;
}

std::uint32_t GradientTape::start(const Tensor& t, const char* what) const {
  if (used_)
    throw UsageError(fmt::format("{}: this tape was used already. For several gradients make it persistent: "
                                 "GradientTape tape({{.persistent = true}}).", what));
  if (!is_floating(t.dtype()))
    throw DTypeError(fmt::format("{}: the target is {}; only floating tensors have gradients.", what,
                                 name_of(t.dtype())));
  std::uint32_t slot = map_.find(t.id());
  if (slot == kNone)
    throw UsageError(fmt::format("{}: target does not depend on a watched tensor. Call tape.watch(x) before "
                                 "computing it.", what));
  return slot;
}

std::vector<Tensor> GradientTape::run(const Operand& target, std::span<const GradientSource> sources,
                                      const GradientOptions& o) {
  CallSite site(target.where());
  const Tensor& t = target.tensor();
  std::uint32_t slot = start(t, "gradient");
  Tensor dy = o.output_gradients;
  if (!dy.defined()) dy = ones_like(t);
  else if (dy.shape() != t.shape())
    throw ShapeError(fmt::format("gradient: output_gradients has shape {}, the target {}.", dy.shape().str(),
                                 t.shape().str()));
  else if (dy.dtype() != t.dtype())
    throw DTypeError(fmt::format("gradient: output_gradients is {}, the target {}.", name_of(dy.dtype()),
                                 name_of(t.dtype())));
  std::vector<Tensor> g;
  {
    Paused paused(*this);
    g = backward(slot, dy, sources);
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
