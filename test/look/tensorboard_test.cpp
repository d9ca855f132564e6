// The TensorBoard callback: which files it writes, and what is in them.
#include <tapir/tapir.h>
#include <tapir/test/look/events.h>
#include <tapir/test/ops/golden.h>

using namespace tapir;
using events::Message;

namespace {

// "tag@step" and the value of each number, in all event files of a folder.
std::map<std::string, float> scalars(const std::string& folder, int* histograms = nullptr) {
  std::map<std::string, float> found;
  for (auto& entry : std::filesystem::directory_iterator(folder))
    for (auto& r : events::records(entry.path().string())) {
      const Message event(r);
      for (auto& summary : event.messages(5)) {
        const Message value = summary.message(1);
        const bool number = value.integers.contains(2);
        if (number) found[value.text(1) + "@" + std::to_string(std::int64_t(event.integer(2)))] = value.f32(2);
        else if (histograms && value.text(1).ends_with("/histogram")) ++*histograms;
      }
    }
  return found;
}

}  // namespace

TEST_CASE("epochs, batches, weights") {
  files::TempFolder folder;
  const Tensor x = random::normal({40, 3}, {.seed = 1}), y = sum(x, {.axis = 1, .keepdims = true});
  nn::Sequential model{nn::Dense(1, {.seed = 1})};
  model.compile({.optimizer = optim::SGD({.learning_rate = 0.125}), .loss = "mse", .metrics = {"mae"}});
  const nn::History h =
      model.fit(x, y,
                {.epochs = 3,
                 .batch_size = 8,
                 .validation_split = 0.2,
                 .verbose = 0,
                 .callbacks = {nn::callbacks::TensorBoard(folder / "logs", {.histogram_freq = 2, .update_freq = 3})}});
  int histograms = 0;
  auto train = scalars(folder / "logs/train", &histograms), validation = scalars(folder / "logs/validation");
  for (int epoch = 0; epoch < 3; ++epoch) {
    const std::string at = "@" + std::to_string(epoch);
    CHECK(train["epoch_loss" + at] == float(h["loss"][std::size_t(epoch)]));
    CHECK(train["epoch_mae" + at] == float(h["mae"][std::size_t(epoch)]));
    CHECK(train["epoch_learning_rate" + at] == 0.125f);
    CHECK(validation["epoch_loss" + at] == float(h["val_loss"][std::size_t(epoch)]));
  }
  CHECK(validation.size() == 6);
  CHECK(train.size() == 9 + 2 * 4);  // 12 batches, each third with loss and mae
  CHECK(train.contains("batch_loss@3"));
  CHECK(histograms == 2 * 2);  // kernel and bias, epochs 0 and 2
  golden::check_error<UsageError>([] { nn::callbacks::TensorBoard("logs", {.update_freq = -1}); },
                                  "TensorBoard: histogram_freq and update_freq must be 0 or more, got 0 and -1.");
}
