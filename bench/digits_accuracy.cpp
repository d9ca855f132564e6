// How well the network of examples/digits_demo.cpp reads digits that it has not seen, over five seeds of weights and
// orders. All 8,000 are learned, 10 epochs. Start it in the repository: it reads examples/digits.
#include <tapir/bench/bench.h>

#include <cmath>

using namespace tapir;

static double percent_right(std::int64_t seed, const data::ImageSet& train, const data::ImageSet& test) {
  random::set_seed(seed);
  nn::Sequential model{nn::Conv2D(32, {3, 3}, {.activation = "relu"}), nn::MaxPooling2D({2, 2}), nn::Flatten(),
                       nn::Dense(10, {.activation = "softmax"})};
  model.compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
  model.fit(train.images, train.labels, {.epochs = 10, .batch_size = 32, .verbose = 0});
  return 100 * model.evaluate(test.images, test.labels)["accuracy"];
}

int main(int argc, char** argv) {
  bench::Table table("digits_accuracy", argc, argv);
  if (!table.wants("digits read right")) return 0;
  data::ImageSet train = data::load_idx("examples/digits", "train"), test = data::load_idx("examples/digits", "t10k");
  constexpr int seeds = 5;
  double sum = 0, squares = 0;
  for (int seed = 0; seed < seeds; ++seed) {
    const double percent = percent_right(seed, train, test);
    table.figure("digits read right, seed " + std::to_string(seed), percent, "%");
    sum += percent, squares += percent * percent;
  }
  const double mean = sum / seeds;
  table.figure("digits read right, mean", mean, "%");
  table.figure("digits read right, standard deviation", std::sqrt(std::max(0.0, squares / seeds - mean * mean)), "%");
}
