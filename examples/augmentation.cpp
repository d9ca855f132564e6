// A convolutional network on few digits, as they are and turned, moved and zoomed at random. usage: augmentation
// [FOLDER]
#include <tapir/tapir.h>

#include <cstdio>

using namespace tapir;

static nn::Sequential network(bool augmented) {
  nn::Sequential model;
  if (augmented) {  // in training only; what stands beyond the edge is black
    model.add(nn::RandomRotation(0.05, {.fill_mode = nn::FillMode::constant, .seed = 1}));
    model.add(nn::RandomTranslation(0.1, 0.1, {.fill_mode = nn::FillMode::constant, .seed = 2}));
    model.add(nn::RandomZoom(0.1, {.fill_mode = nn::FillMode::constant, .seed = 3}));
  }
  model.add(nn::Conv2D(16, 3, {.activation = "relu"}));
  model.add(nn::MaxPooling2D(2));
  model.add(nn::Conv2D(32, 3, {.activation = "relu"}));
  model.add(nn::MaxPooling2D(2));
  model.add(nn::Flatten());
  model.add(nn::Dropout(0.3, {.seed = 4}));
  model.add(nn::Dense(10, {.activation = "softmax"}));
  return model;
}

int main(int argc, char** argv) try {
  const char* folder = argc > 1 ? argv[1] : "examples/digits";
  const data::ImageSet train = data::load_idx(folder, "train"), test = data::load_idx(folder, "t10k");
  const Tensor images = train.images(Slice(500)), labels = train.labels(Slice(500));
  auto accuracy = [&](bool augmented) {
    random::set_seed(1);
    nn::Sequential model = network(augmented);
    model.compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
    model.fit(images, labels, {.epochs = 40, .batch_size = 32, .shuffle_seed = 1, .verbose = 0});
    return model.evaluate(test.images, test.labels)["accuracy"];
  };
  const double plain = accuracy(false), augmented = accuracy(true);
  std::printf("learned from 500 digits: %.1f %% right as they are, %.1f %% right with augmentation\n", 100 * plain,
              100 * augmented);
  return augmented > plain ? 0 : 1;
} catch (const Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
}
