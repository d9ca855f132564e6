// Models and layers of one's own: variables and layers are found by themselves.
#include <tapir/test/ops/golden.h>

using namespace tapir;
using golden::distance;

namespace {

const Tensor x = random::normal({32, 3}, {.seed = 3}), y = matmul(x, tensor({{1.0f}, {-2.0f}, {0.5f}})) + 0.5f;

// A model of one's own: a variable, layers as members and in a vector, one of them used twice.
struct Own : nn::Model {
  nn::Dense first{4, {.activation = "relu", .seed = 1}}, twice{4, {.seed = 2}};
  std::vector<nn::Dense> more{nn::Dense(2, {.seed = 3}), nn::Dense(1, {.seed = 4})};
  nn::Dropout drop{0.5, {.seed = 5}};
  Variable gain{full({}, 2.0f), "gain"};
  int trained = 0;
  Tensor call(const Tensor& x, bool training) override {
    trained += training;
    Tensor y = twice(twice(drop(first(x)))) * gain;
    for (auto& layer : more) y = layer(y);
    return y;
  }
};

// The example of nn/layer.h.
struct Residual : nn::Layer {
  nn::Dense inner{64, {.activation = "relu"}}, outer{64};
  Variable gain{zeros({}), "gain"};
  Tensor call(const Tensor& t, bool) override { return t + gain * outer(inner(t)); }
};

}  // namespace

TEST_CASE("a model of one's own: layers and variables are found in call, each once") {
  Own model;
  CHECK(model.variables().empty());
  model.compile(
      {.optimizer = optim::Adam({.learning_rate = 0.02}), .loss = "mse", .run_eagerly = true});  // counts its calls
  nn::History h = model.fit(x, y, {.epochs = 30, .batch_size = 8, .shuffle_seed = 2, .verbose = 0});
  CHECK(model.trained == 30 * 4);
  CHECK(h["loss"].back() < 0.5 * h["loss"].front());
  CHECK(model.gain.value().item<float>() != 2.0f);
  CHECK(model.variables().size() == 9);
  CHECK(model.count_params() == 1 + 16 + 20 + 10 + 3);
  Tensor once = model.predict(x);
  CHECK(distance(model.predict(x), once) == 0);  // dropout is off
  model.first.set_trainable(false);
  CHECK(model.trainable_variables().size() == 7);
  Tensor kernel = model.first.kernel().value(), other = model.twice.kernel().value();
  model.fit(x, y, {.verbose = 0});
  CHECK(distance(kernel, model.first.kernel().value()) == 0);
  CHECK(distance(other, model.twice.kernel().value()) > 0);
}

TEST_CASE("a layer of one's own is listed, trained, saved and named like any other") {
  nn::reset_names();
  random::set_seed(1);
  Residual residual;
  nn::Sequential model{nn::Dense(64), residual, nn::Dense(1)};
  model.compile({.optimizer = "adam", .loss = "mse"});
  nn::History h = model.fit(x, y, {.epochs = 20, .batch_size = 4, .verbose = 0});
  CHECK(h["loss"].back() < 0.5 * h["loss"].front());
  CHECK(residual.gain.value().item<float>() != 0);  // the model's, not a copy
  CHECK(residual.name() == "residual");
  CHECK(residual.count_params() == 2 * (64 * 64 + 64) + 1);
  CHECK(model.summary_text().find("│ residual (Residual)             │ (None, 64)             │         8,321 │") !=
        std::string::npos);
}

TEST_CASE("a branch that is taken later brings its layers with it") {
  struct Branches : nn::Model {
    nn::Dense small{1}, large{1};
    bool use_large = false;
    Tensor call(const Tensor& t, bool) override { return use_large ? large(t) : small(t); }
  } model;
  model.compile({.optimizer = "sgd", .loss = "mse"});
  model.fit(x, y, {.verbose = 0});
  CHECK(model.variables().size() == 2);
  model.use_large = true;
  model.compile({.optimizer = "sgd", .loss = "mse"});  // the branch was traced
  model.fit(x, y, {.verbose = 0});
  CHECK(model.variables().size() == 4);
}
