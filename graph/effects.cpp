#include <tapir/graph/effects.h>
#include <tapir/graph/handle.h>

namespace tapir::graph {

bool has_effect(const OpDef& op, Inputs in) {
  if (op.effect) return true;
  if (!op.make) return false;
  for (std::size_t i = 0; i < in.size(); ++i)
    if (auto body = concrete_of(in[i]); body && has_effect(body->traced())) return true;
  return false;
}

bool has_effect(const Graph& g, const Node& n) {
  if (n.op->effect || !n.op->make) return n.op->effect;
  std::vector<Inputs::Ref> constants;
  for (int v : n.in)
    if (g.is_constant(v)) constants.emplace_back(g.values[std::size_t(v)].constant);
  return has_effect(*n.op, Inputs(constants));
}

bool has_effect(const Graph& g) {
  for (auto& n : g.nodes)
    if (has_effect(g, n)) return true;
  return false;
}

Graph repeatable(Graph g, std::vector<int>& drawn) {
  std::vector<Node> kept;
  for (auto& n : g.nodes) {
    if (n.op->effect) {
      for (int v : n.out) drawn.push_back(v), g.inputs.push_back(v);
      continue;
    }
    for (int& v : n.in) {
      auto body = n.op->make && g.is_constant(v) ? concrete_of(g.values[std::size_t(v)].constant) : nullptr;
      if (!body || !has_effect(body->traced())) continue;
      v = g.add(g.spec(v), repeatable(g.values[std::size_t(v)].constant));
    }
    kept.push_back(std::move(n));
  }
  g.nodes = std::move(kept);
  return g;
}

Tensor repeatable(const Tensor& handle) {
  auto body = concrete_of(handle);
  if (!body || !has_effect(body->traced())) return handle;
  std::vector<int> drawn;
  Graph g = repeatable(body->traced(), drawn);
  if (!drawn.empty())
    throw UsageError(
        "gradient: a while_loop in a trace draws random numbers, which its gradient cannot draw again. Give the draws "
        "a seed, or use for_loop or scan.");
  return handle_of(std::make_shared<Concrete>(std::move(g), body->symbols(), body->arguments(), body->results(),
                                              std::vector<Variable>(), std::vector<int>()));
}

}  // namespace tapir::graph
