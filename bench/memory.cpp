// What the allocator saves, and what a training step needs.
#include <tapir/bench/bench.h>

using namespace tapir;
using bench::Bound;

int main(int argc, char** argv) {
  bench::Table table("memory", argc, argv);
  for (std::int64_t kb : {4, 256, 16384}) {
    std::string size = ", " + std::to_string(kb) + " KB";
    table.row("a buffer from the cache" + size, Bound::overhead, 0, [&] { Tensor::empty({kb * 256}, DType::f32); });
    table.row("a buffer from the system, touched" + size, Bound::overhead, 0, [&] {
      release_cached_memory();
      zeros({kb * 256});
    });
    table.row("a buffer from the cache, touched" + size, Bound::overhead, 0, [&] { zeros({kb * 256}); });
  }
  nn::Sequential model{nn::Conv2D(32, {3, 3}, {.activation = "relu"}), nn::MaxPooling2D({2, 2}), nn::Flatten(),
                       nn::Dense(10)};
  model.build({28, 28, 1});
  Tensor images = random::uniform({128, 28, 28, 1}, {.seed = 1}), labels = random::integers({128}, 0, 10, {.seed = 2});
  auto step = [&] {
    GradientTape tape;
    Tensor loss = nn::sparse_categorical_crossentropy(labels, model(images), {.from_logits = true});
    return tape.gradient(loss, model.trainable_variables());
  };
  auto peak = [&](auto&& f) {
    f();
    f();
    const std::size_t before = memory_stats().in_use;
    reset_peak_memory();
    f();
    return double(memory_stats().peak - before) / 1e6;
  };
  table.figure("peak of a training step, batch 128, above the weights, eager", peak(step), "MB");
  auto traced = function(step);
  table.figure("peak of a training step, batch 128, above the weights, traced", peak([&] { traced(); }), "MB");
}
