// Whole networks, traced: inference, training steps, and the memory of one. Beside PyTorch: bench/peers/networks.py.
#include <tapir/bench/bench.h>
#include <tapir/examples/networks/networks.h>

#include <fstream>

using namespace tapir;
using bench::Bound;

namespace {

Tensor images(std::int64_t batch) { return random::normal({batch, 224, 224, 3}, {.seed = 1}); }

// `flops`: of one image, a multiply-add counted as two.
template <class Make>
void inference(bench::Table& table, const std::string& name, Make make, double flops) {
  for (std::int64_t batch : {1, 8}) {
    const std::string row = name + " inference, batch " + std::to_string(batch);
    if (!table.wants(row)) continue;
    auto net = make(1000);
    Tensor x = images(batch);
    auto run = function([&](const Tensor& in) { return net(in, {.training = false}); });
    table.row(row, Bound::flops, flops * double(batch), [&] { run(x); });
  }
}

// One step of SGD with momentum; gives the loss.
template <class Net>
auto training_step(Net& net) {
  return function(
      [&net, sgd = optim::SGD({.learning_rate = 0.01, .momentum = 0.9})](const Tensor& x, const Tensor& y) mutable {
        GradientTape tape;
        Tensor loss = nn::sparse_categorical_crossentropy(y, net(x, {.training = true}), {.from_logits = true});
        const auto weights = net.trainable_variables();
        sgd.apply_gradients(tape.gradient(loss, weights), weights);
        return loss;
      });
}

// A figure of /proc/self/status, in MB.
double status(const std::string& name) {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;)
    if (word == name + ":") {
      double kb;
      file >> kb;
      return kb / 1024;
    }
  return 0;
}

// What the process grows by: weights, optimizer, activations, code.
template <class F>
double peak_memory(F&& f) {
  release_cached_memory();
  std::ofstream("/proc/self/clear_refs") << "5";  // the peak is what is in use now
  const double before = status("VmRSS");
  f();
  return status("VmHWM") - before;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Table table("networks", argc, argv);
  const std::string training = "resnet18 training step, batch 8";
  if (table.wants(training + ", peak memory"))  // first, in a process that has nothing
    table.figure(training + ", peak memory", peak_memory([&] {
                   auto net = networks::resnet18();
                   auto step = training_step(net);
                   for (int i = 0; i < 4; ++i) step(images(8), random::integers({8}, 0, 1000, {.seed = 2}));
                 }),
                 "MB");
  inference(table, "resnet18", networks::resnet18, 2 * 1.814e9);
  inference(table, "resnet50", networks::resnet50, 2 * 4.089e9);
  inference(table, "mobilenet_v2", networks::mobilenet_v2, 2 * 0.301e9);
  if (table.wants(training)) {
    auto net = networks::resnet18();
    auto step = training_step(net);
    Tensor x = images(8), labels = random::integers({8}, 0, 1000, {.seed = 2});
    table.row(training, Bound::flops, 8 * 2 * (3 * 1.814e9 - 0.118e9), [&] { step(x, labels); });  // no gradient of x
  }
}
