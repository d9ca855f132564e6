// custom_gradient and recompute in a trace: what computes the gradient is a graph of its own, so that whoever
// differentiates the trace later on, inside or around the function, finds it.
#include <tapir/autograd/custom_gradient.h>
#include <tapir/graph/handle.h>
#include <tapir/graph/passes.h>
#include <tapir/ops/create.h>

#include <fmt/format.h>

namespace tapir {

using graph::Tracer;

namespace {

struct PullbackAttrs {
  int inputs = 0;
  template <class V>
  void visit(V&& v) {
    v("inputs", inputs);
  }
};

// Inputs: y, the handle of the graph (dy, what it reads -> gradients of the floating inputs), the inputs, what the
// graph reads.
const OpDef traced_gradient_op = {
    .name = "custom_gradient",
    .infer =
        [](Inputs in, Attrs, Specs& out) {
          out.push_back({in[0].shape(), in[0].dtype()});
        },
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      const auto pullback = graph::concrete_of(n.in(1));
      if (!pullback) throw InternalError("custom_gradient: an input is no graph.");
      const auto given = std::size_t(2 + n.attrs.as<PullbackAttrs>().inputs);
      std::vector<Tensor> in{dy[0]};
      in.insert(in.end(), n.inputs.begin() + std::ptrdiff_t(given), n.inputs.end());
      const std::vector<Tensor> g = graph::replay(pullback->specialised(in), in);
      Tensors dx(n.inputs.size());
      for (std::size_t i = 2, at = 0; i < given; ++i)
        if (is_floating(n.inputs[i].dtype())) dx[i] = g[at++];
      return dx;
    },
    .saves = Saves::inputs,
    .view = [](const Tensor& y, const Spec&, Attrs) { return y.alias(); },
    .attrs = &attrs_type<PullbackAttrs>,
};

// x itself, but another value: what is computed from it is no common subexpression of what was computed from x.
const OpDef again_op = {
    .name = "again",
    .infer =
        [](Inputs in, Attrs, Specs& out) {
          out.push_back({in[0].shape(), in[0].dtype()});
        },
    .gradient = [](const Node&, std::span<const Tensor> dy) -> Tensors { return {dy[0]}; },
    .view = [](const Tensor& x, const Spec&, Attrs) { return x.alias(); },
};

}  // namespace

Tensor detail::traced_again(const Tensor& x) { return apply(again_op, {x}, {}, Where::current()); }

Tensor detail::traced_pullback(const Tensor& y, std::span<const Tensor> inputs, const Pullback& pullback,
                               const Where& where) {
  graph::Graph g;
  std::vector<Tensor> reads;
  graph::Symbols symbols = Tracer::current()->symbols();
  {
    Tracer tracer(symbols);
    const Tensors dx = pulled_back(pullback, tracer.input({y.shape(), y.dtype()}), inputs);
    std::vector<Tensor> gradients;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (is_floating(inputs[i].dtype()))
        gradients.push_back(dx[i].defined() ? dx[i] : zeros(inputs[i].shape(), inputs[i].dtype()));
    tracer.finish(gradients);
    tracer.bring_in_sizes();
    g = tracer.finish(gradients);
    for (auto& c : tracer.captured()) {
      if (c.assigned)
        throw UsageError(fmt::format("custom_gradient: the gradient function assigns variable '{}'. Assign outside.",
                                     c.variable.name()));
      reads.push_back(c.outer);
    }
  }
  const int in = int(g.inputs.size()), out = int(g.outputs.size());
  std::vector<Tensor> all{
      y, graph::handle_of(std::make_shared<graph::Concrete>(graph::prune(std::move(g)), symbols, in, out,
                                                            std::vector<Variable>(), std::vector<int>()))};
  all.insert(all.end(), inputs.begin(), inputs.end());
  all.insert(all.end(), reads.begin(), reads.end());
  auto refs = refs_of(all);
  return apply(traced_gradient_op, Inputs(refs), PullbackAttrs{int(inputs.size())}, where);
}

void list_traced_gradient(std::vector<const OpDef*>& out) {
  out.push_back(&traced_gradient_op);
  out.push_back(&again_op);
}

}  // namespace tapir
