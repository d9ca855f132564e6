// Loops of few rounds with small bodies become what they compute.
#include <tapir/graph/loops.h>
#include <tapir/graph/passes.h>
#include <tapir/graph/rewrite.h>

namespace tapir::graph {

Graph loop_unrolling(Graph g) {
  constexpr std::int64_t most_rounds = 8;
  constexpr std::size_t most_nodes = 512;  // of one loop, unrolled
  std::vector<int> now(g.values.size());
  for (std::size_t v = 0; v < now.size(); ++v) now[v] = int(v);
  std::vector<Node> nodes;
  bool any = false;
  for (auto& n : g.nodes) {
    for (int& v : n.in) v = now[std::size_t(v)];
    auto part = unrolled(g, n, most_rounds, most_nodes);
    if (!part) {
      nodes.push_back(std::move(n));
      continue;
    }
    any = true;
    std::vector<int> in;
    for (int v : n.in)
      if (!g.is_constant(v)) in.push_back(v);
    const std::vector<int> out = splice(g, nodes, loop_unrolling(std::move(*part)), in);
    for (std::size_t k = 0; k < out.size(); ++k) now[std::size_t(n.out[k])] = out[k];
  }
  g.nodes = std::move(nodes);
  for (int& v : g.outputs) v = now[std::size_t(v)];
  return any ? prune(std::move(g)) : g;
}

}  // namespace tapir::graph
