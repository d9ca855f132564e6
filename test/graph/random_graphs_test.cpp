// Random programs, eager against traced: with all passes, each alone, each switched off, and for any batch size.
#include <doctest/doctest.h>
#include <tapir/graph/executable.h>
#include <tapir/graph/passes.h>
#include <tapir/graph/trace.h>
#include <tapir/test/difference.h>
#include <tapir/test/graph/random_programs.h>

#include <cmath>
#include <cstdlib>

using namespace tapir;
using namespace random_programs;

namespace {

List with_gradients(const Program& p, const List& in) {
  return random_programs::with_gradients([&](const List& x) { return p.run(x); }, in);
}

// Products with transposed operands add up in another order, in the precision of their operands.
constexpr double kTolerance = 1e-4;

// TAPIR_RANDOM_GRAPHS=100000 looks longer.
int count() {
  const char* n = std::getenv("TAPIR_RANDOM_GRAPHS");
  return n ? std::atoi(n) : 600;
}

void enable_all(bool on) {
  for (auto& p : graph::all_passes()) graph::enable_pass(p.name, on);
}

graph::Graph traced(const Program& p, const List& in) {
  graph::Tracer tracer;
  List inputs;
  for (auto& t : in) inputs.push_back(tracer.input({t.shape(), t.dtype()}));
  return tracer.finish(with_gradients(p, inputs));
}

}  // namespace

TEST_CASE("random programs: every pass alone, every pass off, all together") {
  int nodes = 0;
  for (int seed = 0; seed < count(); ++seed) {
    const Program p = make_program(seed, 60, false);
    INFO(p.str());
    const List in = p.inputs_for(0), expected = with_gradients(p, in);
    const graph::Graph g = traced(p, in);
    nodes += int(g.nodes.size());
    auto check = [&](const std::string& what) {
      INFO(what, ", of\n", graph::to_text(g));
      const graph::Graph optimised = graph::optimise(g);
      const double d = difference(graph::Executable(optimised).run(in), expected);
      CHECK_MESSAGE(d < kTolerance, "off by ", d, ", after the passes:\n", graph::to_text(optimised));
    };
    check("all passes");
    for (auto& pass : graph::all_passes()) {
      graph::enable_pass(pass.name, false);
      check(std::string("without ") + pass.name);
      graph::enable_pass(pass.name, true);
    }
    enable_all(false);
    check("no pass");
    for (auto& pass : graph::all_passes()) {
      graph::enable_pass(pass.name, true);
      check(std::string("only ") + pass.name);
      graph::enable_pass(pass.name, false);
    }
    enable_all(true);
  }
  MESSAGE(nodes, " nodes in ", count(), " graphs");
}

TEST_CASE("random programs: one trace for any batch size, tapes outside and inside") {
  for (int seed = 1000000; seed < 1000000 + count() / 2; ++seed) {
    const Program p = make_program(seed, 40, true);
    INFO(p.str());
    std::vector<TensorSpec> specs;
    for (std::size_t i = 0; i < p.inputs.size(); ++i) {
      Shape s = p.inputs[i].shape();
      if (p.batched[i]) s[0] = unknown;
      specs.emplace_back(s, p.inputs[i].dtype());
    }
    auto whole = function([&](const List& x) { return with_gradients(p, x); }, {.signature = specs});
    auto values = function([&](const List& x) { return p.run(x); }, {.signature = specs});
    for (std::int64_t batch : {3, 1, 8}) {
      const List in = p.inputs_for(batch), expected = with_gradients(p, in);
      double d = difference(whole(in), expected);
      CHECK_MESSAGE(d < kTolerance, "batch ", batch, ", off by ", d, "\n", whole.graphs()[0]);
      d = difference(random_programs::with_gradients([&](const List& x) { return values(x); }, in), expected);
      CHECK_MESSAGE(d < kTolerance, "batch ", batch, ", a tape around the call, off by ", d, "\n", values.graphs()[0]);
    }
    CHECK_MESSAGE(whole.trace_count() == 1, whole.explain());
  }
}
