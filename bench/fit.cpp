// An epoch of fit, traced as it is by default and with run_eagerly, in turns on one data set: the digits, and small
// networks.
#include <tapir/bench/bench.h>

using namespace tapir;
using bench::Bound;

namespace {

void epochs(bench::Table& table, const std::string& name, nn::Sequential model, const Tensor& x, const Tensor& y) {
  if (!table.wants(name)) return;
  std::vector<double> seconds[2];
  for (int turn = 0; turn < 7; ++turn)
    for (bool eagerly : {false, true}) {
      model.compile({.optimizer = "adam",
                     .loss = "sparse_categorical_crossentropy",
                     .metrics = {"accuracy"},
                     .run_eagerly = eagerly});  // so the trace is made in each measured epoch
      const double start = bench::now();
      model.fit(x, y, {.batch_size = 32, .verbose = 0});
      seconds[eagerly].push_back(bench::now() - start);
    }
  double least[2];
  for (bool eagerly : {false, true}) {
    std::sort(seconds[eagerly].begin(), seconds[eagerly].end());
    least[eagerly] = seconds[eagerly][0];
    table.add(name + (eagerly ? ", eager" : ", traced"), Bound::overhead, 0,
              {seconds[eagerly][3], seconds[eagerly][0]});
  }
  table.figure(name + ", traced / eager", least[0] / least[1], "");
}

}  // namespace

int main(int argc, char** argv) {
  bench::Table table("fit", argc, argv);
  data::ImageSet digits = data::load_idx("examples/digits", "train");
  const nn::Dense head(10, {.activation = "softmax"});
  epochs(table, "digits CNN epoch",
         {nn::Conv2D(32, {3, 3}, {.activation = "relu"}), nn::MaxPooling2D({2, 2}), nn::Flatten(),
          nn::Dense(10, {.activation = "softmax"})},
         digits.images, digits.labels);
  epochs(table, "CNN with BatchNormalization and Dropout epoch",
         {nn::Conv2D(16, {3, 3}), nn::BatchNormalization(), nn::Activation("relu"), nn::MaxPooling2D({2, 2}),
          nn::Flatten(), nn::Dropout(0.3), nn::Dense(10, {.activation = "softmax"})},
         digits.images, digits.labels);
  epochs(table, "MLP 784-128-10 epoch",
         {nn::Flatten(), nn::Dense(128, {.activation = "relu"}), nn::Dense(10, {.activation = "softmax"})},
         digits.images, digits.labels);
  Tensor x = random::normal({8000, 8}, {.seed = 1}), labels = random::integers({8000}, 0, 10, {.seed = 2});
  epochs(table, "MLP 8-16-10 epoch", {nn::Dense(16, {.activation = "relu"}), nn::Dense(10, {.activation = "softmax"})},
         x, labels);
}
