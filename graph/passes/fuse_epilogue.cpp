// A convolution or a matrix product and the elementwise program that reads its result become one op, which works on
// pieces of the result while they are in cache: bias, activation, residual add, batch normalisation with given
// statistics.
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

// A product pays for it in shorter pieces: only results that leave the caches before they are read again, of little
// work (measured: 0.9 of the time at [4096, 64] x [64, 1024], 1.01 to 1.4 at k = 128 or with small results).
bool pays(const Graph& g, const Node& first) {
  const Spec& y = g.spec(first.out[0]);
  const std::int64_t k = g.spec(first.in[0]).shape.dim(first.attrs.get().as<MatmulAttrs>().transpose_a ? -2 : -1);
  return k <= 64 && y.shape.size() * std::int64_t(size_of(y.dtype)) >= 4 << 20;
}

// n becomes the op of `first` followed by the program.
void with_epilogue(Node& n, const Node& first, const TileProgramAttrs& program) {
  if (is(first, "conv")) {
    n.op = &conv_then_op;
    n.attrs = OwnAttrs(ConvThenAttrs{first.attrs.get().as<ConvAttrs>(), program});
  } else {
    n.op = &matmul_then_op;
    n.attrs = OwnAttrs(MatmulThenAttrs{first.attrs.get().as<MatmulAttrs>(), program});
  }
}

}  // namespace

bool takes_epilogue(const Graph& g, const Node& n) { return is(n, "conv") || (is(n, "matmul") && pays(g, n)); }

Graph fuse_epilogue(Graph g) {
  const Links links(g);
  std::vector<char> gone(g.nodes.size(), 0);
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    Node& n = g.nodes[i];
    if (n.op != &tile_program_op) continue;
    for (std::size_t at = 0; at < n.in.size(); ++at) {
      const int made = links.producer(n.in[at]);
      if (made < 0 || gone[std::size_t(made)] || links.only_reader(n.in[at]) != int(i)) continue;
      const Node& first = g.nodes[std::size_t(made)];
      const Spec& y = g.spec(n.in[at]);
      if (!takes_epilogue(g, first) || (y.dtype != DType::f32 && y.dtype != DType::f64) || y.shape.size() == 0)
        continue;
      if (g.spec(first.in[0]).dtype != y.dtype) continue;
      auto m = moved_program(n, at, y.shape);
      if (!m) continue;
      with_epilogue(n, first, {&m->program, n.attrs.get().as<TileProgramAttrs>().number});
      n.note = std::string(first.op->name) + ", " + n.note;
      n.where = first.where;  // most of the time is spent there
      n.keep = m;
      std::vector<int> in = first.in;
      for (std::size_t k = 0; k < n.in.size(); ++k)
        if (k != at) in.push_back(n.in[k]);
      n.in = std::move(in);
      gone[std::size_t(made)] = 1;
      break;
    }
  }
  return without(std::move(g), gone);
}

}  // namespace tapir::graph
