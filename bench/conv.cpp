// The convolutions of performance.md in their three directions, how much faster than direct ones the others are that
// were taken, and what lower precisions gain where there are many channels.
#include <tapir/bench/bench.h>

#include <functional>
#include <memory>

using namespace tapir;
using bench::Bound;

// One direction of conv2d(x, k, options), ready to be called.
std::function<void()> prepare(ConvDirection d, const Tensor& x, const Tensor& k, const ConvOptions& options) {
  if (d == ConvDirection::forward) return [=] { conv2d(x, k, options); };
  auto tape = std::make_shared<GradientTape>(TapeOptions{.persistent = true});
  const Tensor of = d == ConvDirection::input_gradient ? x : k;
  tape->watch(of);
  Tensor y = conv2d(x, k, options), dy = random::normal(y.shape(), {.seed = 3});
  return [=] { tape->stop_recording([&] { return tape->gradient(y, of, {.output_gradients = dy}); }); };
}

// How many times faster `f` is than `g`: minima, interleaved.
template <class F, class G>
double ratio(const F& f, const G& g) {
  double of_f = 1e9, of_g = 1e9;
  auto run = [](auto& call, double& best) {
    const double t = bench::now();
    call();
    best = std::min(best, bench::now() - t);
  };
  const double start = bench::now();
  for (int i = 0; i < 10 || bench::now() - start < 1; ++i) run(f, of_f), run(g, of_g);
  return of_g / of_f;
}

// How much faster `high` and `medium` are than `highest`, and by what.
void compare_precisions(bench::Table& table, const std::string& row, ConvDirection d, const Tensor& x, const Tensor& k,
                        const ConvOptions& options) {
  const auto highest = prepare(d, x, k, options);
  for (Precision p : {Precision::high, Precision::medium}) {
    const std::string name = row + ", " + name_of(p);
    if (!table.wants(name)) continue;
    ConvOptions lower = options;
    lower.precision = p;
    const ConvPlan plan = conv2d_plan(x.spec(), k.spec(), lower, d);
    table.figure(name + " by " + name_of(plan.algorithm), ratio(prepare(d, x, k, lower), highest),
                 ("times highest's speed (" + plan.precision + ")").c_str());
  }
}

struct Case {
  const char* name;
  int n, size, channels, kernel, stride, filters, groups;
  Padding padding;
};

int main(int argc, char** argv) {
  bench::Table table("conv", argc, argv);
  const Case cases[] = {
      {"8x64x56 -> 64, 3x3", 8, 56, 64, 3, 1, 64, 1, Padding::same},
      {"8x128x28 -> 128, 3x3", 8, 28, 128, 3, 1, 128, 1, Padding::same},
      {"8x256x14 -> 256, 3x3", 8, 14, 256, 3, 1, 256, 1, Padding::same},
      {"8x512x7 -> 512, 3x3", 8, 7, 512, 3, 1, 512, 1, Padding::same},
      {"4x64x112 -> 128, 3x3", 4, 112, 64, 3, 1, 128, 1, Padding::same},
      {"8x3x224 -> 64, 7x7 stride 2", 8, 224, 3, 7, 2, 64, 1, Padding({{3, 3}, {3, 3}})},
      {"8x256x56 -> 64, 1x1", 8, 56, 256, 1, 1, 64, 1, Padding::valid},
      {"128x1x28 -> 32, 3x3 (digits)", 128, 28, 1, 3, 1, 32, 1, Padding::valid},
      {"8x96x56 depthwise 3x3", 8, 56, 96, 3, 1, 96, 96, Padding::same},
  };
  for (auto& c : cases) {
    if (!table.wants(c.name)) continue;
    ConvOptions options{.strides = {c.stride, c.stride}, .padding = c.padding, .groups = c.groups};
    Tensor x = random::normal({c.n, c.size, c.size, c.channels}, {.seed = 1});
    Tensor k = random::normal({c.kernel, c.kernel, c.channels / c.groups, c.filters}, {.seed = 2});
    double flops = 2.0 * double(conv2d(x, k, options).size()) * c.kernel * c.kernel * (c.channels / c.groups);
    for (auto [name, d] : {std::pair{"forward", ConvDirection::forward},
                           {"input gradient", ConvDirection::input_gradient},
                           {"kernel gradient", ConvDirection::kernel_gradient}}) {
      const std::string row = std::string(c.name) + ", " + name;
      auto taken = prepare(d, x, k, options);
      table.row(row, Bound::flops, flops, taken);
      if (c.kernel == 3 && c.channels >= 128 && c.groups == 1) compare_precisions(table, row, d, x, k, options);
      const ConvAlgorithm algorithm = conv2d_plan(x.spec(), k.spec(), options, d).algorithm;
      if (algorithm == ConvAlgorithm::direct || !table.wants(row)) continue;
      ConvOptions direct = options;
      direct.algorithm = ConvAlgorithm::direct;
      table.figure(row + " by " + name_of(algorithm), ratio(taken, prepare(d, x, k, direct)), "times direct's speed");
    }
  }
  Tensor a = random::normal({1024, 1024}, {.seed = 4});
  table.row("matmul 1024", Bound::flops, 2.0 * 1024 * 1024 * 1024, [&] { matmul(a, a); });
}
