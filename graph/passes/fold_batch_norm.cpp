// Batch normalisation with given statistics, of a convolution by weights that last from call to call, is the
// convolution by other weights and an addition: y = (conv(x, k) + b - mean) * f + offset = conv(x, k * f) + ((b - mean)
// * f + offset), with f = scale / sqrt(variance + epsilon). The new weights are computed when the variables change
// (settled.h).
#include <tapir/graph/passes/pattern.h>
#include <tapir/graph/settled.h>
#include <tapir/ops/normalization_attrs.h>
#include <tapir/ops/operand.h>

namespace tapir::graph {

Graph fold_batch_norm(Graph g) {
  const Links links(g);
  const std::vector<char> lasting = lasting_values(g);
  auto lasts = [&](int v, const Shape& shape, DType dtype) {
    return lasting[std::size_t(v)] && g.spec(v).shape == shape && g.spec(v).dtype == dtype;
  };
  std::vector<char> gone(g.nodes.size(), 0);
  std::vector<std::vector<Node>> before(g.nodes.size());  // new nodes in front of each
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    const Node& norm = g.nodes[i];
    if (!is(norm, "batch_norm")) continue;
    // x is a convolution, or one with a bias added, that nobody else reads.
    int x = norm.in[0], bias = -1;
    const int added = links.producer(x, "add");
    if (added >= 0 && links.only_reader(x) == int(i)) {
      const std::vector<int>& in = g.nodes[std::size_t(added)].in;
      const int at = links.producer(in[0], "conv") >= 0 ? 0 : 1;
      x = in[std::size_t(at)], bias = in[std::size_t(1 - at)];
    }
    const int conv = links.producer(x, "conv");
    if (conv < 0 || links.only_reader(x) != (bias < 0 ? int(i) : added)) continue;
    const int kernel = g.nodes[std::size_t(conv)].in[1];
    const Spec weights = g.spec(kernel), y = g.spec(norm.out[0]);
    if ((y.dtype != DType::f32 && y.dtype != DType::f64) || y.shape.size() == 0 || !(g.spec(x).shape == y.shape))
      continue;
    const Spec channels{{weights.shape.back()}, y.dtype};
    bool fits = lasts(kernel, weights.shape, y.dtype) && (bias < 0 || lasts(bias, channels.shape, y.dtype));
    for (std::size_t k = 1; k < norm.in.size(); ++k) fits &= lasts(norm.in[k], channels.shape, y.dtype);
    if (!fits) continue;

    std::vector<Node>& first = before[i];
    auto node = [&](const char* name, std::vector<int> in, const Spec& spec, int out = -1) {
      return add_node(g, first, name, std::move(in), spec, norm.where, out);
    };
    const int mean = norm.in[1], variance = norm.in[2], scale = norm.in[3], offset = norm.in[4];
    const int epsilon = g.add({{}, DType::f64}, Operand(norm.attrs.get().as<NormAttrs>().epsilon).tensor());
    int factor = node("rsqrt", {node("add", {variance, epsilon}, channels)}, channels);
    factor = node("multiply", {factor, scale}, channels);
    const int folded = node("multiply", {kernel, factor}, weights);
    const int centre = bias < 0 ? mean : node("subtract", {mean, bias}, channels);
    const int shift = node("subtract", {offset, node("multiply", {centre, factor}, channels)}, channels);
    Node again = g.nodes[std::size_t(conv)];
    again.in[1] = folded;
    again.out = {g.add(y)};
    const int result = again.out[0];
    first.push_back(std::move(again));
    gone[std::size_t(conv)] = 1;
    if (bias >= 0) gone[std::size_t(added)] = 1;
    node("add", {result, shift}, y, norm.out[0]);
    gone[i] = 1;
  }
  std::vector<Node> nodes;
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    for (auto& n : before[i]) nodes.push_back(std::move(n));
    if (!gone[i]) nodes.push_back(std::move(g.nodes[i]));
  }
  g.nodes = std::move(nodes);
  return g;
}

}  // namespace tapir::graph
