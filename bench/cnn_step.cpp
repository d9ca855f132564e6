// The digits network: Conv2D 32 3x3 relu, MaxPooling2D, Flatten, Dense 10; Adam; as a user writes the step.
#include <tapir/bench/bench.h>

using namespace tapir;
using bench::Bound;

int main(int argc, char** argv) {
  bench::Table table("cnn_step", argc, argv);
  for (int batch : {32, 128}) {
    nn::Sequential model{nn::Conv2D(32, {3, 3}, {.activation = "relu"}), nn::MaxPooling2D({2, 2}), nn::Flatten(),
                         nn::Dense(10)};
    model.build({28, 28, 1});
    optim::Adam adam({.learning_rate = 1e-3});
    Tensor images = random::uniform({batch, 28, 28, 1}, {.seed = 1}),
           labels = random::integers({batch}, 0, 10, {.seed = 2});
    // convolution twice (forward, kernel gradient), dense three times
    double flops = double(batch) * (2 * 2.0 * 26 * 26 * 32 * 9 + 3 * 2.0 * 5408 * 10);
    std::string size = ", batch " + std::to_string(batch);
    table.row("training step" + size, Bound::flops, flops, [&] {
      GradientTape tape;
      Tensor loss = nn::sparse_categorical_crossentropy(labels, model(images), {.from_logits = true});
      adam.apply_gradients(tape.gradient(loss, model.trainable_variables()), model.trainable_variables());
    });
    table.row("inference" + size, Bound::flops, double(batch) * (2.0 * 26 * 26 * 32 * 9 + 2.0 * 5408 * 10),
              [&] { model(images); });
  }
}
