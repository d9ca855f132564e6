// Tracer: while it lives, operations of this thread become nodes of a graph instead of running.
#pragma once
#include <tapir/graph/symbols.h>

#include <unordered_map>

namespace tapir::graph {

/// The tensors that it gives have a spec and no data. What depends on constants alone, and has no effect, runs at once.
/// Tracers nest (bodies of control flow); values of an outer trace become inputs of the inner graph.
class Tracer final : private Recorder, private detail::VariableObserver {
 public:
  explicit Tracer(Symbols symbols = Symbols());
  ~Tracer();
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  /// An input of the graph.
  Tensor input(const Spec& spec);
  /// The graph so far, with these outputs: values of this trace, captured values or constants.
  Graph finish(std::span<const Tensor> outputs);
  /// Makes values of the enclosing trace inputs, until each unknown size that the graph depends on is that of an input.
  void bring_in_sizes();
  int node_count() const { return int(graph_.nodes.size()); }

  /// What was read from outside: in order of `Graph::inputs`, after those made by input().
  struct Captured {
    Variable variable;  // undefined: `outer` is a value of the enclosing trace
    Tensor outer;
    Tensor now;  // the value inside, after the last assignment
    bool assigned = false;
  };
  const std::vector<Captured>& captured() const { return captured_; }

  /// The tracer of this thread that would take the next operation, or null.
  static Tracer* current();
  const Symbols& symbols() const { return symbols_; }

 private:
  bool intercept(const OpDef& op, Inputs in, Attrs attrs, const Specs& specs, Tensors& out) override;
  void record(const OpDef&, Inputs, std::span<const Tensor>, Attrs) override {}
  void on_read(const Variable&, const Tensor&) override {}
  bool on_assign(const Variable& v, const Tensor& value) override;
  Tensor on_value(const Variable& v) override;
  Captured& capture(const Variable& v);
  int value_of(const Tensor& t);
  bool computed_outside(const Tensor& t) const;
  Tensor sized(std::size_t k);
  Tensor new_value(const Spec& spec, int& value);

  Graph graph_;
  Symbols symbols_;
  std::unordered_map<std::uint64_t, int> values_;  // by tensor id
  std::vector<Captured> captured_;
  std::vector<Tensor> keep_;  // so that ids stay unique to their tensors
  Recorder* outer_recorder_;
  detail::VariableObserver* outer_observer_;
  Tracer* outer_;
};

/// While it lives, operations of this thread run at once and nobody records them: making variables, for one.
class Untraced {
 public:
  Untraced();
  ~Untraced();

 private:
  Recorder* recorder_;
  detail::VariableObserver* observer_;
  Tracer* tracer_;
};

}  // namespace tapir::graph
