// Reductions and what is made of them: softmax, pooling, normalisation.
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
  table.row("max_pool2d 2x2 [128, 26, 26, 32]", Bound::bytes, 1.25 * 4 * double(image.size()), [&] {
    max_pool2d(image, {2, 2});
  });

  // A row reads x and writes y. Its gradient reads x and dy, and writes dx.
  Tensor scale = random::normal({1024}, {.seed = 4}), offset = random::normal({1024}, {.seed = 5});
  auto gradients = [](const Tensor& dy, const std::vector<Tensor>& in, auto&& f) {
    GradientTape tape;
    for (auto& t : in) tape.watch(t);
    tape.gradient(f(), in, {.output_gradients = dy});
  };
  table.row("layer_norm [4096, 1024]", Bound::bytes, 2 * bytes, [&] { layer_norm(x, scale, offset); });
  table.row("layer_norm and gradients [4096, 1024]", Bound::bytes, 5 * bytes, [&] {
    gradients(x, {x, scale, offset}, [&] { return layer_norm(x, scale, offset); });
  });
  table.row("rms_norm [4096, 1024]", Bound::bytes, 2 * bytes, [&] { rms_norm(x, scale); });
  // Statistics of all rows come first: once more for x, and for x and dy.
  Tensor activations = random::normal({8, 56, 56, 64}, {.seed = 6}), gamma = random::normal({64}, {.seed = 7}),
         beta = gamma;
  bytes = 4.0 * double(activations.size());
  table.row("batch_norm [8, 56, 56, 64]", Bound::bytes, 2 * bytes,
            [&] { batch_norm(activations, beta, square(gamma), beta, gamma); });
  table.row("batch_norm_training [8, 56, 56, 64]", Bound::bytes, 3 * bytes,
            [&] { batch_norm_training(activations, gamma, beta); });
  table.row("batch_norm_training and gradients [8, 56, 56, 64]", Bound::bytes, 8 * bytes, [&] {
    gradients(activations, {activations, gamma}, [&] { return batch_norm_training(activations, gamma, beta).y; });
  });
  table.row("group_norm, 8 groups [8, 56, 56, 64]", Bound::bytes, 3 * bytes,
            [&] { group_norm(activations, 8, gamma, beta); });
}
