// What a call costs when there is next to nothing to compute.
#include <tapir/backends/cpu/parallel.h>
#include <tapir/bench/bench.h>

#include <thread>

using namespace tapir;
using bench::Bound;

int main(int argc, char** argv) {
  bench::Table table("small_ops", argc, argv);
  Tensor a = random::normal({8}, {.seed = 1}), b = random::normal({8}, {.seed = 2}),
         w = random::normal({8}, {.seed = 3});
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
  // What a loop costs that is shared out, and when nobody is at hand to share it with.
  auto nothing = [](std::int64_t, std::int64_t) {};
  table.row("an empty parallel_for, 2 parts", Bound::overhead, 0, [&] { cpu::parallel_for(2, 1, nothing); });
  table.row("an empty parallel_for, all parts", Bound::overhead, 0, [&] { cpu::parallel_for(1 << 20, 1, nothing); });
  if (table.wants("an empty parallel_for, sleeping workers")) {
    std::vector<double> times;
    for (int i = 0; i < 200; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      const double start = bench::now();
      cpu::parallel_for(1 << 20, 1, nothing);
      times.push_back(bench::now() - start);
    }
    std::sort(times.begin(), times.end());
    table.add("an empty parallel_for, sleeping workers", Bound::overhead, 0, {times[100], times[0]});
  }
}
