// An autoencoder: digits through a bottleneck of 16 numbers, and back. usage: autoencoder [FOLDER]
#include <tapir/tapir.h>

#include <cstdio>

using namespace tapir;

// Two images side by side as text.
static void show(const Tensor& a, const Tensor& b) {
  const std::vector<float> left = contiguous(a).to_vector<float>(), right = contiguous(b).to_vector<float>();
  auto row = [](const std::vector<float>& v, int r) {
    std::string text;
    for (int c = 4; c < 24; ++c) text += " .:#"[std::min(3, int(4 * v[std::size_t(r * 28 + c)]))];
    return text;
  };
  for (int r = 4; r < 26; r += 2) std::printf("    %s    %s\n", row(left, r).c_str(), row(right, r).c_str());
}

int main(int argc, char** argv) try {
  const char* folder = argc > 1 ? argv[1] : "examples/digits";
  const data::ImageSet train = data::load_idx(folder, "train"), test = data::load_idx(folder, "t10k");
  random::set_seed(1);

  auto image = nn::Input({28, 28, 1});
  auto code = nn::Dense(16, {.name = "code"})(nn::Dense(128, {.activation = "relu"})(nn::Flatten()(image)));
  auto drawn = nn::Dense(784, {.activation = "sigmoid"})(nn::Dense(128, {.activation = "relu"})(code));
  nn::Functional autoencoder(image, nn::Reshape({28, 28, 1})(drawn), "autoencoder");
  nn::Functional encoder(image, code, "encoder");  // the same layers, up to the code

  autoencoder.compile({.optimizer = "adam", .loss = "binary_crossentropy", .metrics = {"mse"}});
  autoencoder.fit(train.images, train.images, {.epochs = 8, .batch_size = 64, .shuffle_seed = 1, .verbose = 2});

  const Tensor again = autoencoder.predict(test.images);
  const double error = mean(square(again - test.images)).item<double>();
  const double blank = mean(square(mean(train.images, {.axis = 0, .keepdims = true}) - test.images)).item<double>();
  std::printf("A digit never seen, and what 16 numbers kept of it:\n");
  show(test.images[0], again[0]);
  std::printf("codes: %s\n", encoder.predict(test.images).shape().str().c_str());
  std::printf("learned: squared error %.4f; always answering with the mean digit gives %.4f\n", error, blank);
  return error < blank / 3 ? 0 : 1;
} catch (const Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
}
