// Gradients that read an operand for its shape alone become the operation without it: d(a / b)/da is dy / b. Where dy
// is a constant, as the first one is, so is the gradient then, and the operand need not be kept.
#include <tapir/graph/passes.h>
#include <tapir/graph/rewrite.h>

namespace tapir::graph {
namespace {

struct Rule {
  const char *gradient, *op;
  std::size_t other;  // the operand that counts beside dy
};
constexpr Rule kRules[] = {
    {"multiply_grad_a", "multiply", 2}, {"multiply_grad_b", "multiply", 1}, {"divide_grad_a", "divide", 2}};

}  // namespace

Graph unread_operands(Graph g) {
  for (auto& n : g.nodes)
    for (const Rule& rule : kRules) {
      if (!is(n, rule.gradient)) continue;
      Node without = n;
      without.in = {n.in[0], n.in[rule.other]};
      become(without, rule.op);
      const std::vector<Tensor> in{stand_in(g.values[std::size_t(without.in[0])]),
                                   stand_in(g.values[std::size_t(without.in[1])])};
      auto refs = refs_of(in);
      Specs specs;
      without.op->infer(Inputs(refs), without.attrs.get(), specs);
      const Spec& out = g.spec(n.out[0]);
      if (specs[0].shape == out.shape && specs[0].dtype == out.dtype)
        n = std::move(without);  // dy is of the result's shape, mostly
      break;
    }
  return prune(std::move(g));  // of what was not read but for its shape
}

}  // namespace tapir::graph
