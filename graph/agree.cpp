#include <tapir/graph/agree.h>
#include <tapir/graph/effects.h>
#include <tapir/graph/handle.h>
#include <tapir/ops/shaping.h>
#include <tapir/tensor/cuda_module.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tapir::graph {
namespace {

constexpr std::int64_t kMostElements = 1 << 24;  // of a constant that is computed to be compared

// The fields of attributes as numbers. How many values a condition reads is no matter of the program: see
// `inputs_agree`.
struct Fields final : AttrVisitor {
  std::vector<double> numbers;
  std::vector<std::int64_t> exact;
  void operator()(const char* name, std::int64_t& v) override {
    if (std::strcmp(name, "condition_reads") != 0) exact.push_back(v);
  }
  void operator()(const char*, double& v) override { numbers.push_back(v); }
  void operator()(const char*, bool& v) override { exact.push_back(v); }
  void operator()(const char*, Shape& v) override {
    exact.push_back(v.rank());
    exact.insert(exact.end(), v.begin(), v.end());
  }
  void operator()(const char*, DType& v) override { exact.push_back(int(v)); }
};

// A number that follows a size is rounded once more than one that was computed with the size.
bool near(double a, double b, double tolerance) {
  return a == b || (std::isnan(a) && std::isnan(b)) ||
         std::fabs(a - b) <= tolerance * std::max(std::fabs(a), std::fabs(b));
}

bool same_attrs(OwnAttrs a, OwnAttrs b) {
  Fields x, y;
  a.visit(x), b.visit(y);
  if (x.exact != y.exact || x.numbers.size() != y.numbers.size()) return false;
  for (std::size_t i = 0; i < x.numbers.size(); ++i)
    if (!near(x.numbers[i], y.numbers[i], 1e-6)) return false;
  return true;
}

bool same_elements(const Tensor& a_there, const Tensor& b_there) {
  const Tensor a = detail::copied_to(a_there, Device::cpu()), b = detail::copied_to(b_there, Device::cpu());
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  const bool floating = is_floating(a.dtype());
  const Tensor x = contiguous(floating ? a.astype(DType::f64) : a), y = contiguous(floating ? b.astype(DType::f64) : b);
  if (!floating)
    return x.size() == 0 ||
           std::memcmp(x.data<std::byte>(), y.data<std::byte>(), std::size_t(x.size()) * size_of(x.dtype())) == 0;
  const double tolerance = a.dtype() == DType::f64 ? 1e-12 : is_half(a.dtype()) ? 1e-2 : 1e-6;
  for (std::int64_t i = 0; i < x.size(); ++i)
    if (!near(x.data<double>()[i], y.data<double>()[i], tolerance)) return false;
  return true;
}

std::string at_line(const Node& n) {
  return n.where.line() ? fmt::format("{} ({})", n.op->name, line_of(n.where)) : n.op->name;
}

class Comparison {
 public:
  Comparison(const Symbols& symbols, std::span<const std::int64_t> sizes, const Graph& a, const Graph& b)
      : symbols_(symbols), sizes_(sizes), a_(a), b_(b), twin_(a.values.size(), -1) {}

  // An input of a is an input of b.
  void pair(std::size_t i, std::size_t j) { twin_[std::size_t(a_.g.inputs[i])] = b_.g.inputs[j]; }

  std::string run() {
    std::size_t i = 0, j = 0;
    for (;; ++i, ++j) {
      while (i < a_.g.nodes.size() && a_.is_fixed(a_.g.nodes[i])) ++i;
      while (j < b_.g.nodes.size() && b_.is_fixed(b_.g.nodes[j])) ++j;
      const Node *x = i < a_.g.nodes.size() ? &a_.g.nodes[i] : nullptr,
                 *y = j < b_.g.nodes.size() ? &b_.g.nodes[j] : nullptr;
      if (!x && !y) break;
      if (!x || !y || x->op != y->op)
        return fmt::format("it calls {} for one size and {} for another", x ? at_line(*x) : "nothing more",
                           y ? at_line(*y) : "nothing more");
      if (!same_attrs(x->attrs, y->attrs)) return fmt::format("{} has other attributes for another size", at_line(*y));
      if (!inputs_agree(*x, *y) || x->out.size() != y->out.size())
        return fmt::format("{} has other operands for another size", at_line(*y));
      for (std::size_t k = 0; k < x->out.size(); ++k) twin_[std::size_t(x->out[k])] = y->out[k];
    }
    bool same = a_.g.outputs.size() == b_.g.outputs.size();
    for (std::size_t k = 0; same && k < a_.g.outputs.size(); ++k) same = agree(a_.g.outputs[k], b_.g.outputs[k]);
    return same ? "" : "it returns another value for another size";
  }

 private:
  struct Side {
    const Graph& g;
    std::vector<int> by;
    std::vector<char> fixed;  // depends on constants alone
    std::vector<Tensor> value;
    explicit Side(const Graph& graph)
        : g(graph), by(producers(graph)), fixed(graph.values.size()), value(graph.values.size()) {
      for (std::size_t v = 0; v < fixed.size(); ++v) fixed[v] = g.is_constant(int(v));
      for (auto& n : g.nodes) {
        bool all = !has_effect(g, n);
        for (int v : n.in) all &= bool(fixed[std::size_t(v)]);
        for (int v : n.out) fixed[std::size_t(v)] = all;
      }
    }
    bool is_fixed(const Node& n) const { return !n.out.empty() && fixed[std::size_t(n.out[0])]; }
    bool is_input(int v) const { return std::find(g.inputs.begin(), g.inputs.end(), v) != g.inputs.end(); }
    const Node* maker(int v) const {
      return by[std::size_t(v)] < 0 ? nullptr : &g.nodes[std::size_t(by[std::size_t(v)])];
    }
    Tensor compute(int v) {
      if (g.is_constant(v)) return g.values[std::size_t(v)].constant;
      if (value[std::size_t(v)].defined()) return value[std::size_t(v)];
      const Node& n = *maker(v);
      std::vector<Tensor> in;
      for (int w : n.in) in.push_back(compute(w));
      auto refs = refs_of(in);
      Tensors out = apply_all(*n.op, Inputs(refs), n.attrs.get(), n.where);
      for (std::size_t k = 0; k < out.size(); ++k) value[std::size_t(n.out[k])] = out[k];
      return value[std::size_t(v)];
    }
  };

  // A loop or branch in an open trace may be given more, for its size alone.
  bool inputs_agree(const Node& x, const Node& y) {
    if (x.in.size() == y.in.size()) {
      for (std::size_t k = 0; k < x.in.size(); ++k)
        if (!agree(x.in[k], y.in[k])) return false;
      return true;
    }
    std::size_t k = 0;
    for (int v : x.in)
      if (k < y.in.size() && agree(v, y.in[k])) ++k;
    return k == y.in.size() && has_body(x);
  }
  bool has_body(const Node& n) const {
    for (int v : n.in)
      if (a_.g.is_constant(v) && concrete_of(a_.g.values[std::size_t(v)].constant)) return true;
    return false;
  }

  bool agree(int v, int w) {
    const Spec &s = a_.g.spec(v), &t = b_.g.spec(w);
    if (s.dtype != t.dtype || s.shape != t.shape) return false;
    if (!a_.fixed[std::size_t(v)] || !b_.fixed[std::size_t(w)]) {
      int& twin = twin_[std::size_t(v)];
      const bool first = by_use_ && twin < 0 && a_.is_input(v) && b_.is_input(w) &&
                         std::find(twin_.begin(), twin_.end(), w) == twin_.end();
      return (first ? twin = w : twin) == w;
    }
    const Node *x = a_.maker(v), *y = b_.maker(w);
    if (x && y && x->op == y->op && same_attrs(x->attrs, y->attrs) && x->in.size() == y->in.size()) {
      bool all = true;
      for (std::size_t k = 0; all && k < x->in.size(); ++k) all = agree(x->in[k], y->in[k]);
      for (std::size_t k = 0; all && k < x->out.size(); ++k)
        if (x->out[k] == v) return y->out[k] == w;
    }
    if (s.shape.size() > kMostElements)
      return a_.g.is_constant(v) &&
             a_.g.values[std::size_t(v)].constant.id() == b_.g.values[std::size_t(w)].constant.id();
    const Tensor p = a_.compute(v), q = b_.compute(w);
    if (p.id() == q.id()) return true;
    const auto body = concrete_of(p), other = concrete_of(q);
    if (body && other) return bodies_agree(*body, *other);
    return same_elements(p, q);
  }

  bool bodies_agree(const Concrete& body, const Concrete& other) {
    const Graph a = specialise(body.traced(), symbols_, sizes_);
    const Graph& b = other.traced();
    Comparison inner(symbols_, sizes_, a, b);
    if (a.inputs.size() == b.inputs.size()) {
      for (std::size_t i = 0; i < a.inputs.size(); ++i) inner.pair(i, i);
    } else {
      inner.by_use_ = true;
    }
    return inner.run().empty();
  }

  const Symbols& symbols_;
  std::span<const std::int64_t> sizes_;
  Side a_, b_;
  std::vector<int> twin_;
  bool by_use_ = false;  // inputs are those of b that are first read in their place
};

}  // namespace

std::string disagreement(const Concrete& open, std::span<const std::int64_t> sizes, const Concrete& other) try {
  Untraced untraced;
  const Graph a = specialise(open.traced(), open.symbols(), sizes);
  Comparison all(open.symbols(), sizes, a, other.traced());
  const auto &mine = open.variables(), &theirs = other.variables();
  const auto arguments = std::size_t(open.arguments());
  bool same = mine.size() == theirs.size() && open.assigned() == other.assigned();
  for (std::size_t k = 0; k < arguments; ++k) all.pair(k, k);
  for (std::size_t k = 0; same && k < mine.size(); ++k) {
    same = mine[k] == theirs[k] || (open.owns(k) && other.owns(k) && mine[k].name() == theirs[k].name());
    all.pair(arguments + k, arguments + k);
  }
  return same ? all.run() : "it uses other variables for another size";
} catch (const ShapeError& e) {
  return e.what();
}

}  // namespace tapir::graph
