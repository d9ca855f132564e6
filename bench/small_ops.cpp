// What a call costs when there is next to nothing to compute.
#include <tapir/bench/bench.h>

using namespace tapir;
using bench::Bound;

int main(int argc, char** argv) {
  bench::Table table("small_ops", argc, argv);
  Tensor a = random::normal({8}, {.seed = 1}), b = random::normal({8}, {.seed = 2}), w = random::normal({8}, {.seed = 3});
  table.row("a + b, 8 floats", Bound::overhead, 0, [&] { a + b; });
  {
    GradientTape tape({.persistent = true});
    tape.watch(a);
    int recorded = 0;
    table.row("a + b, 8 floats, recorded", Bound::overhead, 0, [&] {
      a + b;
      if (++recorded == 1000) recorded = 0, tape.reset(), tape.watch(a);
    });
  }
  table.row("value and gradient of sum(w*a + b), 8 floats", Bound::overhead, 0, [&] {
    GradientTape tape;
    tape.watch(w);
    Tensor y = sum(w * a + b);
    tape.gradient(y, w);
  });
  table.row("an empty tape", Bound::overhead, 0, [&] { GradientTape tape; });
  Variable v(w, "w");
  table.row("reading a variable", Bound::overhead, 0, [&] { v.value(); });
  table.row("a view, x[1]", Bound::overhead, 0, [m = ones({4, 8})] { m[1]; });
  Tensor m = random::normal({64, 64}, {.seed = 4});
  table.row("matmul 64x64x64", Bound::flops, 2.0 * 64 * 64 * 64, [&] { matmul(m, m); });
}
