// What the copies of a layer share. Internal to nn/.
#pragma once
#include <tapir/nn/layer.h>

namespace tapir::nn {

struct Layer::State {
  std::string name, type;
  bool named = false;        // by the user
  bool built = false;        // `call` has run once
  bool trainable = true;
  bool needs_build = true;   // summary() says "unbuilt" until it is
  Shape output;              // of the first call, with its batch dimension
  std::vector<Variable> own;                     // in order of first use
  std::vector<std::shared_ptr<State>> children;  // likewise
  /// Adds a child that is not there yet.
  void attach(const std::shared_ptr<State>& child);
  void attach(const Variable& v);
};

namespace detail {

/// Visits variables, each once, in order: `f(variable, trainable, path)` where path is "block/dense/kernel", made of
/// the names within each parent, so that it does not depend on what else the process has made.
void visit_variables(const Layer::State& root, const Callable<void(const Variable&, bool, const std::string&)>& f);

/// Hides tapes, traces and layers from what runs inside: making weights is no part of the program.
class Unrecorded {
 public:
  Unrecorded();
  ~Unrecorded();
  Unrecorded(const Unrecorded&) = delete;

 private:
  void *recorder_, *observer_, *scope_;
};

}  // namespace detail
}  // namespace tapir::nn
