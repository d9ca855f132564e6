// Reordered dimensions: of reordered dimensions, in their old order, and as the flags of a product.
#include <tapir/graph/passes.h>
#include <tapir/graph/rewrite.h>

#include <array>
#include <utility>

namespace tapir::graph {
namespace {

// The order of the dimensions that hold more than one element stays as it is, and so do all elements.
bool moves_nothing(const Shape& in, const Shape& out, const Shape& axes) {
  if (!(in == out)) return false;
  std::int64_t last = -1;
  for (auto a : axes) {
    if (in[int(a)] == 1) continue;
    if (a < last) return false;
    last = a;
  }
  return true;
}

bool swaps_last_two(const Shape& axes) {
  const int r = axes.rank();
  for (int i = 0; i + 2 < r; ++i)
    if (axes[i] != i) return false;
  return r >= 2 && axes[r - 1] == r - 2 && axes[r - 2] == r - 1;
}

}  // namespace

Graph transposes(Graph g) {
  std::vector<int> now(g.values.size());
  for (std::size_t v = 0; v < now.size(); ++v) now[v] = int(v);
  const auto by = producers(g);
  auto permuted = [&](int v) -> const Node* {
    const int p = by[std::size_t(v)];
    return p >= 0 && is(g.nodes[std::size_t(p)], "permute_dims") ? &g.nodes[std::size_t(p)] : nullptr;
  };
  for (auto& n : g.nodes) {
    for (int& v : n.in) v = now[std::size_t(v)];
    if (is(n, "permute_dims")) {
      Shape axes = attr<Shape>(n, "axes");
      if (const Node* inner = permuted(n.in[0])) {
        const Shape first = attr<Shape>(*inner, "axes");
        for (auto& a : axes) a = first[int(a)];
        set_attr(n, "axes", axes);
        n.in[0] = inner->in[0];
      }
      if (!g.is_constant(n.in[0]) && moves_nothing(g.spec(n.in[0]).shape, g.spec(n.out[0]).shape, axes))
        now[std::size_t(n.out[0])] = n.in[0];
    } else if (is(n, "matmul")) {
      for (auto [k, flag] : {std::pair(0, "transpose_a"), {1, "transpose_b"}}) {
        const Node* inner = permuted(n.in[std::size_t(k)]);
        if (!inner || !swaps_last_two(attr<Shape>(*inner, "axes"))) continue;
        set_attr(n, flag, !attr<bool>(n, flag));
        n.in[std::size_t(k)] = inner->in[0];
      }
    }
  }
  for (int& v : g.outputs) v = now[std::size_t(v)];
  return prune(std::move(g));
}

}  // namespace tapir::graph
