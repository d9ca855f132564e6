// An LSTM that reads digits row by row, from the top down. usage: lstm_digits [FOLDER]
#include <tapir/tapir.h>

#include <cstdio>

using namespace tapir;

int main(int argc, char** argv) try {
  const char* folder = argc > 1 ? argv[1] : "examples/digits";
  const data::ImageSet train = data::load_idx(folder, "train"), test = data::load_idx(folder, "t10k");
  random::set_seed(1);

  nn::Sequential model{nn::Reshape({28, 28}),  // 28 steps of 28 numbers
                       nn::LSTM(64), nn::Dense(10, {.activation = "softmax"})};
  model.build({28, 28, 1});
  model.summary();
  model.compile({.optimizer = optim::Adam({.learning_rate = 0.003}),
                 .loss = "sparse_categorical_crossentropy",
                 .metrics = {"accuracy"}});
  model.fit(train.images, train.labels, {.epochs = 6, .batch_size = 64, .shuffle_seed = 1, .verbose = 2});
  const double right = model.evaluate(test.images, test.labels)["accuracy"];
  std::printf("learned: %.1f %% of digits never seen are read right; guessing gives 10 %%\n", 100 * right);
  return right > 0.9 ? 0 : 1;
} catch (const Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
}
