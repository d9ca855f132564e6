// How well the network of examples/digits_demo.cpp reads digits that it has not seen, over five seeds of weights and orders.
// usage: digits_accuracy [FOLDER]      the folder holds the digits as IDX files (examples/digits)
#include <tapir/tapir.h>

#include <cmath>
#include <cstdio>

using namespace tapir;

int main(int argc, char** argv) {
  const char* folder = argc > 1 ? argv[1] : "examples/digits";
  data::ImageSet train = data::load_idx(folder, "train"), test = data::load_idx(folder, "t10k");
  constexpr int seeds = 5;
  double sum = 0, squares = 0;
  for (int seed = 0; seed < seeds; ++seed) {
    random::set_seed(seed);
    nn::Sequential model{nn::Conv2D(32, {3, 3}, {.activation = "relu"}), nn::MaxPooling2D({2, 2}), nn::Flatten(),
                         nn::Dense(10, {.activation = "softmax"})};
    model.compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
    model.fit(train.images, train.labels, {.epochs = 10, .batch_size = 32, .validation_split = 0.1, .verbose = 0});
    const double percent = 100 * model.evaluate(test.images, test.labels)["accuracy"];
    std::printf("seed %d: %.2f %%\n", seed, percent);
    std::fflush(stdout);
    sum += percent, squares += percent * percent;
  }
  const double mean = sum / seeds;
  std::printf("mean %.2f %%, standard deviation %.2f\n", mean, std::sqrt(std::max(0.0, squares / seeds - mean * mean)));
}
