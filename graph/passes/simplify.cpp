// Arithmetic that changes nothing, casts and reshapes of the same, views of views. Every rule holds for NaN, infinities
// and the sign of zero: x + 0 stays for floats, which make 0 of -0, and so does x * 0.
#include <tapir/graph/passes.h>
#include <tapir/graph/rewrite.h>

#include <cmath>

namespace tapir::graph {
namespace {

bool is_number(const Graph& g, int v, double wanted) {
  double number;
  return splat(g, v, number) && number == wanted && std::signbit(number) == std::signbit(wanted);
}

// Is every value of `from` one of `to`, so that a cast by way of `to` is a cast?
bool keeps_values(DType from, DType to) {
  auto bits = [](DType d) { return int(size_of(d)) * 8; };
  if (from == to || from == DType::boolean) return true;
  if (is_floating(from)) return is_floating(to) && !is_half(to) && bits(to) > bits(from);
  if (!is_integer(to)) return false;  // integers by way of floats saturate, others wrap around
  return from == DType::u8 ? bits(to) > 8 : to != DType::u8 && bits(to) >= bits(from);
}

struct Simplifier {
  Graph& g;
  const std::vector<int> by;

  const Node* made_by(int v, const char* op) const {
    const int p = by[std::size_t(v)];
    return p >= 0 && is(g.nodes[std::size_t(p)], op) ? &g.nodes[std::size_t(p)] : nullptr;
  }
  // Could v stand for the output of n?
  bool fits(const Node& n, int v) const {
    return !g.is_constant(v) && g.spec(v).shape == g.spec(n.out[0]).shape && g.spec(v).dtype == g.spec(n.out[0]).dtype;
  }

  // Makes n simpler; what it reads is simple already.
  void rewrite(Node& n) const {
    for (const char* view : {"reshape", "broadcast_to"})
      if (is(n, view))
        if (const Node* inner = made_by(n.in[0], view)) n.in[0] = inner->in[0];
    if (is(n, "astype"))
      if (const Node* inner = made_by(n.in[0], "astype");
          inner && !g.is_constant(inner->in[0]) && keeps_values(g.spec(inner->in[0]).dtype, g.spec(n.in[0]).dtype))
        n.in[0] = inner->in[0];
    if (is(n, "pow") && fits(n, n.in[0]) && is_number(g, n.in[1], 2)) {
      become(n, "square");
      n.in.resize(1);
    }
    if (n.op->tile) read_unbroadcast(n);
    for (const char* reduction : {"sum", "prod", "max", "min"})
      if (is(n, reduction) && g.spec(n.in[0]).dtype == g.spec(n.out[0]).dtype &&
          g.spec(n.in[0]).shape.size() == g.spec(n.out[0]).shape.size() && g.spec(n.out[0]).shape.size() > 0) {
        become(n, "reshape");
        set_attr(n, "shape", g.spec(n.out[0]).shape);
      }
  }

  // Elementwise ops broadcast for themselves.
  void read_unbroadcast(Node& n) const {
    for (int& v : n.in) {
      const Node* inner = made_by(v, "broadcast_to");
      if (!inner || g.is_constant(inner->in[0])) continue;
      const int whole = std::exchange(v, inner->in[0]);
      Shape shape = g.spec(n.in[0]).shape;
      for (int w : n.in) broadcast_shapes(shape, g.spec(w).shape, shape);
      if (!(shape == g.spec(n.out[0]).shape)) v = whole;
    }
  }

  // The input that n merely passes on, or -1.
  int passes_on(const Node& n) const {
    auto on = [&](std::size_t k) { return fits(n, n.in[k]) ? n.in[k] : -1; };
    const bool floating = n.out.size() == 1 && is_floating(g.spec(n.out[0]).dtype);
    if (is(n, "multiply")) return is_number(g, n.in[1], 1) ? on(0) : is_number(g, n.in[0], 1) ? on(1) : -1;
    if (is(n, "add")) {
      const double nothing = floating ? -0.0 : 0.0;
      return is_number(g, n.in[1], nothing) ? on(0) : is_number(g, n.in[0], nothing) ? on(1) : -1;
    }
    if (is(n, "subtract") && is_number(g, n.in[1], 0)) return on(0);
    if ((is(n, "divide") || is(n, "pow")) && is_number(g, n.in[1], 1)) return on(0);
    for (const char* twice : {"negative", "logical_not", "bitwise_invert"})
      if (is(n, twice))
        if (const Node* inner = made_by(n.in[0], twice); inner && fits(n, inner->in[0])) return inner->in[0];
    for (const char* same :
         {"reshape", "astype", "broadcast_to", "contiguous", "stop_gradient", "custom_gradient", "positive"})
      if (is(n, same)) return on(0);
    return -1;
  }
};

}  // namespace

Graph simplify(Graph g) {
  std::vector<int> now(g.values.size());
  for (std::size_t v = 0; v < now.size(); ++v) now[v] = int(v);
  const Simplifier simplifier{g, producers(g)};
  for (auto& n : g.nodes) {
    for (int& v : n.in) v = now[std::size_t(v)];
    simplifier.rewrite(n);
    if (int v = simplifier.passes_on(n); v >= 0) now[std::size_t(n.out[0])] = v;
  }
  for (int& v : g.outputs) v = now[std::size_t(v)];
  return prune(std::move(g));
}

}  // namespace tapir::graph
