// fit, evaluate and predict trace their step: the numbers are those of the eager loop, and a trace ends when it no
// longer holds.
#include <tapir/test/ops/golden.h>

#include <fcntl.h>
#include <unistd.h>

using namespace tapir;
using golden::check_error;
using golden::distance;

namespace {

const Tensor images = random::normal({50, 8, 8, 2}, {.seed = 1}), classes = random::integers({50}, 0, 3, {.seed = 2}),
             weight = random::uniform({50}, {.seed = 3});
const Tensor x = random::normal({32, 3}, {.seed = 4}), y = matmul(x, tensor({{1.0f}, {-2.0f}, {0.5f}})) + 0.5f;

// No bias before the normalisation: its gradient is rounding alone, which Adam would blow up to steps.
nn::Sequential network() {
  return {nn::Conv2D(4, {3, 3}, {.use_bias = false, .seed = 1}),
          nn::BatchNormalization({.momentum = 0.9}),
          nn::Activation("relu"),
          nn::MaxPooling2D({2, 2}),
          nn::Flatten(),
          nn::Dropout(0.3, {.seed = 5}),
          nn::Dense(3, {.activation = "softmax", .seed = 2})};
}

nn::Sequential line(bool eagerly, double rate = 0.02) {
  nn::Sequential model{nn::Dense(8, {.activation = "tanh", .seed = 1}), nn::Dense(1, {.seed = 2})};
  model.compile(
      {.optimizer = optim::Adam({.learning_rate = rate}), .loss = "mse", .metrics = {"mae"}, .run_eagerly = eagerly});
  return model;
}

void check_alike(const std::vector<double>& a, const std::vector<double>& b, double tolerance = 2e-5) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == doctest::Approx(b[i]).epsilon(tolerance));
}
void check_alike(const nn::History& a, const nn::History& b) {
  REQUIRE(a.size() == b.size());
  for (auto& [name, values] : a) {
    INFO(name);
    check_alike(values, b[name]);
  }
}
void check_alike(const nn::Model& a, const nn::Model& b, double tolerance = 2e-5) {
  auto v = a.variables(), w = b.variables();
  REQUIRE(v.size() == w.size());
  for (std::size_t i = 0; i < v.size(); ++i) {
    INFO(v[i].name());
    CHECK(distance(v[i].value(), w[i].value()) < tolerance);
  }
}

// What `f` writes to the standard error.
template <class F>
std::string noted(F f) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  std::fflush(stderr);
  const int kept = dup(STDERR_FILENO);
  dup2(ends[1], STDERR_FILENO);
  f();
  std::fflush(stderr);
  dup2(kept, STDERR_FILENO);
  close(kept), close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) text.append(buffer, std::size_t(n));
  close(ends[0]);
  return text;
}

// Counts how often its `call` runs in training.
struct Counting : nn::Model {
  nn::Dense dense{1, {.seed = 1}};
  int calls = 0;
  bool twice = false;
  Tensor call(const Tensor& t, bool training) override {
    calls += training;
    return twice ? 2 * dense(t) : dense(t);
  }
};

}  // namespace

TEST_CASE("losses, metrics, weights and moving averages are those of the eager loop") {
  for (const std::string optimizer : {"adam", "sgd", "rmsprop", "adamw", "adagrad"}) {
    INFO(optimizer);
    nn::Sequential traced = network(), eager = network();
    nn::History histories[2];
    for (bool eagerly : {false, true}) {
      nn::Sequential& model = eagerly ? eager : traced;
      model.compile({.optimizer = optimizer,
                     .loss = "sparse_categorical_crossentropy",
                     .metrics = {"accuracy"},
                     .weighted_metrics = {"accuracy"},
                     .run_eagerly = eagerly});
      histories[eagerly] = model.fit(images, classes,
                                     {.epochs = 4,
                                      .batch_size = 8,
                                      .validation_split = 0.2,
                                      .shuffle_seed = 3,
                                      .verbose = 0,
                                      .sample_weight = weight});  // 5 batches; 8 and 2 to validate
    }
    check_alike(histories[0], histories[1]);
    CHECK(histories[0].size() == 6);
    check_alike(traced, eager);
    for (std::int64_t size : {1, 7, 50, 64})
      CHECK(distance(traced.predict(images, {.batch_size = size}), eager.predict(images)) < 2e-5);
    nn::Logs a = traced.evaluate(images, classes, {.batch_size = 9}),
             b = eager.evaluate(images, classes, {.batch_size = 9});
    for (auto& [name, value] : a) CHECK(value == doctest::Approx(b[name]).epsilon(2e-5));
  }
}

TEST_CASE("metrics that count beside thresholds") {
  const Tensor labels = (classes > 0).astype(DType::f32);
  nn::History histories[2];
  for (bool eagerly : {false, true}) {
    nn::Sequential model{nn::Flatten(), nn::Dense(1, {.activation = "sigmoid", .seed = 1})};
    model.compile({.optimizer = "adam",
                   .loss = "binary_crossentropy",
                   .metrics = {"auc", "precision", "binary_accuracy"},
                   .weighted_metrics = {"recall", "mse"},
                   .run_eagerly = eagerly});
    histories[eagerly] = model.fit(
        images, labels, {.epochs = 3, .batch_size = 16, .shuffle = false, .verbose = 0, .sample_weight = weight});
  }
  check_alike(histories[0], histories[1]);
}

TEST_CASE("dropout without a seed draws from the global generator, as the eager loop does, anew each step") {
  auto losses = [](bool eagerly) {
    random::set_seed(4);
    nn::Sequential model{nn::Dense(16), nn::Dropout(0.5), nn::Dense(1),
                         nn::Dropout(0.2)};  // unbuilt: weights are drawn too
    model.compile({.optimizer = optim::SGD({.learning_rate = 0}), .loss = "mse", .run_eagerly = eagerly});
    return model.fit(x, y, {.epochs = 4, .batch_size = 8, .verbose = 0})["loss"];
  };
  const auto traced = losses(false);
  check_alike(traced, losses(true));
  CHECK(traced[0] != traced[1]);  // other masks and nothing else: the rate is 0
  nn::Sequential seeded{nn::Dense(16, {.seed = 1}), nn::Dropout(0.5, {.seed = 1}), nn::Dense(1, {.seed = 2})};
  seeded.compile({.optimizer = optim::SGD({.learning_rate = 0}), .loss = "mse"});
  const auto own = seeded.fit(x, y, {.epochs = 3, .shuffle = false, .verbose = 0})["loss"];
  CHECK(own[0] != own[1]);
  CHECK(own[1] != own[2]);
}

TEST_CASE("one trace serves all full batches, one the short last batch; new data keeps them, compile does not") {
  Counting model;
  model.compile({.optimizer = "sgd", .loss = "mse"});
  model.fit(x, y, {.epochs = 5, .batch_size = 10, .verbose = 0});  // 10, 10, 10, 2
  CHECK(model.calls == 2);
  model.fit(x + 1, y, {.epochs = 2, .batch_size = 10, .shuffle = false, .verbose = 0});
  CHECK(model.calls == 2);
  model.fit(x, y, {.batch_size = 10, .verbose = 0, .sample_weight = ones({32})});
  CHECK(model.calls == 4);
  model.compile({.optimizer = "sgd", .loss = "mae"});
  model.fit(x, y, {.epochs = 2, .verbose = 0});
  CHECK(model.calls == 5);
  CHECK(model.evaluate(x, y)["loss"] == doctest::Approx(mean(abs(model(x) - y)).item<double>()).epsilon(1e-5));
}

TEST_CASE("ways to run op by op") {
  Counting model;
  model.compile({.loss = "mse", .run_eagerly = true});
  model.fit(x, y, {.epochs = 2, .batch_size = 16, .verbose = 0});
  CHECK(model.calls == 4);
  Counting other;
  other.compile({.loss = "mse"});
  run_functions_eagerly(true);
  other.fit(x, y, {.epochs = 2, .batch_size = 16, .verbose = 0});
  run_functions_eagerly(false);
  CHECK(other.calls == 4);
  other.fit(x, y, {.epochs = 2, .batch_size = 16, .verbose = 0});
  CHECK(other.calls == 5);
}

TEST_CASE("the learning rate is read by every step") {
  std::vector<double> losses[2];
  for (bool eagerly : {false, true}) {
    optim::SGD sgd({.learning_rate = 0.1});
    nn::Sequential model{nn::Dense(1, {.seed = 1})};
    model.compile({.optimizer = sgd, .loss = "mse", .run_eagerly = eagerly});
    auto slower = [&](int, const nn::Logs&) { return sgd.set_learning_rate(0.5 * sgd.learning_rate()), true; };
    losses[eagerly] = model.fit(x, y, {.epochs = 4, .shuffle_seed = 1, .verbose = 0, .on_epoch_end = slower})["loss"];
  }
  check_alike(losses[0], losses[1]);
}

TEST_CASE("layers that are frozen or thawed, also between epochs, are seen") {
  nn::Sequential models[2] = {network(), network()};
  nn::History histories[2];
  for (bool eagerly : {false, true}) {
    nn::Sequential& model = models[eagerly];
    model.compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy", .run_eagerly = eagerly});
    const nn::FitOptions options{.epochs = 2, .batch_size = 10, .shuffle_seed = 3, .verbose = 0};
    model.fit(images, classes, options);
    Tensor kernel = model.variables()[0].value();
    model.layers()[0]->set_trainable(false);
    model.fit(images, classes, options);
    CHECK(distance(kernel, model.variables()[0].value()) == 0);
    nn::FitOptions thaw = options;
    thaw.on_epoch_end = [&](int, const nn::Logs&) {
      for (auto& layer : model.layers()) layer->set_trainable(layer->type() != "BatchNormalization");
      return true;
    };
    histories[eagerly] = model.fit(images, classes, thaw);
    CHECK(distance(kernel, model.variables()[0].value()) > 0);
  }
  check_alike(histories[0], histories[1]);
  check_alike(models[0], models[1]);

  // BatchNormalization alone, of which nothing is trained: freezing changes what it computes.
  nn::BatchNormalization norm({.center = false, .scale = false});
  nn::Sequential model{norm, nn::Dense(1, {.seed = 1})};
  model.compile({.optimizer = optim::SGD({.learning_rate = 0}), .loss = "mse"});
  const double moving = model.fit(x, y, {.verbose = 0})["loss"][0];
  norm.set_trainable(false);
  const double frozen = model.fit(x, y, {.verbose = 0})["loss"][0];
  CHECK(frozen != doctest::Approx(moving).epsilon(1e-3));
  CHECK(frozen == doctest::Approx(model.evaluate(x, y)["loss"]).epsilon(1e-5));
}

TEST_CASE("layers that are added are seen, also in a model within and a layer that is there already") {
  nn::Sequential inner{nn::Dense(1, {.seed = 1})}, model{inner};
  nn::Activation halve([](const Tensor& t) { return 0.5 * t; });
  model.compile({.optimizer = "sgd", .loss = "mse"});
  model.fit(x, y, {.verbose = 0});
  Tensor out = model.predict(x);
  model.add(halve);
  CHECK(distance(model.predict(x), 0.5 * out) < 1e-6);
  model.add(halve);
  CHECK(distance(model.predict(x), 0.25 * out) < 1e-6);
  model.add(nn::Dense(1, {.seed = 2}));
  model.fit(x, y, {.verbose = 0});
  CHECK(model.trainable_variables().size() == 4);
  std::vector<Tensor> before;
  for (auto& v : model.variables()) before.push_back(v.value());
  model.fit(x, y, {.verbose = 0});
  for (std::size_t i = 0; i < 4; ++i) CHECK(distance(before[i], model.variables()[i].value()) > 0);

  auto& within = static_cast<nn::Sequential&>(*model.layers()[0]);
  out = model.predict(x);
  within.add(nn::Activation([](const Tensor& t) { return 0 * t; }));
  CHECK(distance(model.predict(x), out) > 1e-3);
  CHECK(distance(model.predict(x), model(x)) < 1e-6);
}

TEST_CASE("copies share weights and compile, and trace for themselves") {
  Counting model;
  model.compile({.optimizer = "sgd", .loss = "mse"});
  model.fit(x, y, {.verbose = 0});
  {
    Counting copy = model;
    copy.twice = true;
    CHECK(distance(copy.predict(x), 2 * model.predict(x)) < 1e-6);
    copy.compile({.optimizer = optim::SGD({.learning_rate = 0}), .loss = "mae"});
  }
  Tensor before = model.predict(x);
  CHECK(model.fit(x, y, {.verbose = 0})["loss"][0] ==
        doctest::Approx(mean(abs(before - y)).item<double>()).epsilon(1e-5));
  CHECK(distance(model.predict(x), before) == 0);
  Counting other;
  other = model;
  CHECK(distance(other.predict(x), before) < 1e-6);
}

TEST_CASE("what cannot be traced runs op by op, and one note says so") {
  auto reading = [](const Tensor& t, const Tensor& p) { return Tensor(mean(abs(t - p)).item<double>()); };
  nn::History histories[2];
  for (bool eagerly : {false, true}) {
    nn::Sequential model{nn::Dense(8, {.activation = "tanh", .seed = 1}), nn::Dense(1, {.seed = 2})};
    model.compile({.optimizer = optim::Adam({.learning_rate = 0.02}),
                   .loss = "mse",
                   .metrics = {{reading, "mae"}},
                   .run_eagerly = eagerly});
    const nn::FitOptions options{.epochs = 3, .validation_split = 0.25, .shuffle_seed = 1, .verbose = 0};
    const std::string note = noted([&] { histories[eagerly] = model.fit(x, y, options); });
    if (eagerly) {
      CHECK(note == "");
      continue;
    }
    CHECK(note.starts_with("fit: this model runs op by op, since its step cannot be traced (model_traced_test.cpp:"));
    CHECK(note.ends_with(
        "item: this tensor has no value yet, it is being traced by function(). Use cond() or while_loop() instead of a "
        "C++ `if`, and print() to look at it.) Say .run_eagerly = true in compile to silence this note.\n"));
    CHECK(std::count(note.begin(), note.end(), '\n') == 1);
    CHECK(noted([&] { model.fit(x, y, options), model.evaluate(x, y), model.predict(x); }) == "");
  }
  CHECK(histories[0]["loss"] == histories[1]["loss"]);
  CHECK(noted([] { line(false).fit(x, y, {.verbose = 0}); }) == "");
}

TEST_CASE("mistakes: told as by the eager loop, and nothing has changed") {
  nn::Sequential model{nn::Flatten(), nn::Dense(3, {.activation = "softmax", .seed = 1})};
  model.compile({.optimizer = "sgd", .loss = "sparse_categorical_crossentropy"});
  model.fit(images, classes, {.verbose = 0});
  Tensor before = model.predict(images);
  CHECK_THROWS_AS(model.fit(images, classes + 3, {.batch_size = 50, .verbose = 0}), UsageError);
  CHECK(distance(model.predict(images), before) == 0);
  check_error<ShapeError>(
      [&] {
        model.fit(images, concat({y, y})[Slice(0, 50)] * ones({50, 2}), {.verbose = 0});
      },
      "are not the class numbers of y_pred [32, 3].");

  nn::Sequential wide{nn::Flatten(), nn::Dense(1, {.seed = 1})};
  wide.compile({.optimizer = optim::SGD({.learning_rate = 0}), .loss = "mse", .metrics = {"precision"}});
  wide.build({3});
  wide.variables()[0].assign(ones({3, 1}));
  check_error<UsageError>(
      [&] {
        wide.evaluate(100 * ones({4, 3}), ones({4, 1}));
      },
      "precision: predictions must be in [0, 1], got 300.");
  CHECK(wide.evaluate(zeros({4, 3}), ones({4, 1}))["precision"] == 0);  // the state starts anew

  struct Mine {};
  struct Throwing : nn::Model {
    nn::Dense dense{1};
    bool now = false;
    Tensor call(const Tensor& t, bool) override {
      if (now) throw Mine();
      return dense(t);
    }
  } own;
  own.compile({.loss = "mse"});
  own.build({3});
  own.now = true;
  CHECK_THROWS_AS(own.fit(x, y, {.verbose = 0}), Mine);
  own.now = false;
  CHECK(own.fit(x, y, {.epochs = 2, .verbose = 0})["loss"].size() == 2);
}

TEST_CASE("predict within a function of the user's own") {
  nn::Sequential model = line(false);
  auto twice = function([&](const Tensor& t) { return 2 * model.predict(t, {.batch_size = 10}); });
  const Tensor out = twice(x);  // which makes the weights
  CHECK(distance(out, 2 * model(x)) < 1e-6);
  CHECK(distance(twice(x), out) < 1e-6);
}

TEST_CASE("fit within a tape of the user's own") {
  nn::Sequential model = line(false), alone = line(false);
  Variable v(Tensor(2.0f), "v");
  GradientTape tape;
  Tensor value = v * v;
  check_alike(model.fit(x, y, {.epochs = 2, .shuffle_seed = 1, .verbose = 0}),
              alone.fit(x, y, {.epochs = 2, .shuffle_seed = 1, .verbose = 0}));
  Tensor out = sum(model.predict(x)) * value;
  const std::vector<Variable> sources{v, model.trainable_variables()[0]};
  const std::vector<Tensor> gradients = tape.gradient(out, sources);
  CHECK(gradients[0].item<float>() == doctest::Approx(4 * sum(model.predict(x)).item<float>()));
  CHECK(gradients[1].defined());
}
