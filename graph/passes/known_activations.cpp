// Activations written out op by op become the op that the table has: gelu, by tanh and by erf, and silu. One
// exponential then takes the place of a hyperbolic tangent, and 1 + tanh(u) does not cancel.
#include <tapir/graph/passes/pattern.h>

#include <array>
#include <cmath>
#include <numbers>
#include <optional>

namespace tapir::graph {
namespace {

/// Coefficients of 1, x, x^2, x^3.
using Cubic = std::array<double, 4>;

std::optional<Cubic> product(const Cubic& a, const Cubic& b) {
  Cubic r{};
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < 4; ++j) {
      if (a[i] == 0 || b[j] == 0) continue;
      if (i + j > 3) return {};
      r[i + j] += a[i] * b[j];
    }
  return r;
}

bool near(const Cubic& a, const Cubic& b) {
  for (std::size_t i = 0; i < 4; ++i)
    if (std::abs(a[i] - b[i]) > 1e-6 * std::abs(b[i])) return false;
  return true;
}

/// A product taken apart: a number, and what else is multiplied.
struct Factors {
  double number = 1;
  std::vector<int> values;
};

class Finder {
 public:
  explicit Finder(const Graph& g) : g_(g), links_(g) {}

  /// Makes n the activation that it computes, if it does.
  bool rewrite(Node& n) const { return is_product(n) && in_one_float(n) && (silu(n) || gelu(n)); }

 private:
  const Graph& g_;
  const Links links_;

  const Node* made_by(int v, const char* op) const {
    const int p = links_.producer(v, op);
    return p >= 0 ? &g_.nodes[std::size_t(p)] : nullptr;
  }
  bool like(int v, const Spec& s) const { return g_.spec(v).dtype == s.dtype && g_.spec(v).shape == s.shape; }
  // Halves are rounded after each op, so they stay as they are.
  bool in_one_float(const Node& n) const {
    return !is_half(g_.spec(n.out[0]).dtype) && is_floating(g_.spec(n.out[0]).dtype);
  }

  bool silu(Node& n) const {
    if (!is(n, "multiply")) return false;
    for (std::size_t k : {0, 1}) {
      const Node* gate = made_by(n.in[k], "sigmoid");
      if (!gate || gate->in[0] != n.in[1 - k] || links_.readers(n.in[k]).size() > 1) continue;
      n.in = {n.in[1 - k]};
      become(n, "silu");
      return true;
    }
    return false;
  }

  // x / 2 times 1 + tanh(u) or 1 + erf(u), in any order.
  bool gelu(Node& n) const {
    Factors f;
    take_apart(n, f, 0);
    if (f.values.size() != 2) return false;
    for (std::size_t k : {0, 1}) {
      const int x = f.values[1 - k];
      if (!like(x, g_.spec(n.out[0])) || std::abs(f.number - 0.5) > 1e-6) continue;
      for (auto [function, op, u] : {std::tuple{"tanh", "gelu_tanh", kByTanh}, std::tuple{"erf", "gelu", kByErf}})
        if (auto found = one_plus(f.values[k], function, x); found && near(*found, u)) {
          n.in = {x};
          become(n, op);
          return true;
        }
    }
    return false;
  }
  static constexpr double kRoot = 0.79788456080286535588;  // sqrt(2 / pi)
  static constexpr Cubic kByTanh{0, kRoot, 0, kRoot * 0.044715}, kByErf{0, 1 / std::numbers::sqrt2, 0, 0};

  void take_apart(const Node& n, Factors& f, int depth) const {
    const bool divides = is(n, "divide");
    for (std::size_t k = 0; k < 2; ++k) {
      double number;
      const int p = links_.producer(n.in[k]);
      if (splat(g_, n.in[k], number) && (!divides || k == 1)) f.number *= divides ? 1 / number : number;
      else if (divides && k == 1) f.values.assign(3, n.in[k]);  // no product
      else if (p >= 0 && depth < 3 && links_.readers(n.in[k]).size() == 1 && is_product(g_.nodes[std::size_t(p)]))
        take_apart(g_.nodes[std::size_t(p)], f, depth + 1);
      else f.values.push_back(n.in[k]);
    }
  }
  static bool is_product(const Node& n) { return is(n, "multiply") || is(n, "divide"); }

  // u as a polynomial in x, if v is 1 + function(u) and nobody else reads it.
  std::optional<Cubic> one_plus(int v, const char* function, int x) const {
    const Node* sum = made_by(v, "add");
    if (!sum || links_.readers(v).size() > 1) return {};
    for (std::size_t k : {0, 1}) {
      double one;
      const Node* inner = made_by(sum->in[k], function);
      if (inner && links_.readers(sum->in[k]).size() == 1 && splat(g_, sum->in[1 - k], one) && one == 1)
        return polynomial(inner->in[0], x, 0);
    }
    return {};
  }

  std::optional<Cubic> polynomial(int v, int x, int depth) const {
    double number;
    if (v == x) return Cubic{0, 1, 0, 0};
    if (splat(g_, v, number)) return Cubic{number, 0, 0, 0};
    const int p = links_.producer(v);
    if (p < 0 || depth > 6) return {};
    const Node& n = g_.nodes[std::size_t(p)];
    const bool sum = is(n, "add"), times = is(n, "multiply"), over = is(n, "divide"), squared = is(n, "square");
    if (!sum && !times && !over && !squared && !is(n, "pow")) return {};
    auto a = polynomial(n.in[0], x, depth + 1);
    auto b = squared ? a : polynomial(n.in[1], x, depth + 1);
    if (!a || !b) return {};
    if (sum) {
      for (std::size_t i = 0; i < 4; ++i) (*a)[i] += (*b)[i];
      return a;
    }
    if (times || squared) return product(*a, *b);
    const double c = (*b)[0];
    if (c == 0 || !(*b == Cubic{c, 0, 0, 0})) return {};
    if (over) return product(*a, {1 / c, 0, 0, 0});
    auto two = product(*a, *a);
    return !two ? two : c == 2 ? two : c == 3 ? product(*a, *two) : std::nullopt;
  }
};

}  // namespace

Graph known_activations(Graph g) {
  std::vector<Node> nodes = g.nodes;
  const Finder finder(g);
  for (Node& n : nodes) finder.rewrite(n);
  g.nodes = std::move(nodes);
  return prune(std::move(g));
}

}  // namespace tapir::graph
