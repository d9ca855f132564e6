// The digits, trained by several processes: mpirun -n 2 data_parallel [FOLDER [BACKUP]]. Kill it, start it again: it
// goes on.
#include <tapir/distributed.h>
#include <tapir/tapir.h>

#include <cstdio>

using namespace tapir;

int main(int argc, char** argv) try {
  distributed::World world;
  const char* folder = argc > 1 ? argv[1] : "examples/digits";
  const char* backup = argc > 2 ? argv[2] : "data_parallel.backup";
  data::ImageSet train = data::load_idx(folder, "train"), test = data::load_idx(folder, "t10k");
  nn::Sequential model{nn::Conv2D(16, 3, {.activation = "relu"}),
                       nn::MaxPooling2D(2),
                       nn::Conv2D(32, 3, {.activation = "relu"}),
                       nn::MaxPooling2D(2),
                       nn::Flatten(),
                       nn::Dense(10, {.activation = "softmax"})};
  model.compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
  model.fit(train.images, train.labels,
            {.epochs = 3,
             .batch_size = 64,
             .verbose = 2,
             .callbacks = {distributed::DataParallel(world), nn::callbacks::BackupAndRestore(backup)}});
  if (!world.first()) return 0;
  const double accuracy = model.evaluate(test.images, test.labels)["accuracy"];
  std::printf("learned by %d processes: %.1f %% of digits never seen are read right\n", world.size(), 100 * accuracy);
  return accuracy > 0.9 ? 0 : 1;
} catch (const Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
}
