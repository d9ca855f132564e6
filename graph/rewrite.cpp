#include <tapir/graph/rewrite.h>

namespace tapir::graph {

bool splat(const Graph& g, int v, double& number) {
  const Tensor& c = g.values[std::size_t(v)].constant;
  if (!c.defined() || !c.has_data() || c.dtype() == DType::boolean || c.size() == 0) return false;
  for (int i = 0; i < c.rank(); ++i)
    if (c.shape()[i] != 1 && c.strides()[i] != 0) return false;
  Tensor one = c.view_as({}, {});
  number = is_integer(c.dtype()) ? double(one.item<std::int64_t>()) : one.item<double>();
  return true;
}

void become(Node& n, const char* op) {
  n.op = find_op(op);
  if (!n.op) throw InternalError(std::string("there is no operation ") + op + ".");
  n.attrs = OwnAttrs();
  if (!n.op->attrs) return;
  std::vector<std::byte> bytes(n.op->attrs->size + 16);
  n.op->attrs->construct(bytes.data());
  n.attrs = OwnAttrs(Attrs(bytes.data(), n.op->attrs));
}

int add_node(Graph& g, std::vector<Node>& nodes, const char* op, std::vector<int> in, const Spec& spec,
             const Where& where, int out) {
  Node n;
  n.op = find_op(op);
  n.in = std::move(in), n.out = {out >= 0 ? out : g.add(spec)};
  n.where = where;
  nodes.push_back(std::move(n));
  return nodes.back().out[0];
}

std::vector<int> splice(Graph& g, std::vector<Node>& nodes, const Graph& part, const std::vector<int>& in) {
  std::vector<int> here(part.values.size(), -1);
  for (std::size_t i = 0; i < part.inputs.size(); ++i) here[std::size_t(part.inputs[i])] = in[i];
  for (std::size_t v = 0; v < here.size(); ++v)
    if (here[v] < 0) here[v] = g.add(part.values[v].spec, part.values[v].constant);
  for (Node n : part.nodes) {
    for (int& v : n.in) v = here[std::size_t(v)];
    for (int& v : n.out) v = here[std::size_t(v)];
    nodes.push_back(std::move(n));
  }
  std::vector<int> out;
  for (int v : part.outputs) out.push_back(here[std::size_t(v)]);
  return out;
}

}  // namespace tapir::graph
