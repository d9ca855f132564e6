// For run.py: trains with a backup after each batch; the last process dies of SIGKILL, or of an exception, in the 7th.
// With "check FOLDER" it reads the backup that is left, and says how far it is.
#include <tapir/distributed.h>
#include <tapir/tapir.h>

#include <csignal>
#include <cstdio>

using namespace tapir;
namespace cb = nn::callbacks;

int main(int, char** argv) try {
  const std::string how = argv[1], backup = std::string(argv[2]) + "/backup";
  distributed::World world;
  const Tensor x = random::normal({32, 3}, {.seed = 1}), y = sum(x, {.axis = 1, .keepdims = true});
  nn::Sequential model{nn::Dense(4, {.seed = 1}), nn::Dense(1, {.seed = 2})};
  model.compile({.optimizer = "adam", .loss = "mse"});
  std::int64_t batches = 0;
  cb::LambdaCallback dies({.on_train_batch_end = [&](std::int64_t, const nn::Logs&) {
    if (++batches < 7 || how == "check" || world.rank() != world.size() - 1) return;
    if (how == "kill") std::raise(SIGKILL);
    throw UsageError("process " + std::to_string(world.rank()) + " has had enough");
  }});
  const nn::History h = model.fit(
      x, y,
      {.epochs = 3,
       .batch_size = 8,
       .verbose = 0,
       .callbacks = {distributed::DataParallel(world), dies, cb::BackupAndRestore(backup, {.save_freq = 1})}});
  std::printf("batches: %d, epochs: %d\n", int(batches), int(h["loss"].size()));
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
