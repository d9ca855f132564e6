// What fit and evaluate print: nothing, a line an epoch, or on a terminal Keras's bar.
#include <tapir/test/ops/golden.h>

#include <fcntl.h>
#include <unistd.h>

#include <regex>

using namespace tapir;

namespace {

nn::Sequential small_model() {
  nn::Sequential model{nn::Dense(1, {.seed = 1})};
  model.compile({.optimizer = "sgd", .loss = "mse", .metrics = {"mae"}});
  return model;
}
const Tensor x = random::normal({40, 3}, {.seed = 1}), y = random::normal({40, 1}, {.seed = 2});

// What `f` writes to the standard output while that is `output`; `input` reads it.
template <class F>
std::string printed(F f, int input, int output) {
  std::fflush(stdout);
  int kept = dup(STDOUT_FILENO);
  dup2(output, STDOUT_FILENO);
  f();
  std::fflush(stdout);
  dup2(kept, STDOUT_FILENO);
  close(kept), close(output);
  std::string text;
  char buffer[4096];
  fcntl(input, F_SETFL, O_NONBLOCK);
  for (ssize_t n; (n = read(input, buffer, sizeof buffer)) > 0;) text.append(buffer, std::size_t(n));
  close(input);
  return text;
}
template <class F>
std::string in_pipe(F f) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  return printed(f, ends[0], ends[1]);
}
template <class F>
std::string on_terminal(F f) {
  int master = posix_openpt(O_RDWR | O_NOCTTY);
  REQUIRE(master >= 0);
  REQUIRE(grantpt(master) == 0);
  REQUIRE(unlockpt(master) == 0);
  return printed(f, master, open(ptsname(master), O_RDWR | O_NOCTTY));
}

const std::string number = R"((\d+\.\d{4}|\d\.\d{4}e-\d\d))", time_text = R"(\d+s - \d+(us|ms|s)/step)";

}  // namespace

TEST_CASE("silent") {
  auto run = [] {
    nn::Sequential model = small_model();
    model.fit(x, y, {.epochs = 2, .verbose = 0});
    model.evaluate(x, y);
    model.predict(x);
  };
  CHECK(in_pipe(run) == "");
  CHECK(on_terminal(run) == "");
}

TEST_CASE("one line an epoch: asked for, and where there is no terminal") {
  for (int verbose : {1, 2}) {
    auto run = [&] {
      small_model().fit(x, y, {.epochs = 2, .batch_size = 7, .validation_split = 0.25, .verbose = verbose});
    };
    std::string line = " - 5/5 - " + time_text + " - loss: " + number + " - mae: " + number + " - val_loss: " + number +
                       " - val_mae: " + number;
    const std::regex both("Epoch 1/2" + line + "\nEpoch 2/2" + line + "\n");
    std::string text = in_pipe(run);
    CHECK_MESSAGE(std::regex_match(text, both), text);
  }
  std::string text = on_terminal([] { small_model().fit(x, y, {.epochs = 4, .verbose = 2, .initial_epoch = 3}); });
  CHECK_MESSAGE(std::regex_match(text, std::regex("Epoch 4/4 - 2/2 - " + time_text + " - loss: " + number +
                                                  " - mae: " + number + "\r\n")),
                text);
}

TEST_CASE("the bar on a terminal, redrawn in its own line") {
  std::string text = on_terminal([] { small_model().fit(x, y, {.epochs = 2, .batch_size = 4, .verbose = 1}); });
  std::string twenty;
  for (int i = 0; i < 20; ++i) twenty += "━";
  CHECK(text.starts_with("Epoch 1/2\r\n\r\033[K"));
  CHECK(std::count(text.begin(), text.end(), '\n') == 4);
  // the first drawing: one of ten steps is done, two of twenty pieces
  CHECK(text.find("\033[1m 1/10\033[0m \033[32m━━\033[37m" + twenty.substr(0, twenty.size() * 18 / 20) + "\033[0m") !=
        std::string::npos);
  const std::regex done("\033\\[1m10/10\033\\[0m \033\\[32m" + twenty +
                        "\033\\[0m \033\\[1m\\d+s\033\\[0m \\d+(us|ms|s)/step - loss: " + number + " - mae: " + number +
                        "\r\n");
  CHECK(std::distance(std::sregex_iterator(text.begin(), text.end(), done), std::sregex_iterator()) == 2);
}

TEST_CASE("small and broken numbers; evaluate's line") {
  nn::Sequential model{nn::Flatten()};
  model.compile({.loss = "mse"});
  auto line = [&](float error) {
    return in_pipe([&] { model.evaluate(full({4, 1}, error), zeros({4, 1}), {.verbose = 1}); });
  };
  CHECK(line(0) == "loss: 0.0000\n");
  CHECK(line(1.5) == "loss: 2.2500\n");
  CHECK(line(0.01f) == "loss: 1.0000e-04\n");
  CHECK(line(NAN) == "loss: nan\n");
  CHECK(line(INFINITY) == "loss: inf\n");
}

TEST_CASE("summary prints its text") {
  nn::Sequential model = small_model();
  CHECK(in_pipe([&] { model.summary(); }) == model.summary_text());
}

TEST_CASE("batches of a number that is not known before the end") {
  const auto batches = data::Dataset::from_tensors({x, y}).batch(4).filter([](const data::Element&) { return true; });
  std::string text = on_terminal([&] { small_model().fit(batches, {.epochs = 2, .verbose = 1}); });
  CHECK(text.starts_with("Epoch 1/2\r\n\r\033[K      1/Unknown \033[1m"));
  CHECK(text.find("\033[1m10/10\033[0m \033[32m━") != text.npos);
  text = in_pipe([&] { small_model().fit(batches, {.epochs = 1}); });
  CHECK_MESSAGE(text.starts_with("Epoch 1/1 - 10/10 - "), text);
}
