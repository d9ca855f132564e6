// Arithmetic that changes nothing, casts and reshapes of the same, views of views.
#include <tapir/graph/passes.h>

#include <cstring>

namespace tapir::graph {
namespace {

bool is(const Node& n, const char* name) { return std::strcmp(n.op->name, name) == 0; }

// The one number that a constant holds everywhere, if it does.
bool splat(const Graph& g, int v, double& number) {
  const Tensor& c = g.values[std::size_t(v)].constant;
  if (!c.defined() || !c.has_data() || c.dtype() == DType::boolean || c.size() == 0) return false;
  for (int i = 0; i < c.rank(); ++i)
    if (c.shape()[i] != 1 && c.strides()[i] != 0) return false;
  Tensor one = c.view_as({}, {});
  number = is_integer(c.dtype()) ? double(one.item<std::int64_t>()) : one.item<double>();
  return true;
}

// The input that a node merely passes on, or -1.
int passes_on(const Graph& g, const Node& n) {
  auto same = [&](int v) {
    return !g.is_constant(v) && g.spec(v).shape == g.spec(n.out[0]).shape && g.spec(v).dtype == g.spec(n.out[0]).dtype;
  };
  double number;
  if (is(n, "multiply")) {
    if (same(n.in[0]) && splat(g, n.in[1], number) && number == 1) return n.in[0];
    if (same(n.in[1]) && splat(g, n.in[0], number) && number == 1) return n.in[1];
  }
  if ((is(n, "divide") || is(n, "pow")) && same(n.in[0]) && splat(g, n.in[1], number) && number == 1) return n.in[0];
  if (is(n, "subtract") && same(n.in[0]) && splat(g, n.in[1], number) && number == 0) return n.in[0];
  if (is(n, "reshape") || is(n, "astype") || is(n, "broadcast_to") || is(n, "contiguous") || is(n, "stop_gradient"))
    if (same(n.in[0])) return n.in[0];
  return -1;
}

}  // namespace

Graph simplify(Graph g) {
  std::vector<int> now(g.values.size());
  for (std::size_t v = 0; v < now.size(); ++v) now[v] = int(v);
  auto by = producers(g);
  for (auto& n : g.nodes) {
    for (int& v : n.in) v = now[std::size_t(v)];
    // A reshape of a reshape is one.
    if (is(n, "reshape") && by[std::size_t(n.in[0])] >= 0 && is(g.nodes[std::size_t(by[std::size_t(n.in[0])])], "reshape"))
      n.in[0] = g.nodes[std::size_t(by[std::size_t(n.in[0])])].in[0];
    if (int v = passes_on(g, n); v >= 0) now[std::size_t(n.out[0])] = v;
  }
  for (int& v : g.outputs) v = now[std::size_t(v)];
  return prune(std::move(g));
}

}  // namespace tapir::graph
