// A small network on the digits, trained on a CUDA device (here the host double) and on the CPU: the same losses, op by
// op and traced.
#include <doctest/doctest.h>
#include <tapir/tapir.h>
#include <tapir/test/backends/cuda/replays.h>

#include <cmath>
#include <cstdlib>

using namespace tapir;

namespace {

struct Run {
  std::vector<double> losses;
  double accuracy, of_test;
  std::vector<float> said;
};

Run train(Device device, bool eagerly, const char* optimizer) {
  DeviceScope scope(device);
  random::set_seed(11);
  const char* source = std::getenv("TAPIR_SOURCE_DIR");
  data::ImageSet digits = data::load_idx(std::string(source ? source : ".") + "/examples/digits", "train");
  const Tensor x = contiguous(digits.images(Slice(0, 96))).to(device),
               y = contiguous(digits.labels(Slice(0, 96))).to(device);
  nn::Sequential model{nn::Conv2D(6, {3, 3}, {.activation = "relu"}),
                       nn::BatchNormalization(),
                       nn::MaxPooling2D({2, 2}),
                       nn::Dropout(0.2, {.seed = 3}),
                       nn::Flatten(),
                       nn::Dense(10, {.activation = "softmax"})};
  model.compile({.optimizer = optimizer,
                 .loss = "sparse_categorical_crossentropy",
                 .metrics = {"accuracy"},
                 .run_eagerly = eagerly});
  nn::History h = model.fit(x, y, {.epochs = 2, .batch_size = 32, .verbose = 0});
  Run run{h["loss"], h["accuracy"].back(), model.evaluate(x, y, {.verbose = 0})["loss"], {}};
  run.said = model.predict(x).to_vector<float>();
  return run;
}

}  // namespace

TEST_CASE("the digits: training on CUDA is training on the CPU") {
  REQUIRE(cuda_device_count() > 0);
  for (const char* optimizer : {"adam", "sgd"})
    for (bool eagerly : {true, false}) {
      CAPTURE(std::string(optimizer));
      CAPTURE(eagerly);
      const Run cpu = train(Device::cpu(), eagerly, optimizer);
      const int before = replays();
      const Run gpu = train(Device::cuda(), eagerly, optimizer);
      const int replayed = replays() - before;
      if (before >= 0) CHECK((eagerly ? replayed == 0 : replayed >= 4));  // steps as CUDA graphs
      REQUIRE(cpu.losses.size() == 2);
      REQUIRE(gpu.losses.size() == 2);
      CHECK(cpu.losses[1] < cpu.losses[0]);
      for (std::size_t i = 0; i < 2; ++i) CHECK(gpu.losses[i] == doctest::Approx(cpu.losses[i]).epsilon(1e-3));
      CHECK(gpu.of_test == doctest::Approx(cpu.of_test).epsilon(1e-3));
      REQUIRE(gpu.said.size() == cpu.said.size());
      double worst = 0;
      for (std::size_t i = 0; i < cpu.said.size(); ++i)
        worst = std::max(worst, std::fabs(double(gpu.said[i] - cpu.said[i])));
      CHECK(worst < 5e-3);
    }
}
