// Two digits in, two answers out: their sum, and whether the first is larger. Both images go through the same layers.
// usage: two_inputs [FOLDER]
#include <tapir/tapir.h>

#include <cstdio>

using namespace tapir;

struct Pairs {
  Tensor first, second, sum, larger;
};

// Each digit with another one, drawn by this seed.
static Pairs pairs(const data::ImageSet& set, std::int64_t seed) {
  const Tensor other = random::permutation(set.labels.size(), {.seed = seed});
  const Tensor a = set.labels, b = take(set.labels, other);
  return {set.images, take(set.images, other), a + b, astype(expand_dims(a > b, -1), DType::f32)};
}

int main(int argc, char** argv) try {
  const char* folder = argc > 1 ? argv[1] : "examples/digits";
  const Pairs train = pairs(data::load_idx(folder, "train"), 1), test = pairs(data::load_idx(folder, "t10k"), 2);
  random::set_seed(1);

  auto first = nn::Input({28, 28, 1}, {.name = "first"}), second = nn::Input({28, 28, 1}, {.name = "second"});
  nn::Sequential reader{nn::Conv2D(16, 3, {.activation = "relu"}),
                        nn::MaxPooling2D(2),
                        nn::Conv2D(32, 3, {.activation = "relu"}),
                        nn::MaxPooling2D(2),
                        nn::Flatten(),
                        nn::Dense(32, {.activation = "relu"})};
  auto both = nn::Concatenate()({reader(first), reader(second)});
  auto thought = nn::Dense(128, {.activation = "relu"})(both);
  nn::Functional model({first, second},
                       {nn::Dense(19, {.activation = "softmax", .name = "sum"})(thought),
                        nn::Dense(1, {.activation = "sigmoid", .name = "larger"})(thought)},
                       "two_digits");
  model.summary();
  model.compile({.optimizer = "adam",
                 .losses = {"sparse_categorical_crossentropy", "binary_crossentropy"},
                 .loss_weights = {1, 0.5},
                 .output_metrics = {{"accuracy"}, {"accuracy"}}});
  model.fit({train.first, train.second}, {train.sum, train.larger},
            {.epochs = 6, .batch_size = 64, .shuffle_seed = 1, .verbose = 2});
  auto result = model.evaluate({test.first, test.second}, {test.sum, test.larger});
  std::printf("learned, of digits never seen: %.1f %% of the sums are right, and %.1f %% of the comparisons\n",
              100 * result["sum_accuracy"], 100 * result["larger_accuracy"]);
  return result["sum_accuracy"] > 0.8 && result["larger_accuracy"] > 0.9 ? 0 : 1;
} catch (const Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
}
