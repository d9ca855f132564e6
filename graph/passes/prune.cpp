// Drops what nobody reads and has no effect.
#include <tapir/graph/effects.h>
#include <tapir/graph/passes.h>

namespace tapir::graph {

Graph prune(Graph g) {
  std::vector<char> needed(g.values.size(), 0);
  for (int v : g.outputs) needed[std::size_t(v)] = 1;
  std::vector<Node> kept;
  for (std::size_t i = g.nodes.size(); i-- > 0;) {
    Node& n = g.nodes[i];
    bool needs = has_effect(g, n);
    for (int v : n.out) needs |= needed[std::size_t(v)] != 0;
    if (!needs) continue;
    for (int v : n.in) needed[std::size_t(v)] = 1;
    kept.push_back(std::move(n));
  }
  g.nodes.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));
  return g;
}

}  // namespace tapir::graph
