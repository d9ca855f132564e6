// The convolutions of performance.md in their three directions.
#include <tapir/bench/bench.h>

using namespace tapir;
using bench::Bound;

struct Case { const char* name; int n, size, channels, kernel, stride, filters, groups; Padding padding; };

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
    Tensor y = conv2d(x, k, options), dy = random::normal(y.shape(), {.seed = 3});
    double flops = 2.0 * double(y.size()) * c.kernel * c.kernel * (c.channels / c.groups);
    table.row(std::string(c.name) + ", forward", Bound::flops, flops, [&] { conv2d(x, k, options); });
    GradientTape tape({.persistent = true});
    tape.watch(x);
    tape.watch(k);
    Tensor z = conv2d(x, k, options);
    table.row(std::string(c.name) + ", input gradient", Bound::flops, flops,
              [&] { tape.gradient(z, x, {.output_gradients = dy}); });
    table.row(std::string(c.name) + ", kernel gradient", Bound::flops, flops,
              [&] { tape.gradient(z, k, {.output_gradients = dy}); });
  }
  Tensor a = random::normal({1024, 1024}, {.seed = 4});
  table.row("matmul 1024", Bound::flops, 2.0 * 1024 * 1024 * 1024, [&] { matmul(a, a); });
}
