// Concrete: what one signature of a function became. Runs it, and differentiates it when a tape looks on.
#pragma once
#include <tapir/graph/executable.h>
#include <tapir/graph/trace.h>

#include <map>
#include <mutex>

namespace tapir::graph {

class Concrete {
 public:
  /// `traced` has `arguments` inputs, then one for each of `variables`; `results` outputs, then the new values of
  /// `assigned` (indices into `variables`). `own`: which variables the body made itself, as each trace of it does.
  Concrete(Graph traced, Symbols symbols, int arguments, int results, std::vector<Variable> variables,
           std::vector<int> assigned, std::vector<bool> own = {});

  /// What profiles call it.
  void set_name(std::string name) { name_ = std::move(name); }
  /// Runs it: reads the variables, assigns them, records on the tapes of this thread, becomes part of the trace of this
  /// thread.
  std::vector<Tensor> call(std::span<const Tensor> arguments);
  /// The graph alone: inputs and outputs as in `traced`; nothing is recorded.
  std::vector<Tensor> run(std::vector<Tensor> inputs);

  const Graph& traced() const { return traced_; }
  const std::vector<Variable>& variables() const { return variables_; }
  const std::vector<int>& assigned() const { return assigned_; }
  bool owns(std::size_t variable) const { return variable < own_.size() && own_[variable]; }
  int arguments() const { return arguments_; }
  /// Of the arguments; `unknown` where any size will do.
  std::vector<TensorSpec> signature() const;
  int results() const { return results_; }
  const Symbols& symbols() const { return symbols_; }
  /// Has it unknown sizes?
  bool open() const { return !symbols_.empty(); }
  /// What the unknown sizes are for these inputs.
  std::vector<std::int64_t> sizes_of(std::span<const Tensor> inputs) const;
  /// Do the unknown sizes agree: where two dimensions were one unknown size in the trace, are they equal here?
  bool takes(std::span<const Tensor> arguments) const;
  /// The executable for these inputs; made when it is first asked for.
  std::shared_ptr<Executable> executable(std::span<const Tensor> inputs);
  /// What was made so far.
  std::vector<std::shared_ptr<Executable>> executables() const;

  /// The traced graph for inputs of these sizes, which may have specs alone.
  Graph specialised(std::span<const Tensor> inputs) const;
  /// What the outputs are for these inputs, which may have specs alone.
  std::vector<Spec> output_specs(std::span<const Tensor> inputs) const;
  /// inputs, dy of each floating output -> gradients of each floating input, zero where nothing flows.
  std::shared_ptr<Concrete> vjp();

  // The pair that a tape needs: a forward graph that also gives what the backward graph reads.
  struct Differentiated;
  std::shared_ptr<Differentiated> differentiated(const std::vector<bool>& wanted);

 private:
  const Graph traced_;
  const Symbols symbols_;
  const int arguments_, results_;
  const std::vector<Variable> variables_;
  const std::vector<int> assigned_;
  const std::vector<bool> own_;
  const Device device_;  // of every value
  std::string name_ = "body";
  mutable std::mutex mutex_;
  std::vector<std::pair<std::vector<std::int64_t>, std::shared_ptr<Executable>>>
      executables_;  // by the unknown sizes, latest first
  std::map<std::vector<bool>, std::shared_ptr<Differentiated>> differentiated_;
  std::shared_ptr<Concrete> vjp_;
};

/// The inputs through the graph of `c`, seen by the tapes and traces of this thread: what call() does after reading
/// variables. New values of variables may be missing: those have them already.
std::vector<Tensor> apply_concrete(Concrete& c, std::vector<Tensor> inputs);

}  // namespace tapir::graph
