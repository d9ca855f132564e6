// A training that is killed (SIGKILL) at random moments, 50 times, and started again each time: every loss is that of a
// training that nobody killed.
#include <doctest/doctest.h>
#include <tapir/tapir.h>
#include <tapir/test/io/files.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <map>
#include <random>
#include <thread>

using namespace tapir;
namespace cb = nn::callbacks;

namespace {

constexpr int kEpochs = 12;

// What the child does: seeds differ from process to process, as they would, once there is a backup.
void train(const std::string& folder) {
  const bool goes_on = std::ifstream(folder + "/backup/training.safetensors").good();
  random::set_seed(goes_on ? getpid() : 7);
  const Tensor x = random::normal({40, 3}, {.seed = 1}), y = sum(x, {.axis = 1, .keepdims = true});
  nn::Sequential model{nn::Dense(4, {.activation = "tanh", .seed = 1}), nn::Dropout(0.2), nn::Dense(1, {.seed = 2})};
  model.compile({.optimizer = optim::Adam({.learning_rate = 0.05}), .loss = "mse", .metrics = {"mae"}});
  cb::LambdaCallback tell({.on_epoch_end = [&](int epoch, const nn::Logs& logs) {
    char line[128];  // written at once, so that it is there as a whole or not at all
    const int n =
        std::snprintf(line, sizeof line, "%d %a %a %a\n", epoch, logs["loss"], logs["val_mae"], logs["learning_rate"]);
    const int file = open((folder + "/losses").c_str(), O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (write(file, line, std::size_t(n)) != n) _exit(3);
    close(file);
  }});
  model.fit(x, y,
            {.epochs = kEpochs,
             .batch_size = 8,
             .validation_split = 0.2,
             .verbose = 0,
             .callbacks = {cb::BackupAndRestore(folder + "/backup", {.save_freq = 1}),
                           cb::ReduceLROnPlateau({.monitor = "val_mae", .factor = 0.5, .patience = 1}), tell}});
}

pid_t start(const std::string& folder) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child != 0) return child;
  try {
    train(folder);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    _exit(2);
  }
  _exit(0);
}

// All that was said of each epoch; an epoch that was begun again after a kill is there more than once.
std::multimap<int, std::string> losses_in(const std::string& folder) {
  std::multimap<int, std::string> all;
  std::ifstream file(folder + "/losses");
  for (std::string line; std::getline(file, line);) all.emplace(std::stoi(line), line);
  return all;
}

}  // namespace

TEST_CASE("fifty kills") {
  using Clock = std::chrono::steady_clock;
  files::TempFolder folder;
  auto fresh = [&](const std::string& name) {
    REQUIRE(mkdir((folder / name).c_str(), 0700) == 0);
    return folder / name;
  };
  const std::string whole = fresh("whole");
  const auto begun = Clock::now();
  int status = 0;
  waitpid(start(whole), &status, 0);
  REQUIRE(status == 0);
  const double seconds = std::chrono::duration<double>(Clock::now() - begun).count();
  const auto expected = losses_in(whole);
  REQUIRE(expected.size() == kEpochs);

  std::mt19937 generator(1);
  int kills = 0, later = 0, trainings = 0;
  while (kills < 50) {
    const std::string cut = fresh("cut" + std::to_string(trainings++));
    for (bool ended = false; !ended;) {
      const pid_t child = start(cut);
      if (kills < 50) {
        std::uniform_real_distribution<double> moment(0, seconds);
        std::this_thread::sleep_for(std::chrono::duration<double>(moment(generator)));
      }
      if (kills < 50) kill(child, SIGKILL);
      waitpid(child, &status, 0);
      const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
      kills += killed;
      later += killed && std::filesystem::exists(cut + "/backup/training.safetensors");
      ended = !killed;
      if (ended) REQUIRE(status == 0);
    }
    const auto found = losses_in(cut);
    for (int epoch = 0; epoch < kEpochs; ++epoch) CHECK(found.contains(epoch));
    for (auto& [epoch, line] : found) CHECK(line == expected.find(epoch)->second);
  }
  CHECK(later > 10);  // there was something to go on from
  MESSAGE(kills << " kills, " << later << " of them after a backup, in " << trainings << " trainings of " << seconds
                << " s");
}
