// Batch normalisation with given statistics, as in inference, is a subtraction, a multiplication and an addition for
// each element: as such they become part of whatever made x. What is computed for each channel is computed once a call.
#include <tapir/graph/passes/pattern.h>
#include <tapir/ops/normalization_attrs.h>
#include <tapir/ops/operand.h>

namespace tapir::graph {

Graph batch_norm_elementwise(Graph g) {
  std::vector<Node> nodes;
  for (Node& n : g.nodes) {
    const Spec x = g.spec(n.in.empty() ? 0 : n.in[0]);
    bool plain = is(n, "batch_norm") && !is_half(x.dtype) && x.shape.size() > 0;
    if (plain)
      for (int v : n.in) plain &= g.spec(v).dtype == x.dtype;
    if (!plain) {
      nodes.push_back(std::move(n));
      continue;
    }
    auto add = [&](const char* name, std::vector<int> in, const Spec& spec, int out = -1) {
      return add_node(g, nodes, name, std::move(in), spec, n.where, out);
    };
    const int mean = n.in[1], variance = n.in[2], scale = n.in[3], offset = n.in[4];
    const Spec channels = g.spec(variance);
    const int epsilon = g.add({{}, DType::f64}, Operand(n.attrs.get().as<NormAttrs>().epsilon).tensor());
    int factor = add("rsqrt", {add("add", {variance, epsilon}, channels)}, channels);
    factor = add("multiply", {factor, scale}, channels);
    const int centred = add("subtract", {n.in[0], mean}, x), scaled = add("multiply", {centred, factor}, x);
    add("add", {scaled, offset}, x, n.out[0]);
  }
  g.nodes = std::move(nodes);
  return g;
}

}  // namespace tapir::graph
