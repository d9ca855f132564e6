// A first layer's convolution and the max-pooling of its result become one op, which writes the pooled values alone;
// the kernel's gradient then reads pooled gradients and winners.
#include <tapir/graph/passes/pattern.h>
#include <tapir/ops/conv_pool.h>
#include <tapir/ops/pool_attrs.h>

namespace tapir::graph {
namespace {

// Windows of rows by columns that touch, without padding.
bool plain_windows(const PoolAttrs& a) {
  for (int d : {1, 2})
    if (a.output[d] * a.size[d] > a.input[d]) return false;  // the last window is padded
  return a.size[0] == 1 && a.input[0] == 1 && a.strides == a.size && a.before == Shape{0, 0, 0} && a.size.size() <= 256;
}

bool pays(const Graph& g, int x, int kernel, int y, const ConvAttrs& a, ConvDirection d) {
  const DType dtype = g.spec(x).dtype;
  if (a.groups != 1 || g.spec(x).shape.back() > 4)
    return false;  // the fused op takes no groups, and pays in first layers
  return (dtype == DType::f32 || dtype == DType::f64) && a.strides.rank() == 2 && g.spec(y).shape.size() > 0 &&
         cpu::conv_pool_pays(g.spec(x).shape, g.spec(kernel).shape, g.spec(y).shape, a, dtype, d);
}

}  // namespace

Graph fuse_conv_pool(Graph g) {
  const Links links(g);
  std::vector<char> gone(g.nodes.size(), 0);
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    Node& n = g.nodes[i];
    if (is(n, "max_pool") && plain_windows(n.attrs.get().as<PoolAttrs>())) {
      const int shape = links.producer(n.in[0], "reshape");
      if (shape < 0 || links.only_reader(n.in[0]) != int(i)) continue;
      const int y = g.nodes[std::size_t(shape)].in[0], conv = links.producer(y, "conv");
      if (conv < 0 || links.only_reader(y) != shape) continue;
      const Node& c = g.nodes[std::size_t(conv)];
      const auto& a = c.attrs.get().as<ConvAttrs>();
      const auto& p = n.attrs.get().as<PoolAttrs>();
      if (!pays(g, c.in[0], c.in[1], y, a, ConvDirection::forward)) continue;
      const ConvPoolAttrs both{a, {p.size[1], p.size[2]}, p.winners};
      n.op = &conv_max_pool_op;
      n.note = "conv, max_pool";
      n.attrs = OwnAttrs(both);
      n.in = c.in;
      gone[std::size_t(conv)] = gone[std::size_t(shape)] = 1;
    } else if (is(n, "conv_kernel_gradient")) {
      const int shape = links.producer(n.in[1], "reshape");
      if (shape < 0 || links.only_reader(n.in[1]) != int(i)) continue;
      const int full = g.nodes[std::size_t(shape)].in[0], back = links.producer(full, "max_pool_grad");
      if (back < 0 || links.only_reader(full) != shape) continue;
      const Node& b = g.nodes[std::size_t(back)];
      const auto& p = b.attrs.get().as<PoolAttrs>();
      const auto& a = n.attrs.get().as<ConvAttrs>();
      if (!plain_windows(p) || g.spec(b.in[1]).dtype != DType::u8) continue;
      if (!pays(g, n.in[0], n.out[0], n.in[1], a, ConvDirection::kernel_gradient)) continue;
      const ConvPoolAttrs both{a, {p.size[1], p.size[2]}, true};
      n.op = &conv_max_pool_kernel_gradient_op;
      n.note = "max_pool_grad, conv_kernel_gradient";
      n.attrs = OwnAttrs(both);
      n.in = {n.in[0], b.in[0], b.in[1]};
      gone[std::size_t(back)] = gone[std::size_t(shape)] = 1;
    }
  }
  return without(std::move(g), gone);
}

}  // namespace tapir::graph
