// Loops as passes see them; their rows are in control_flow.cpp.
#pragma once
#include <tapir/graph/graph.h>

#include <optional>

namespace tapir::graph {

/// What a loop computes without a loop, if `n` is one of 1 to `most_rounds` rounds and that takes at most `most_nodes`
/// nodes. Inputs: those of `n` that are no constants; outputs as of `n`.
std::optional<Graph> unrolled(const Graph& g, const Node& n, std::int64_t most_rounds, std::size_t most_nodes);

}  // namespace tapir::graph
