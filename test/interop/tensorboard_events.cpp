// Writes to a folder what check_tensorboard.py looks for with the real TensorBoard: two runs, all kinds of summaries.
#include <tapir/tapir.h>

#include <cmath>
#include <cstdio>

using namespace tapir;

int main(int argc, char** argv) try {
  const std::string folder = argc > 1 ? argv[1] : "logs";
  auto train = summary::create_file_writer(folder + "/train"),
       validation = summary::create_file_writer(folder + "/validation");
  for (int step = 0; step < 20; ++step) {
    train.scalar("epoch/loss", 2 * std::exp(-0.2 * step), step);
    validation.scalar("epoch/loss", 2.1 * std::exp(-0.15 * step), step);
    train.scalar("epoch/accuracy", tensor({1 - std::exp(-0.2f * float(step))}), step);
    train.histogram("weights/kernel", random::normal({1000}, {.mean = 0.1 * step, .seed = step}), step);
  }
  train.histogram("weights/zeros", zeros({10}), 0);
  train.histogram("weights/nothing", zeros({0}), 0);
  // A ramp from black to white, and red, green, blue.
  const Tensor ramp = reshape(linspace(0, 1, 32 * 32), {1, 32, 32, 1});
  train.image("pictures/ramp", ramp, 3);
  train.image("pictures/colours", broadcast_to(reshape(eye(3), {3, 1, 1, 3}), {3, 8, 12, 3}), 3);
  train.image("pictures/alpha", full({1, 4, 4, 4}, 128, DType::u8), 3);
  train.text("notes", "**tapir** wrote <script>this</script>", 0);

  nn::Sequential model{nn::Conv2D(4, {3, 3}, {.activation = "relu"}), nn::Flatten(), nn::Dense(10)};
  optim::SGD optimizer({.learning_rate = 0.1});
  auto step = function([&](const Tensor& x, const Tensor& y) {
    GradientTape tape;
    Tensor loss = mean(square(model(x) - y));
    optimizer.apply_gradients(tape.gradient(loss, model.trainable_variables()), model.trainable_variables());
    return loss;
  });
  const Tensor x = random::normal({8, 12, 12, 1}, {.seed = 1});
  model(x);
  step(x, zeros({8, 10}));
  train.graph(step);
} catch (const Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
