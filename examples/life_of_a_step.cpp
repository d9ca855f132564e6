// The training step that docs/life_of_a_step.md follows. TAPIR_DUMP=/tmp/step build/examples/life_of_a_step writes the
// graph after each pass to the folder; explain() goes to standard output.
#include <tapir/tapir.h>

#include <iostream>

using namespace tapir;

int main() {
  nn::Sequential model{nn::Conv2D(32, {3, 3}, {.activation = "relu", .seed = 1}), nn::MaxPooling2D({2, 2}),
                       nn::Flatten(), nn::Dense(10, {.seed = 2})};
  model.build({28, 28, 1});
  optim::Adam adam;
  auto step = function(
      [&](const Tensor& x, const Tensor& y) {
        GradientTape tape;
        Tensor loss = nn::sparse_categorical_crossentropy(y, model(x, {.training = true}), {.from_logits = true});
        adam.apply_gradients(tape.gradient(loss, model.trainable_variables()), model.trainable_variables());
        return loss;
      },
      {.name = "step"});
  Tensor x = random::uniform({32, 28, 28, 1}, {.seed = 3}), y = random::integers({32}, 0, 10, {.seed = 4});
  for (int i = 0; i < 3; ++i) std::cout << "loss " << step(x, y).item<float>() << "\n";
  std::cout << step.explain();
}
