// What depends on the values of variables alone that a call does not change: computed when they change, and kept.
// Batch normalisation folded into a kernel costs a prediction nothing then.
#pragma once
#include <tapir/graph/executable.h>

namespace tapir::graph {

/// Which values are the same in every call until somebody assigns a variable: constants, inputs that are so marked, and
/// what is computed from these, unless it is larger than they are.
std::vector<char> lasting_values(const Graph& g);
/// Which nodes compute such values with a kernel.
std::vector<char> settled_nodes(const Graph& g);

/// The settled nodes of a graph, and what they gave for the inputs of the last call.
class Settled {
 public:
  /// `values`: those that are asked for.
  Settled(const Graph& g, const std::vector<char>& nodes, std::vector<int> values);
  /// Those values, for the inputs of `g`. Any number of threads may ask at once.
  std::shared_ptr<const std::vector<Tensor>> of(std::span<const Tensor> inputs);
  const std::vector<int>& values() const { return values_; }

 private:
  std::vector<int> values_;
  std::vector<std::size_t> from_;  // which inputs of `g` it reads
  std::unique_ptr<Executable> run_;
  std::mutex mutex_;
  std::vector<std::uint64_t> ids_;  // of the inputs that `kept_` was made of
  std::shared_ptr<const std::vector<Tensor>> kept_;
};

}  // namespace tapir::graph
