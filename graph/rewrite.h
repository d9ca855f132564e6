// What passes share: looking at nodes by name, attributes by name, putting a graph in place of a node.
#pragma once
#include <tapir/graph/graph.h>

#include <cstring>

namespace tapir::graph {

/// The one number that the constant `v` holds everywhere, if it does.
bool splat(const Graph& g, int v, double& number);

inline bool is(const Node& n, const char* name) { return std::strcmp(n.op->name, name) == 0; }

// Reads or writes the attribute of one name.
template <class T>
struct OneAttr final : AttrVisitor {
  const char* name;
  T& value;
  bool write, found = false;
  OneAttr(const char* n, T& v, bool w) : name(n), value(v), write(w) {}
  template <class U>
  void meet(const char* n, U& u) {
    if constexpr (std::is_same_v<T, U>) {
      if (std::strcmp(n, name) != 0) return;
      found = true;
      if (write) u = value;
      else value = u;
    }
  }
  void operator()(const char* n, std::int64_t& v) override { meet(n, v); }
  void operator()(const char* n, double& v) override { meet(n, v); }
  void operator()(const char* n, bool& v) override { meet(n, v); }
  void operator()(const char* n, Shape& v) override { meet(n, v); }
  void operator()(const char* n, DType& v) override { meet(n, v); }
};

/// The attribute `name` of a node that has one of this type, else InternalError.
template <class T>
T attr(const Node& n, const char* name) {
  T value{};
  OneAttr<T> read(name, value, false);
  OwnAttrs copy = n.attrs;
  copy.visit(read);
  if (!read.found) throw InternalError(std::string(n.op->name) + ": no attribute " + name + ".");
  return value;
}
template <class T>
void set_attr(Node& n, const char* name, T value) {
  OneAttr<T> write(name, value, true);
  n.attrs.visit(write);
  if (!write.found) throw InternalError(std::string(n.op->name) + ": no attribute " + name + ".");
}

/// Makes `n` another operation, with its default attributes; inputs stay.
void become(Node& n, const char* op);

/// Adds a node of an operation without attributes to `nodes`; gives its result: `out`, or a new value of `g`.
int add_node(Graph& g, std::vector<Node>& nodes, const char* op, std::vector<int> in, const Spec& spec,
             const Where& where, int out = -1);

/// Adds the nodes of `part`, whose inputs are the values `in` of `g`, to `nodes`; gives the values of its outputs.
std::vector<int> splice(Graph& g, std::vector<Node>& nodes, const Graph& part, const std::vector<int>& in);

}  // namespace tapir::graph
