// What function() gives: eager and traced side by side, in one run.
#include <tapir/bench/bench.h>

using namespace tapir;
using bench::Bound;

namespace {

// gelu with its tanh, and neighbours, op by op: twelve ops. As in elementwise.cpp.
Tensor chain(const Tensor& x) {
  Tensor inner = (x + x * x * x * 0.044715) * 0.7978845608;
  Tensor gelu = x * 0.5 * (tanh(inner) + 1.0);
  return sigmoid(gelu) * gelu + x;
}

void training(bench::Table& table, const std::string& name, nn::Sequential model, const Shape& input, int batch,
              double flops) {
  Shape all{batch};
  model.build(input);
  optim::Adam adam({.learning_rate = 1e-3});
  Tensor x = random::uniform(all.concat(input), {.seed = 1}), labels = random::integers({batch}, 0, 10, {.seed = 2});
  auto step = [=](const Tensor& x, const Tensor& y) mutable {
    GradientTape tape;
    Tensor loss = nn::sparse_categorical_crossentropy(y, model(x, {.training = true}), {.from_logits = true});
    adam.apply_gradients(tape.gradient(loss, model.trainable_variables()), model.trainable_variables());
    return loss;
  };
  auto traced = function(step);
  if (table.wants(name + ", first traced call")) {
    const double start = bench::now();
    traced(x, labels);
    const double t = bench::now() - start;
    table.add(name + ", first traced call", Bound::overhead, 0, {t, t});
  }
  table.row(name + ", eager", Bound::flops, flops, [&] { step(x, labels); });
  table.row(name + ", traced", Bound::flops, flops, [&] { traced(x, labels); });
}

}  // namespace

int main(int argc, char** argv) {
  bench::Table table("trace", argc, argv);
  Tensor a = random::normal({8}, {.seed = 1}), b = random::normal({8}, {.seed = 2}),
         w = random::normal({8}, {.seed = 3});
  {
    auto add = function([](const Tensor& x, const Tensor& y) { return x + y; });
    table.row("a + b, 8 floats, eager", Bound::overhead, 0, [&] { a + b; });
    table.row("a + b, 8 floats, traced", Bound::overhead, 0, [&] { add(a, b); });
    auto value_and_gradient = [](const Tensor& w, const Tensor& a, const Tensor& b) {
      GradientTape tape;
      tape.watch(w);
      Tensor y = sum(w * a + b);
      return std::pair(y, tape.gradient(y, w));
    };
    auto traced = function(value_and_gradient);
    table.row("value and gradient of sum(w*a + b), eager", Bound::overhead, 0, [&] { value_and_gradient(w, a, b); });
    table.row("value and gradient of sum(w*a + b), traced", Bound::overhead, 0, [&] { traced(w, a, b); });
  }
  auto digits = [] {
    return nn::Sequential{nn::Conv2D(32, {3, 3}, {.activation = "relu"}), nn::MaxPooling2D({2, 2}), nn::Flatten(),
                          nn::Dense(10)};
  };
  auto mlp = [] {
    return nn::Sequential{nn::Dense(512, {.activation = "relu"}), nn::Dense(512, {.activation = "relu"}),
                          nn::Dense(10)};
  };
  for (int batch : {1, 32, 128})
    training(table, "digits CNN step, batch " + std::to_string(batch), digits(), {28, 28, 1}, batch,
             double(batch) * (2 * 2.0 * 26 * 26 * 32 * 9 + 3 * 2.0 * 5408 * 10));
  training(table, "MLP 8-16-16-16-10 step, batch 32",
           {nn::Dense(16, {.activation = "relu"}), nn::Dense(16, {.activation = "relu"}),
            nn::Dense(16, {.activation = "relu"}), nn::Dense(10)},
           {8}, 32, 32 * 2.0 * (2.0 * 8 * 16 + 3.0 * (2 * 16 * 16 + 16 * 10)));
  training(table, "MLP 784-512-512-10 step, batch 128", mlp(), {784}, 128,
           128 * 2.0 * (2.0 * 784 * 512 + 3.0 * 512 * 512 + 3.0 * 5120));
  auto inference = [&](const std::string& name, nn::Sequential model, const Shape& input, int batch, double flops) {
    model.build(input);
    Tensor x = random::uniform(Shape{batch}.concat(input), {.seed = 1});
    auto predict = [=](const Tensor& x) mutable { return model(x); };
    auto traced = function(predict);
    const std::string row = name + " inference, batch " + std::to_string(batch);
    table.row(row + ", eager", Bound::flops, batch * flops, [&] { predict(x); });
    table.row(row + ", traced", Bound::flops, batch * flops, [&] { traced(x); });
  };
  for (int batch : {1, 32, 512})
    inference("MLP 784-512-512-10", mlp(), {784}, batch, 2.0 * (784 * 512 + 512 * 512 + 5120));
  for (int batch : {1, 32, 128})
    inference("digits CNN", digits(), {28, 28, 1}, batch, 2.0 * (26 * 26 * 32 * 9 + 5408 * 10));
  for (std::int64_t n : {std::int64_t(1) << 20, std::int64_t(1) << 24}) {
    const std::string size = n == 1 << 20 ? ", 1 M floats" : ", 16 M floats";
    Tensor x = random::normal({n}, {.seed = 1});
    auto traced = function(chain);
    table.row("chain of 12 ops" + size + ", eager", Bound::bytes, 8.0 * double(n), [&] { chain(x); });
    table.row("chain of 12 ops" + size + ", traced", Bound::bytes, 8.0 * double(n), [&] { traced(x); });
  }
}
