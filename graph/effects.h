// Nodes that do more than compute: draws, prints, checks, and control flow with such nodes in a body.
#pragma once
#include <tapir/graph/graph.h>

namespace tapir::graph {

/// Must an op on these inputs stay where it is, and happen once a call?
bool has_effect(const OpDef& op, Inputs in);
bool has_effect(const Graph& g, const Node& n);
/// Is there such a node in it?
bool has_effect(const Graph& g);

/// A graph that may be run again, for a gradient: it prints and checks nothing, and what was drawn is given as inputs,
/// which are added at the end. `drawn`: the values of `g` that they stand for. Throws UsageError where a while_loop
/// draws.
Graph repeatable(Graph g, std::vector<int>& drawn);

}  // namespace tapir::graph
