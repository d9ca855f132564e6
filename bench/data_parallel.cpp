// Training steps of ResNet-18 in several processes: `mpirun -n 2 build/bench/data_parallel`, a thread and 8 images
// each, beside one process of as many threads with all the images: `build/bench/data_parallel --threads 2 --batch 16`.
// Prints images a second.
#include <tapir/distributed.h>
#include <tapir/examples/networks/networks.h>
#include <tapir/tapir.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace tapir;

int main(int argc, char** argv) {
  distributed::World world;
  int threads = 1, steps = 12;
  std::int64_t batch = 8, size = 224;
  for (int i = 1; i + 1 < argc; i += 2) {
    const auto is = [&](const char* name) { return std::strcmp(argv[i], name) == 0; };
    if (is("--threads")) threads = std::atoi(argv[i + 1]);
    if (is("--batch")) batch = std::atoi(argv[i + 1]);
    if (is("--steps")) steps = std::atoi(argv[i + 1]);
    if (is("--size")) size = std::atoi(argv[i + 1]);
  }
  set_num_threads(threads);
  auto net = networks::resnet18(1000);
  const Tensor x = random::normal({batch, size, size, 3}, {.seed = 1 + world.rank()});
  const Tensor y = random::integers({batch}, 0, 1000, {.seed = 1 + world.rank()});
  net(x);
  world.broadcast_variables(net.variables());
  distributed::DataParallel parallel(world);
  auto step = function(
      [&, sgd = optim::SGD({.learning_rate = 0.01, .momentum = 0.9})](const Tensor& in, const Tensor& labels) mutable {
        GradientTape tape;
        Tensor loss = nn::sparse_categorical_crossentropy(labels, net(in, {.training = true}), {.from_logits = true});
        const auto weights = net.trainable_variables();
        sgd.apply_gradients(
            world.size() > 1 ? parallel.gradient(tape, loss, weights, batch) : tape.gradient(loss, weights), weights);
        return loss;
      });
  for (int i = 0; i < 2; ++i) step(x, y);
  std::vector<double> seconds;
  for (int i = 0; i < steps; ++i) {
    world.barrier();
    const auto start = std::chrono::steady_clock::now();
    step(x, y).to_vector<float>();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  const double images = double(batch) * world.size();
  if (world.first())
    std::printf("%d x %d threads, %d images each: %.2f images/s at best, %.2f by the median step\n", world.size(),
                threads, int(batch), images / seconds[0], images / seconds[seconds.size() / 2]);
}
