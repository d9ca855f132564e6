#include <tapir/graph/effects.h>
#include <tapir/graph/rewrite.h>
#include <tapir/graph/trace.h>
#include <tapir/tensor/device_scope.h>

#include <fmt/format.h>

namespace tapir::graph {

// With unknown sizes; a C++ loop over one would go on for millions of rounds.
constexpr std::size_t kMostNodes = 100000;

static Tracer*& innermost() {
  static thread_local constinit Tracer* t = nullptr;
  return t;
}
Tracer* Tracer::current() { return innermost(); }

Tracer::Tracer(Symbols symbols) : symbols_(std::move(symbols)) {
  intercepts = true;
  // Outer tapes must not see what happens inside: they see the call.
  outer_recorder_ = std::exchange(recorder(), static_cast<Recorder*>(this));
  outer_observer_ = std::exchange(detail::variable_observer(), static_cast<detail::VariableObserver*>(this));
  outer_ = std::exchange(innermost(), this);
}

Tracer::~Tracer() {
  recorder() = outer_recorder_;
  detail::variable_observer() = outer_observer_;
  innermost() = outer_;
}

Untraced::Untraced()
    : recorder_(std::exchange(recorder(), nullptr)),
      observer_(std::exchange(detail::variable_observer(), nullptr)),
      tracer_(std::exchange(innermost(), nullptr)) {}
Untraced::~Untraced() {
  recorder() = recorder_;
  detail::variable_observer() = observer_;
  innermost() = tracer_;
}

Tensor Tracer::new_value(const Spec& spec, int& value) {
  Tensor t = Tensor::only_spec(spec.shape, spec.dtype, default_device());
  value = graph_.add(spec);
  values_[t.id()] = value;
  keep_.push_back(t);
  return t;
}

Tensor Tracer::input(const Spec& spec) {
  int value;
  Tensor t = new_value(spec, value);
  graph_.inputs.push_back(value);
  return t;
}

// Is it computed by a trace around this one? An empty tensor has all its elements either way.
bool Tracer::computed_outside(const Tensor& t) const {
  if (t.size() != 0) return !t.has_data();
  for (Tracer* o = outer_; o; o = o->outer_)
    if (o->values_.contains(t.id())) return true;
  return false;
}

int Tracer::value_of(const Tensor& t) {
  if (auto it = values_.find(t.id()); it != values_.end()) return it->second;
  keep_.push_back(t);
  if (!computed_outside(t)) return values_[t.id()] = graph_.add({t.shape(), t.dtype()}, t);
  if (!outer_)
    throw UsageError(
        fmt::format("function: a tensor {} {} from another trace is used here. Return it from the function that made "
                    "it, or keep it in a Variable.",
                    name_of(t.dtype()), t.shape().str()));
  Tensor inside = input({t.shape(), t.dtype()});
  captured_.push_back({{}, t, inside, false});
  return values_[t.id()] = values_[inside.id()];
}

bool Tracer::intercept(const OpDef& op, Inputs in, Attrs attrs, const Specs& specs, Tensors& out) {
  bool traced = has_effect(op, in);
  for (std::size_t i = 0; i < in.size(); ++i) {
    auto known = values_.find(in[i].id());
    traced |= known == values_.end() ? computed_outside(in[i]) : !graph_.is_constant(known->second);
  }
  for (auto& s : specs) traced |= symbols_.in(s.shape);
  if (!traced) return false;
  if (!symbols_.empty() && graph_.nodes.size() >= kMostNodes)
    throw ShapeError(
        fmt::format("function: more than {} operations while a size is unknown. For a C++ loop over it "
                    "use for_loop or scan, or give the size.",
                    kMostNodes));
  Node n;
  n.op = &op;
  n.attrs = OwnAttrs(attrs);
  if (auto* w = CallSite::current()) n.where = *w;
  for (std::size_t i = 0; i < in.size(); ++i) n.in.push_back(value_of(in[i]));
  for (auto& s : specs) {
    int value;
    out.push_back(new_value(s, value));
    n.out.push_back(value);
  }
  graph_.nodes.push_back(std::move(n));
  return true;
}

Tracer::Captured& Tracer::capture(const Variable& v) {
  for (auto& c : captured_)
    if (c.variable.defined() && c.variable == v) return c;
  Tensor outer;
  if (outer_) {  // the variable as the enclosing trace sees it, watched by the tapes in there
    Recorder* mine = std::exchange(recorder(), outer_recorder_);  // with the tapes in here
    auto* observer = std::exchange(detail::variable_observer(), outer_observer_);
    innermost() = outer_;
    outer = v.value();
    recorder() = mine;
    detail::variable_observer() = observer;
    innermost() = this;
  }
  captured_.push_back({v, outer, input({v.shape(), v.dtype()}), false});
  return captured_.back();
}

Tensor Tracer::on_value(const Variable& v) { return capture(v).now; }

bool Tracer::on_assign(const Variable& v, const Tensor& value) {
  Captured& c = capture(v);
  const int known = value_of(value);
  // An identity of its own: what was watched stays the old value.
  c.now = Tensor::only_spec(value.shape(), value.dtype(), value.device());
  values_[c.now.id()] = known;
  keep_.push_back(c.now);
  c.assigned = true;
  return true;
}

// As many bools as the unknown size number k; no gradient asks for them.
Tensor Tracer::sized(std::size_t k) {
  const Spec spec{{symbols_.numbers()[k]}, DType::boolean};
  Node n;
  become(n, "broadcast_to");
  set_attr(n, "shape", spec.shape);
  n.in = {graph_.add({{}, DType::boolean}, Tensor(false))};
  n.out = {0};
  Tensor t = new_value(spec, n.out[0]);
  graph_.nodes.push_back(std::move(n));
  return t;
}

void Tracer::bring_in_sizes() {
  for (std::size_t k : homeless_sizes(graph_, symbols_)) value_of(outer_->sized(k));
}

Graph Tracer::finish(std::span<const Tensor> outputs) {
  graph_.outputs.clear();
  for (auto& t : outputs) graph_.outputs.push_back(value_of(t));
  return graph_;
}

}  // namespace tapir::graph
