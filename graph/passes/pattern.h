// What passes that look for patterns share: who makes and who reads each value.
#pragma once
#include <tapir/graph/passes.h>
#include <tapir/graph/rewrite.h>

namespace tapir::graph {

/// Does fuse_epilogue put the elementwise program that reads the result of n into its op?
bool takes_epilogue(const Graph& g, const Node& n);
/// The graph without the nodes that are `gone`.
inline Graph without(Graph g, const std::vector<char>& gone) {
  std::vector<Node> kept;
  for (std::size_t i = 0; i < g.nodes.size(); ++i)
    if (!gone[i]) kept.push_back(std::move(g.nodes[i]));
  g.nodes = std::move(kept);
  return g;
}

/// Producers and readers of a graph that stays as it is meanwhile.
class Links {
 public:
  explicit Links(const Graph& g) : g_(g), by_(producers(g)), readers_(g.values.size()) {
    for (int i = 0; i < int(g.nodes.size()); ++i)
      for (int v : g.nodes[std::size_t(i)].in) readers_[std::size_t(v)].push_back(i);
    for (int v : g.outputs) readers_[std::size_t(v)].push_back(-1);
  }
  /// The node that makes a value, -1 if it is an input or a constant.
  int producer(int value) const { return by_[std::size_t(value)]; }
  /// The node of that name that makes a value, or -1.
  int producer(int value, const char* name) const {
    const int p = producer(value);
    return p >= 0 && is(g_.nodes[std::size_t(p)], name) ? p : -1;
  }
  /// Who reads it, once for each operand; -1 for the graph's results.
  const std::vector<int>& readers(int value) const { return readers_[std::size_t(value)]; }
  /// Its only reader, or -1.
  int only_reader(int value) const { return readers(value).size() == 1 ? readers(value)[0] : -1; }
  int only_reader(int value, const char* name) const {
    const int r = only_reader(value);
    return r >= 0 && is(g_.nodes[std::size_t(r)], name) ? r : -1;
  }

 private:
  const Graph& g_;
  std::vector<int> by_;
  std::vector<std::vector<int>> readers_;
};

}  // namespace tapir::graph
