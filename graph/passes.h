// The passes: each rewrites a graph into one that computes the same, in a file of its own in passes/.
#pragma once
#include <tapir/graph/graph.h>

namespace tapir::graph {

struct Pass {
  const char* name;
  const char* does;  // one line, for explain() and the docs
  Graph (*run)(Graph);
  bool for_cpu = false;  // it makes rows that only the CPU has
};

/// In the order in which they run.
std::span<const Pass> all_passes();
/// Runs those that are not switched off (TAPIR_PASSES_OFF=name,name or disable_pass), verifies and dumps
/// (TAPIR_DUMP=folder).
Graph optimise(Graph g);
/// Switches one pass off or on again, for this process; for tests and for finding out what is wrong. Throws UsageError
/// if unknown.
void enable_pass(const std::string& name, bool on);

Graph batch_norm_elementwise(Graph g);
Graph fold_batch_norm(Graph g);
Graph prune(Graph g);
Graph loop_unrolling(Graph g);
Graph unread_operands(Graph g);
Graph constant_folding(Graph g);
Graph transposes(Graph g);
Graph common_subexpressions(Graph g);
Graph simplify(Graph g);
Graph known_activations(Graph g);
Graph fuse_conv_pool(Graph g);
Graph fuse_elementwise(Graph g);
Graph fuse_epilogue(Graph g);
Graph pool_early(Graph g);

}  // namespace tapir::graph
