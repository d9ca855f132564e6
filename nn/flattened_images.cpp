#include <tapir/graph/trace.h>
#include <tapir/nn/flattened_images.h>
#include <tapir/nn/layer_state.h>

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace tapir::nn::detail {
namespace {

using graph::Graph;
using GraphNode = graph::Node;

bool named(const GraphNode& n, const char* name) { return std::string_view(n.op->name) == name; }

// The graph of a call, with the variable that each of its inputs reads (undefined for an argument).
struct Traced {
  Graph graph;
  std::vector<Variable> variables;  // by value
};

Traced trace(const char* op, Layer& model) {
  const Layer::State& s = *model.state();
  Unrecorded unrecorded;
  graph::Tracer tracer;
  std::vector<Tensor> xs{tracer.input({s.input.shape, s.input.dtype})};
  for (auto& other : s.other_inputs) xs.push_back(tracer.input({other.shape, other.dtype}));
  std::vector<Tensor> ys;
  try {
    ys = {xs.size() == 1 ? model(xs[0], {.training = 0}) : model(xs, {.training = 0})};
  } catch (const UsageError& e) {
    const std::string why = e.what();  // names our caller's line already
    throw UsageError(fmt::format("{}: {} cannot be traced, which tells where images are flattened. {}", op,
                                 model.name(), CallSite::current() ? why.substr(why.find(": ") + 2) : why));
  }
  Traced out{tracer.finish(ys), {}};
  out.variables.resize(out.graph.values.size());
  const auto& captured = tracer.captured();
  for (std::size_t i = 0; i < captured.size(); ++i)
    out.variables[std::size_t(out.graph.inputs[xs.size() + i])] = captured[i].variable;
  return out;
}

// Labels the values [N, H * W * C] of a graph that are images [H, W, C], by where they come from or go to.
class Labels {
 public:
  explicit Labels(const Traced& t) : g_(t.graph), by_(graph::producers(g_)), images_(g_.values.size()) {
    for (auto& n : g_.nodes) {
      if (named(n, "reshape")) {
        if (flattens(n)) images_[at(n.out[0])] = without_batch(n.in[0]);
      } else if (keeps_order(n)) {
        for (int v : n.in) spread(v, n.out[0]);
      }
    }
    for (auto n = g_.nodes.rbegin(); n != g_.nodes.rend(); ++n) {
      if (named(*n, "reshape")) {
        if (unflattens(*n) && images_[at(n->in[0])].empty()) images_[at(n->in[0])] = without_batch(n->out[0]);
      } else if (keeps_order(*n)) {
        for (int v : n->in) spread(n->out[0], v);
      }
    }
  }

  /// Rank 0: it is none.
  const Shape& image(int value) const { return images_[at(value)]; }

  // One number for each, in the same order.
  static bool keeps_order(const GraphNode& n) {
    const std::string_view name = n.op->name;
    return n.op->tile || name == "batch_norm" || name == "layer_norm" || name == "rms_norm" || name == "contiguous" ||
           name == "astype" || name == "stop_gradient";
  }

 private:
  static std::size_t at(int value) { return std::size_t(value); }
  const GraphNode& node(int n) const { return g_.nodes[at(n)]; }
  // The operand whose numbers it changes one by one.
  int like_its_result(const GraphNode& n) const {
    const auto it = std::find_if(n.in.begin(), n.in.end(), [&](int v) { return shape(v) == shape(n.out[0]); });
    return it == n.in.end() ? n.in[0] : *it;
  }
  const Shape& shape(int value) const { return g_.spec(value).shape; }
  Shape without_batch(int value) const { return shape(value).last(shape(value).rank() - 1); }

  void spread(int from, int to) {
    if (!image(from).empty() && image(to).empty() && shape(from) == shape(to)) images_[at(to)] = image(from);
  }

  // Sequences [N, T, C] are in PyTorch as they are here; what a convolution gave is not. What was transposed before
  // has an order that somebody chose: channels first, as PyTorch's.
  bool flattens(const GraphNode& n) const {
    const Shape &in = shape(n.in[0]), &out = shape(n.out[0]);
    if (out.rank() != 2 || in.rank() < 3 || in[0] != out[0]) return false;
    int p = by_[at(n.in[0])];
    while (p >= 0 && keeps_order(node(p))) p = by_[at(like_its_result(node(p)))];
    if (p >= 0 && named(node(p), "permute_dims")) return false;
    bool convolved = in.rank() > 3;
    for (; !convolved && p >= 0 && !node(p).op->make && !named(node(p), "matmul"); p = by_[at(node(p).in[0])]) {
      const std::string_view name = node(p).op->name;
      convolved = name.starts_with("conv") || name.find("pool") != std::string_view::npos;
      if (node(p).in.empty()) break;
    }
    return convolved;
  }
  bool unflattens(const GraphNode& n) const {
    const Shape &in = shape(n.in[0]), &out = shape(n.out[0]);
    return in.rank() == 2 && out.rank() > 3 && in[0] == out[0] &&
           std::none_of(g_.nodes.begin(), g_.nodes.end(),
                        [&](auto& reader) { return named(reader, "permute_dims") && reader.in[0] == n.out[0]; });
  }

  const Graph& g_;
  std::vector<int> by_;
  std::vector<Shape> images_;
};

}  // namespace

FlattenedImages flattened_images(const char* op, Layer& model) {
  const Traced traced = trace(op, model);
  const Labels labels(traced);
  FlattenedImages out;
  const std::vector<int> by = graph::producers(traced.graph);
  for (auto& n : traced.graph.nodes) {
    auto variable = [&](std::size_t i) {
      int v = n.in[i];
      if (const int p = by[std::size_t(v)]; p >= 0 && named(traced.graph.nodes[std::size_t(p)], "reshape"))
        v = traced.graph.nodes[std::size_t(p)].in[0];  // statistics come as [C]
      return traced.variables[std::size_t(v)];
    };
    if (n.out.empty()) continue;
    const Shape& of_result = labels.image(n.out[0]);
    if (named(n, "matmul")) {
      if (!variable(1).defined()) continue;
      if (const Shape& image = labels.image(n.in[0]); !image.empty()) out.rows[variable(1).cell()] = image;
      if (!of_result.empty()) out.columns[variable(1).cell()] = of_result;
    } else if (Labels::keeps_order(n) && !of_result.empty()) {
      for (std::size_t i = 0; i < n.in.size(); ++i)
        if (variable(i).defined() && variable(i).shape() == Shape{of_result.size()})
          out.columns[variable(i).cell()] = of_result;
    }
  }
  return out;
}

}  // namespace tapir::nn::detail
