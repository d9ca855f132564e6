// Models: building, training, evaluating, predicting. Whole training steps are held against real Keras.
#include <tapir/test/ops/golden.h>

using namespace tapir;
using golden::distance;

namespace {

// y = x w + 0.5, with noise that no model can learn.
struct Data {
  Tensor x, y;
};
Data line_data(std::int64_t n, std::int64_t seed = 3) {
  Tensor x = random::normal({n, 3}, {.seed = seed});
  return {x, matmul(x, tensor({{1.0f}, {-2.0f}, {0.5f}})) + 0.5f + 0.01 * random::normal({n, 1}, {.seed = seed + 1})};
}

nn::Sequential small_model() {
  nn::Sequential model{nn::Dense(8, {.activation = "tanh", .seed = 1}), nn::Dense(1, {.seed = 2})};
  model.compile({.optimizer = optim::Adam({.learning_rate = 0.02}), .loss = "mse", .metrics = {"mae"}});
  return model;
}

double mean_square(const Tensor& a, const Tensor& b) {
  auto x = a.astype(DType::f64).to_vector<double>(), y = b.astype(DType::f64).to_vector<double>();
  double s = 0;
  for (std::size_t i = 0; i < x.size(); ++i) s += (x[i] - y[i]) * (x[i] - y[i]);
  return s / double(x.size());
}

std::vector<std::string> names(const auto& results) {
  std::vector<std::string> out;
  for (auto& [name, v] : results) out.push_back(name);
  return out;
}

}  // namespace

TEST_CASE("training steps are those of Keras") {
  golden::Family family("layers");
  for (const std::string optimizer : {"adam", "sgd"}) {
    INFO(optimizer);
    auto get = [&](const std::string& field) { return family.get("train_" + optimizer, field); };
    nn::Sequential model{nn::Conv2D(4, {3, 3}, {.activation = "relu"}), nn::MaxPooling2D({2, 2}), nn::Flatten(),
                         nn::Dense(3, {.activation = "softmax"})};
    model.build({9, 8, 1});
    const char* fields[] = {"conv2d_kernel", "conv2d_bias", "dense_kernel", "dense_bias"};
    auto variables = model.variables();
    REQUIRE(variables.size() == 4);
    for (std::size_t i = 0; i < 4; ++i) variables[i].assign(get(std::string("sequential_") + fields[i]));
    model.compile({.optimizer = optimizer, .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
    const Tensor x = get("x"), labels = get("labels"), after = get("after");
    CHECK(distance(model.predict(x[0]), get("y")) < 1e-5);
    for (std::int64_t step = 0; step < 5; ++step) {
      INFO(step);
      nn::History history = model.fit(x[step], labels[step], {.batch_size = 6, .verbose = 0});
      CHECK(history["loss"].back() == doctest::Approx(get("losses")[step].item<double>()).epsilon(1e-5));
      CHECK(history["accuracy"].back() == doctest::Approx(get("accuracies")[step].item<double>()).epsilon(1e-6));
      std::vector<Tensor> flat;
      for (auto& v : variables) flat.push_back(reshape(v.value(), {-1}));
      CHECK(distance(concat(flat), after[step]) < 2e-5);
    }
  }
}

TEST_CASE("fit learns a line; the history has one value an epoch, sorted by name") {
  auto [x, y] = line_data(200);
  nn::Sequential model = small_model();
  nn::History history = model.fit(x, y, {.epochs = 60, .validation_split = 0.25, .shuffle_seed = 1, .verbose = 0});
  CHECK(names(history) == std::vector<std::string>{"loss", "mae", "val_loss", "val_mae"});
  for (auto& [name, values] : history) CHECK(values.size() == 60);
  CHECK(history["loss"].back() < 0.05 * history["loss"].front());
  CHECK(history["val_loss"].back() < 0.1 * history["val_loss"].front());
  CHECK(mean_square(model.predict(x), y) < 0.1);
  CHECK(model.fit(x, y, {.epochs = 0}).size() == 0);
}

TEST_CASE("compile by names, by objects, by functions; each compile starts anew") {
  auto [x, y] = line_data(20);
  nn::Sequential model{nn::Dense(1, {.seed = 1})};
  auto loss = [](const Tensor& t, const Tensor& p) { return mean(abs(t - p), {.axis = -1}); };
  auto largest = [](const Tensor& t, const Tensor& p) { return max(abs(t - p), {.axis = -1}); };
  optim::SGD sgd({.learning_rate = 0.0});
  model.compile({.optimizer = sgd,
                 .loss = loss,
                 .metrics = {"mae", nn::metrics::MeanSquaredError("squares"), {largest, "largest"}}});
  nn::Logs logs = model.evaluate(x, y);
  CHECK(names(logs) == std::vector<std::string>{"largest", "loss", "mae", "squares"});
  CHECK(logs["loss"] == doctest::Approx(logs["mae"]));
  CHECK(logs["largest"] == doctest::Approx(logs["mae"]));  // one output
  CHECK(logs["squares"] == doctest::Approx(mean_square(model.predict(x), y)));
  Tensor before = model.predict(x);
  model.fit(x, y, {.batch_size = 7, .verbose = 0});
  CHECK(sgd.iterations().value().item<std::int64_t>() == 3);  // the same optimizer, not a copy; its rate is 0
  CHECK(mean_square(model.predict(x), before) == 0);

  model.compile({.optimizer = "sgd", .loss = {"huber", {.delta = 0.1}}});
  CHECK(model.evaluate(x, y)["loss"] == doctest::Approx(nn::huber(y, before, {.delta = 0.1}).item<double>()));
  CHECK(names(model.evaluate(x, y)) == std::vector<std::string>{"loss"});
  model.compile({.loss = "mse"});  // rmsprop, as Keras
  model.fit(x, y, {.verbose = 0});
  CHECK(mean_square(model.predict(x), before) > 0);
}

TEST_CASE("metrics see sample weights only if they are asked to; names that are taken change as in Keras") {
  auto [x, y] = line_data(10);
  Tensor weight = random::uniform({10}, {.seed = 9});
  nn::Sequential model{nn::Dense(1, {.seed = 1})};
  model.compile({.loss = "mse", .metrics = {"mse", "mse"}, .weighted_metrics = {"mse", "mae"}});
  nn::Logs logs = model.evaluate(x, y, {.batch_size = 4, .sample_weight = weight});
  CHECK(names(logs) == std::vector<std::string>{"loss", "mae", "mse", "mse_1", "weighted_mse"});
  auto p = model.predict(x).to_vector<float>(), t = y.to_vector<float>(), w = weight.to_vector<float>();
  double squares = 0, weighted = 0, absolute = 0, total = 0;
  for (std::size_t i = 0; i < 10; ++i) {
    double e = double(p[i]) - double(t[i]);
    squares += e * e, weighted += double(w[i]) * e * e, absolute += double(w[i]) * std::abs(e), total += double(w[i]);
  }
  CHECK(logs["loss"] == doctest::Approx(weighted / 10).epsilon(1e-5));
  CHECK(logs["mse"] == doctest::Approx(squares / 10).epsilon(1e-5));
  CHECK(logs["mse_1"] == logs["mse"]);
  CHECK(logs["weighted_mse"] == doctest::Approx(weighted / total).epsilon(1e-5));
  CHECK(logs["mae"] == doctest::Approx(absolute / total).epsilon(1e-5));
}

TEST_CASE("an example of weight 0 teaches nothing") {
  auto [x, y] = line_data(8);
  Tensor wrong = concat({y[Slice(0, 4)], y[Slice(4, 8)] + 100}), weight = tensor({1, 1, 1, 1, 0, 0, 0, 0});
  auto trained = [&](const Tensor& target) {
    nn::Sequential model = small_model();
    model.fit(x, target, {.epochs = 3, .shuffle_seed = 1, .verbose = 0, .sample_weight = weight});
    return model.predict(x);
  };
  CHECK(mean_square(trained(y), trained(wrong)) == 0);
}

TEST_CASE("the same seeds give the same losses, bit for bit; other orders give others") {
  auto [x, y] = line_data(50);
  auto losses = [&, x = x, y = y](std::int64_t seed, bool shuffle = true) {
    return small_model().fit(
        x, y, {.epochs = 4, .batch_size = 8, .shuffle = shuffle, .shuffle_seed = seed, .verbose = 0})["loss"];
  };
  CHECK(losses(7) == losses(7));
  CHECK(losses(7) != losses(8));
  CHECK(losses(7, false) == losses(8, false));
  CHECK(losses(7, false) != losses(7));
  auto by_global = [&] {
    random::set_seed(5);
    return losses(-1);
  };
  auto first = by_global();
  CHECK(first == by_global());
  CHECK(first != losses(-1));  // the generator has moved on
}

TEST_CASE("an epoch shows every example once, in another order each time; not shuffled, as they stand") {
  Tensor x = reshape(arange(10).astype(DType::f32), {10, 1});
  std::vector<std::vector<float>> epochs;
  struct Listener : nn::Model {
    std::vector<float>* seen;
    nn::Dense dense{1};
    Tensor call(const Tensor& t, bool training) override {
      if (training)
        for (float v : t.to_vector<float>()) seen->push_back(v);
      return dense(t);
    }
  } model;
  model.compile({.loss = "mse"});
  for (bool shuffle : {true, false}) {
    std::vector<float> seen;
    model.seen = &seen;
    model.fit(x, x, {.epochs = 2, .batch_size = 4, .shuffle = shuffle, .shuffle_seed = 1, .verbose = 0});
    REQUIRE(seen.size() == 20);
    for (int e = 0; e < 2; ++e) epochs.emplace_back(seen.begin() + 10 * e, seen.begin() + 10 * e + 10);
  }
  const std::vector<float> stands{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  CHECK(epochs[0] != epochs[1]);
  CHECK(epochs[2] == stands);
  CHECK(epochs[3] == stands);
  for (auto& e : epochs) {
    std::sort(e.begin(), e.end());
    CHECK(e == stands);
  }
}

TEST_CASE("validation: the last part, or data of its own; weights go with the split") {
  auto [x, y] = line_data(40);
  Tensor weight = random::uniform({40}, {.seed = 4});
  auto part = [](const Tensor& t, std::int64_t b, std::int64_t e) { return t[Slice(b, e)]; };
  const nn::FitOptions base{.epochs = 2, .batch_size = 8, .shuffle_seed = 3, .verbose = 0};

  nn::Sequential split = small_model(), given = small_model(), both = small_model(), all = small_model();
  nn::FitOptions o = base;
  o.validation_split = 0.3;
  o.sample_weight = weight;
  nn::History a = split.fit(x, y, o);
  nn::Logs last =
      split.evaluate(part(x, 28, 40), part(y, 28, 40), {.batch_size = 8, .sample_weight = part(weight, 28, 40)});
  CHECK(a["val_loss"].back() == last["loss"]);
  CHECK(a["val_mae"].back() == last["mae"]);

  o = base;
  o.sample_weight = part(weight, 0, 28);
  o.validation_data = {part(x, 28, 40), part(y, 28, 40)};
  nn::History b = given.fit(part(x, 0, 28), part(y, 0, 28), o);
  CHECK(b["loss"] == a["loss"]);          // the split never trains on its last part
  CHECK(b["val_loss"] != a["val_loss"]);  // not weighted here
  CHECK(b["val_mae"] == a["val_mae"]);

  o = base;
  nn::History c = all.fit(x, y, o);
  o.validation_split = 0.3;
  o.validation_data = {part(x, 28, 40), part(y, 28, 40)};
  CHECK(both.fit(x, y, o)["loss"] == c["loss"]);  // validation_data wins, as in Keras
}

TEST_CASE("evaluate and predict do not depend on how batches fall") {
  auto [x, y] = line_data(10);
  nn::Sequential model = small_model();
  model.fit(x, y, {.batch_size = 4, .verbose = 0});
  Tensor whole = model(x);
  double loss = mean_square(whole, y);
  for (std::int64_t size : {1, 3, 4, 10, 1000}) {
    INFO(size);
    CHECK(distance(model.predict(x, {.batch_size = size}), whole) < 1e-6);
    nn::Logs logs = model.evaluate(x, y, {.batch_size = size});
    CHECK(logs["loss"] == doctest::Approx(loss).epsilon(1e-5));
    CHECK(logs["mae"] == doctest::Approx(mean(abs(whole - y)).item<double>()).epsilon(1e-5));
  }
  CHECK(model.predict(x[Slice(0, 1)]).shape() == Shape({1, 1}));
  CHECK(model.predict(x[Slice(0, 0)]).shape() == Shape({0, 1}));
  CHECK(model.fit(x[Slice(0, 1)], y[Slice(0, 1)], {.verbose = 0})["loss"].size() == 1);
}

TEST_CASE("fit's loss is the mean over examples, also where the last batch is short; evaluate does not drop") {
  auto [x, y] = line_data(10);
  nn::Sequential plain{nn::Dense(1, {.seed = 1})}, dropping{plain, nn::Dropout(0.5, {.seed = 1})};
  for (auto* model : {&plain, &dropping})
    model->compile({.optimizer = optim::SGD({.learning_rate = 0}), .loss = "mse", .metrics = {"mae"}});
  const double loss = mean_square(plain.predict(x), y);
  CHECK(plain.fit(x, y, {.batch_size = 4, .verbose = 0})["loss"][0] == doctest::Approx(loss).epsilon(1e-5));
  CHECK(dropping.evaluate(x, y)["loss"] == doctest::Approx(loss).epsilon(1e-5));
  nn::History h = dropping.fit(x, y, {.validation_data = {x, y}, .verbose = 0});
  CHECK(h["loss"][0] != doctest::Approx(loss).epsilon(1e-3));
  CHECK(h["val_loss"][0] == doctest::Approx(loss).epsilon(1e-5));
}

TEST_CASE("on_epoch_end sees each epoch's logs and can stop; initial_epoch goes on from there") {
  auto [x, y] = line_data(16);
  nn::Sequential model = small_model();
  std::vector<int> epochs;
  std::vector<double> losses;
  auto stop = [&](int epoch, const nn::Logs& logs) {
    epochs.push_back(epoch);
    losses.push_back(logs["val_loss"]);
    return epoch < 4;
  };
  nn::History h =
      model.fit(x, y, {.epochs = 9, .validation_split = 0.5, .verbose = 0, .initial_epoch = 2, .on_epoch_end = stop});
  CHECK(epochs == std::vector<int>{2, 3, 4});
  CHECK(h["val_loss"] == losses);
}

TEST_CASE("a loss that is not a number is reported, not hidden") {
  nn::Sequential model = small_model();
  Tensor x = ones({4, 3}), y = full({4, 1}, NAN);
  nn::History h = model.fit(x, y, {.epochs = 2, .verbose = 0});
  for (auto& [name, values] : h)
    for (double v : values) CHECK(std::isnan(v));
  CHECK(std::isnan(model.evaluate(x, y)["loss"]));
}

TEST_CASE("a copy of a model is the same model") {
  auto [x, y] = line_data(16);
  nn::Sequential model = small_model(), copy = model;
  copy.fit(x, y, {.epochs = 2, .verbose = 0});
  CHECK(mean_square(model.predict(x), copy.predict(x)) == 0);
  CHECK(model.built());
}
