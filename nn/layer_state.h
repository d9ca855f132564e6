// What the copies of a layer share. Internal to nn/.
#pragma once
#include <tapir/nn/layer.h>

#include <optional>

namespace tapir::nn {

struct Layer::State {
  std::string name, type;
  bool named = false;  // by the user
  bool built = false;  // `call` has run once
  bool trainable = true;
  bool needs_build = true;  // summary() says "unbuilt" until it is
  bool passes_mask = false;
  bool casts = true;                             // inputs, and weights as they are read
  std::optional<DTypePolicy> policy;             // if somebody said what to compute in
  TensorSpec input;                              // of the first call, with its batch dimension
  Shape output;                                  // likewise
  std::vector<TensorSpec> other_inputs;          // of a layer of several
  std::vector<Variable> own;                     // in order of first use
  std::vector<std::shared_ptr<State>> children;  // likewise
  std::vector<Variable> streams;                 // where its random numbers stand: state, but no weights
  std::vector<std::pair<Variable, Regularizer>> regularizers;
  std::vector<std::pair<Variable, Constraint>> constraints;
  int version = 0;  // of what a trace cannot see: the list of a Sequential
  /// Adds a child that is not there yet.
  void attach(const std::shared_ptr<State>& child);
  void attach(const Variable& v);
  /// Is it one of this layer's, or of those in it?
  bool owns(const Variable& v) const;
};

namespace detail {

/// A call of a layer in the functional API, or an Input.
struct SymbolNode {
  std::shared_ptr<Layer> layer;  // null: an Input
  std::vector<Symbol> inputs;
  std::vector<TensorSpec> outputs;  // of one example, without its batch dimension
  std::string name;                 // of an Input
};

/// A line of summary().
struct SummaryRow {
  std::shared_ptr<Layer::State> layer;  // null: an Input
  std::string name, type;
  Shape output;  // with its batch dimension
  std::string connected_to = "";
};

/// Visits variables, each once, in order: `f(variable, trainable, path)` where path is "block/dense/kernel", made of
/// the names within each parent, so that it does not depend on what else the process has made.
void visit_variables(const Layer::State& root, const Callable<void(const Variable&, bool, const std::string&)>& f);
/// The same for `streams`; trainable is false.
void visit_streams(const Layer::State& root, const Callable<void(const Variable&, bool, const std::string&)>& f);
/// Visits layers, each once, a parent before those in it: `f(layer, path)`, paths as above, "block/dense"; "" of the
/// root.
void visit_layers(const Layer::State& root, const Callable<void(const Layer::State&, const std::string&)>& f);
/// Have all layers of the tree run once, so that all weights are there?
bool all_built(const Layer::State& root);
/// Has any weight of the tree a regularizer?
bool regularized(const Layer::State& root);
/// What a trace of this layer depends on besides tensors: which layers and variables there are, which of them are
/// frozen.
std::string structure_of(const Layer::State& root);

/// Sees the layers that this thread calls, outer ones before those in them: drawings of models.
struct LayerObserver {
  virtual void enter(const std::shared_ptr<Layer::State>& layer, const Tensor& x) = 0;
  virtual void leave(const std::shared_ptr<Layer::State>& layer, const Tensor& y) = 0;

 protected:
  ~LayerObserver() = default;
};
/// Null while nobody looks on.
LayerObserver*& layer_observer();

/// "1,234"
std::string with_commas(std::int64_t n);
/// As Keras writes the shape of a batch: "(None, 26, 26, 32)"; "?" if it is not known.
std::string shape_text(const Shape& s);

/// Hides tapes, traces, layers and autocasts from what runs inside: making weights is no part of the program.
class Unrecorded {
 public:
  Unrecorded();
  ~Unrecorded();
  Unrecorded(const Unrecorded&) = delete;

 private:
  void *recorder_, *observer_, *scope_;
  Autocast plain_{DType::f32};
};

}  // namespace detail
}  // namespace tapir::nn
