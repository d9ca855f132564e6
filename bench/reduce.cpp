// Reductions and what is made of them.
#include <tapir/bench/bench.h>

using namespace tapir;
using bench::Bound;

int main(int argc, char** argv) {
  bench::Table table("reduce", argc, argv);
  Tensor x = random::normal({4096, 1024}, {.seed = 1}), features = random::normal({86528, 32}, {.seed = 2});
  double bytes = 4.0 * 4096 * 1024;
  table.row("sum of all [4096, 1024]", Bound::bytes, bytes, [&] { sum(x); });
  table.row("sum of rows [4096, 1024]", Bound::bytes, bytes, [&] { sum(x, {.axis = 1}); });
  table.row("sum of columns [4096, 1024]", Bound::bytes, bytes, [&] { sum(x, {.axis = 0}); });
  table.row("sum over pixels [128*26*26, 32]", Bound::bytes, 4.0 * 86528 * 32, [&] { sum(features, {.axis = 0}); });
  table.row("max of rows [4096, 1024]", Bound::bytes, bytes, [&] { max(x, {.axis = 1}); });
  table.row("argmax of rows [4096, 1024]", Bound::bytes, bytes, [&] { argmax(x, {.axis = 1}); });
  table.row("softmax [4096, 1024]", Bound::bytes, 2 * bytes, [&] { softmax(x); });
  table.row("log_softmax [4096, 1024]", Bound::bytes, 2 * bytes, [&] { log_softmax(x); });
  Tensor image = random::normal({128, 26, 26, 32}, {.seed = 3});
  table.row("max_pool2d 2x2 [128, 26, 26, 32]", Bound::bytes, 1.25 * 4 * double(image.size()),
            [&] { max_pool2d(image, {2, 2}); });
}
