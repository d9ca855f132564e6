// Computes now what depends on constants alone.
#include <tapir/graph/passes.h>
#include <tapir/graph/trace.h>
#include <tapir/ops/shaping.h>
#include <tapir/tensor/cuda_module.h>
#include <tapir/tensor/device_scope.h>

#include <algorithm>

namespace tapir::graph {
namespace {

constexpr std::size_t kMaxBytes = 1 << 20;  // of a result, unless it is no larger than what it is made of

bool foldable(const Graph& g, const Node& n) {
  if (n.op->effect || n.op->make) return false;
  std::size_t in = 0, out = 0;
  for (int v : n.in) {
    const Tensor& c = g.values[std::size_t(v)].constant;
    if (!c.defined() || !c.has_data()) return false;
    in += bytes_of(g.spec(v));
  }
  for (int v : n.out) out += bytes_of(g.spec(v));
  return out <= std::max(in, kMaxBytes);
}

// Views are made dense, so that nobody has to do it on every call; but one number that fills a shape stays one. What
// was computed is no C++ number any more, whose dtype would give way.
Tensor kept(Tensor t) {
  if (t.is_weak()) {
    Tensor strong = Tensor::empty(t.shape(), t.dtype());
    cast_into(t, strong);
    return detail::copied_to(strong, default_device());
  }
  for (int d = 0; d < t.rank(); ++d)
    if (t.strides()[d] == 0 && t.shape()[d] > 1) return t;
  return contiguous(t);
}

}  // namespace

Graph constant_folding(Graph g) {
  Untraced untraced;
  std::vector<Node> left;
  for (auto& n : g.nodes) {
    if (!foldable(g, n)) {
      left.push_back(std::move(n));
      continue;
    }
    std::vector<Inputs::Ref> in;
    for (int v : n.in) in.emplace_back(g.values[std::size_t(v)].constant);
    Tensors out = apply_all(*n.op, Inputs(in), n.attrs.get(), n.where);
    for (std::size_t k = 0; k < out.size(); ++k) g.values[std::size_t(n.out[k])].constant = kept(out[k]);
  }
  g.nodes = std::move(left);
  return g;
}

}  // namespace tapir::graph
