// Elementwise work: one op, a chain of twelve, broadcasts, copies.
#include <tapir/bench/bench.h>

using namespace tapir;
using bench::Bound;

// gelu with its tanh, and neighbours, op by op: twelve ops.
static Tensor chain(const Tensor& x) {
  Tensor inner = (x + x * x * x * 0.044715) * 0.7978845608;
  Tensor gelu = x * 0.5 * (tanh(inner) + 1.0);
  return sigmoid(gelu) * gelu + x;
}

int main(int argc, char** argv) {
  bench::Table table("elementwise", argc, argv);
  for (std::int64_t n : {std::int64_t(1) << 20, std::int64_t(1) << 24}) {
    std::string size = n == 1 << 20 ? ", 1 M floats" : ", 16 M floats";
    Tensor x = random::normal({n}, {.seed = 1}), y = random::normal({n}, {.seed = 2});
    double bytes = 4.0 * double(n);
    table.row("x + y" + size, Bound::bytes, 3 * bytes, [&] { x + y; });
    table.row("relu(x)" + size, Bound::bytes, 2 * bytes, [&] { relu(x); });
    table.row("exp(x)" + size, Bound::bytes, 2 * bytes, [&] { exp(x); });
    table.row("tanh(x)" + size, Bound::bytes, 2 * bytes, [&] { tanh(x); });
    table.row("gelu(x)" + size, Bound::bytes, 2 * bytes, [&] { gelu(x); });
    table.row("chain of 12 ops" + size, Bound::bytes, 2 * bytes, [&] { chain(x); });
  }
  Tensor image = random::normal({4096, 1024}, {.seed = 3}), row = random::normal({1024}, {.seed = 4});
  double bytes = 4.0 * 4096 * 1024;
  table.row("[4096, 1024] + [1024]", Bound::bytes, 2 * bytes, [&] { image + row; });
  table.row("[4096, 1024] + [4096, 1]", Bound::bytes, 2 * bytes,
            [&, c = random::normal({4096, 1}, {.seed = 5})] { image + c; });
  table.row("transpose copy [4096, 1024]", Bound::bytes, 2 * bytes, [&] { contiguous(permute_dims(image, {1, 0})); });
  table.row("f32 to bf16 [4096, 1024]", Bound::bytes, 1.5 * bytes, [&] { image.astype(DType::bf16); });
  table.row("f32 to f16 [4096, 1024]", Bound::bytes, 1.5 * bytes, [&] { image.astype(DType::f16); });
  table.row("f16 + f16 [4096, 1024]", Bound::bytes, 1.5 * bytes, [&, h = image.astype(DType::f16)] { h + h; });
  table.row("exp(100 x) [4096, 1024]", Bound::bytes, 2 * bytes, [&, far = image * 100.0] { exp(far); });
  table.row("pow(x, 2.5) [4096, 1024]", Bound::bytes, 2 * bytes, [&] { pow(image, 2.5); });
  table.row("random::normal [4096, 1024]", Bound::bytes, bytes, [&] { random::normal({4096, 1024}, {.seed = 6}); });
}
