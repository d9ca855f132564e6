// The IR: nodes in program order over numbered values. A trace makes one, passes rewrite it, a plan runs it.
#pragma once
#include <tapir/ops/op.h>

#include <memory>
#include <string>
#include <vector>

namespace tapir::graph {

/// A copy of an op's attributes.
class OwnAttrs {
 public:
  OwnAttrs() = default;
  OwnAttrs(Attrs a) : type_(a.type()) {
    if (a)
      bytes_.assign(static_cast<const std::byte*>(a.data()), static_cast<const std::byte*>(a.data()) + type_->size);
  }
  Attrs get() const { return bytes_.empty() ? Attrs() : Attrs(bytes_.data(), type_); }
  void visit(AttrVisitor& v) {
    if (!bytes_.empty()) type_->visit(bytes_.data(), v);
  }

 private:
  const AttrsType* type_ = nullptr;
  std::vector<std::byte> bytes_;
};

struct Value {
  Spec spec;
  Tensor constant;       // undefined if it is computed
  bool lasting = false;  // an input that calls do not change: the value of a variable; see settled.h
};

struct Node {
  const OpDef* op = nullptr;
  OwnAttrs attrs;
  std::vector<int> in, out;
  Where where;                       // the user's line
  std::shared_ptr<const void> keep;  // what `attrs` points to, if anything
  std::string note;                  // for people: what was fused into it
};

struct Graph {
  std::vector<Value> values;
  std::vector<Node> nodes;
  std::vector<int> inputs, outputs;

  int add(Spec spec, Tensor constant = {}) {
    values.push_back({spec, std::move(constant)});
    return int(values.size()) - 1;
  }
  bool is_constant(int value) const { return values[std::size_t(value)].constant.defined(); }
  const Spec& spec(int value) const { return values[std::size_t(value)].spec; }
};

inline std::size_t bytes_of(const Spec& s) { return std::size_t(s.shape.size()) * size_of(s.dtype); }

/// The node that makes each value, -1 for inputs and constants.
std::vector<int> producers(const Graph& g);
/// How many nodes read each value; being an output counts once.
std::vector<int> use_counts(const Graph& g);
/// Throws InternalError unless every value is defined before it is used, once, and specs are what infer says.
void verify(const Graph& g, const char* after);
/// "train.cpp:41"; empty if it names no place.
std::string line_of(const Where& where);
/// One line a node, for people.
std::string to_text(const Graph& g);
/// For Graphviz.
std::string to_dot(const Graph& g);

/// Runs the graph op by op through apply(), so that tapes and traces see it.
std::vector<Tensor> replay(const Graph& g, std::span<const Tensor> inputs);

/// A tensor that stands for the spec of a value where `infer` wants one.
Tensor stand_in(const Value& v);

}  // namespace tapir::graph
