// A convolution and the elementwise program that reads its result become one op, which works on pieces of the result
// while they are in cache: bias, activation, residual add, batch normalisation with given statistics.
#include <tapir/graph/passes/pattern.h>
#include <tapir/ops/fused.h>

namespace tapir::graph {
namespace {

// The program of node n, with input `at` as input 0 and `before` inputs of the op between it and the others. Null if it
// cannot be.
struct Moved {
  TileProgram program;
  std::shared_ptr<const void> attrs;  // what its steps point to
};

std::shared_ptr<Moved> moved_program(const Node& n, std::size_t at, const Shape& result) {
  const TileProgram& p = *n.attrs.get().as<TileProgramAttrs>().program;
  if (p.sum != TileProgram::Sum::none || !(p.shape == result)) return nullptr;
  auto m = std::make_shared<Moved>(Moved{p, n.keep});
  for (int i = 0; i < p.sources; ++i) {
    auto& input = m->program.source[i].input;
    if (input == at) input = 0;
    else if (input < at) ++input;
  }
  return m;
}

}  // namespace

Graph fuse_epilogue(Graph g) {
  const Links links(g);
  std::vector<char> gone(g.nodes.size(), 0);
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    Node& n = g.nodes[i];
    if (n.op != &tile_program_op) continue;
    for (std::size_t at = 0; at < n.in.size(); ++at) {
      const int conv = links.producer(n.in[at], "conv");
      if (conv < 0 || gone[std::size_t(conv)] || links.only_reader(n.in[at]) != int(i)) continue;
      const Node& c = g.nodes[std::size_t(conv)];
      const Spec& y = g.spec(n.in[at]);
      auto m = moved_program(n, at, y.shape);
      if (!m || y.shape.size() == 0) continue;
      const auto then = n.attrs.get().as<TileProgramAttrs>();
      n.op = &conv_then_op;
      n.note = "conv, " + n.note;
      n.attrs = OwnAttrs(ConvThenAttrs{c.attrs.get().as<ConvAttrs>(), {&m->program, then.number}});
      n.keep = m;
      std::vector<int> in = c.in;
      for (std::size_t k = 0; k < n.in.size(); ++k)
        if (k != at) in.push_back(n.in[k]);
      n.in = std::move(in);
      gone[std::size_t(conv)] = 1;
      break;
    }
  }
  std::vector<Node> kept;
  for (std::size_t i = 0; i < g.nodes.size(); ++i)
    if (!gone[i]) kept.push_back(std::move(g.nodes[i]));
  g.nodes = std::move(kept);
  return g;
}

}  // namespace tapir::graph
