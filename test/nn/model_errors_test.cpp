// What a mistake says: one line with the values, and the model is as it was.
#include <tapir/test/ops/golden.h>

using namespace tapir;
using golden::check_error;

namespace {

const Tensor x = random::normal({8, 3}, {.seed = 1}), y = random::normal({8, 1}, {.seed = 2});

nn::Sequential compiled() {
  nn::Sequential model{nn::Dense(1, {.seed = 1})};
  model.compile({.optimizer = "sgd", .loss = "mse", .metrics = {"mae"}});
  return model;
}

template <class E>
void check_fit(const Tensor& a, const Tensor& b, nn::FitOptions options, const std::string& text) {
  nn::Sequential model = compiled();
  Tensor before = model.predict(x);
  options.verbose = options.verbose == 1 ? 0 : options.verbose;
  check_error<E>([&] { model.fit(a, b, options); }, text);
  CHECK(golden::distance(model.predict(x), before) == 0);
}

}  // namespace

TEST_CASE("compile") {
  nn::Sequential model{nn::Dense(1)};
  check_error<UsageError>([&] { model.compile({.optimizer = "adam"}); },
                          "compile: a loss is needed: {.loss = \"mse\"} or a function.");
  check_error<UsageError>([&] { model.compile({.optimizer = "adma", .loss = "mse"}); },
                          "optimizer: there is no 'adma'. Did you mean 'adam'? There are: adadelta, adafactor, "
                          "adagrad, adam, adamax, adamw, ftrl, lamb, lion, muon, nadam, rmsprop, sgd.");
  const char* not_compiled = ": say how to train first: model.compile({.optimizer = \"adam\", .loss = ...}).";
  check_error<UsageError>([&] { model.fit(x, y); }, std::string("fit") + not_compiled);
  check_error<UsageError>([&] { model.evaluate(x, y); }, std::string("evaluate") + not_compiled);
  CHECK(model.predict(x).shape() == Shape({8, 1}));  // needs no compile
}

TEST_CASE("fit: data") {
  check_fit<UsageError>({}, y, {}, "fit: x and y must be defined tensors.");
  check_fit<UsageError>(x, {}, {}, "fit: x and y must be defined tensors.");
  check_fit<ShapeError>(x, y[Slice(0, 7)], {}, "fit: x [8, 3] and y [7, 1] must have the same number of examples.");
  check_fit<ShapeError>(x, Tensor(1.0f), {}, "fit: x [8, 3] and y [] must have the same number of examples.");
  check_fit<ShapeError>(x[Slice(0, 0)], y[Slice(0, 0)], {}, "fit: there are no examples in x [0, 3].");
  check_fit<ShapeError>(x, y, {.sample_weight = ones({8, 1})}, "fit: sample_weight must have shape [8], got [8, 1].");
  check_fit<UsageError>(x, y, {.validation_data = {x, Tensor()}},
                        "fit: validation_data: x and y must be defined tensors.");
  check_fit<ShapeError>(x, y, {.validation_data = {x, y[Slice(0, 2)]}},
                        "fit: validation_data: x [8, 3] and y [2, 1] must have the same number of examples.");
  check_fit<ShapeError>(x, concat({y, y}, {.axis = 1}), {},
                        "mean_squared_error: y_true [8, 2] and y_pred [8, 1] differ in shape.");
  check_fit<ShapeError>(ones({8, 4}), y, {}, "was built for 3 features, got an input [8, 4].");
}

TEST_CASE("fit: options") {
  check_fit<UsageError>(x, y, {.batch_size = 0}, "fit: batch_size must be at least 1, got 0.");
  check_fit<UsageError>(x, y, {.batch_size = -3}, "fit: batch_size must be at least 1, got -3.");
  check_fit<UsageError>(x, y, {.epochs = -1}, "fit: epochs must not be negative, got -1 (initial_epoch 0).");
  check_fit<UsageError>(x, y, {.epochs = 2, .initial_epoch = -1},
                        "fit: epochs must not be negative, got 2 (initial_epoch -1).");
  check_fit<UsageError>(x, y, {.validation_split = 1}, "fit: validation_split must be in [0, 1), got 1.");
  check_fit<UsageError>(x, y, {.validation_split = NAN}, "fit: validation_split must be in [0, 1), got nan.");
  check_fit<UsageError>(x, y, {.validation_split = 0.9},
                        "fit: validation_split 0.9 leaves nothing of 8 examples to train on.");
  check_fit<UsageError>(x, y, {.verbose = 3}, "fit: verbose must be 0, 1 or 2, got 3.");
}

TEST_CASE("fit: nothing to train") {
  nn::Sequential model{nn::Flatten()};
  model.compile({.loss = "mse"});
  check_error<UsageError>([&] { model.fit(y, y, {.verbose = 0}); }, "fit: the model has no trainable variables.");
  nn::Sequential frozen = compiled();
  frozen.set_trainable(false);
  check_error<UsageError>([&] { frozen.fit(x, y, {.verbose = 0}); }, "fit: the model has no trainable variables.");
}

TEST_CASE("evaluate and predict") {
  nn::Sequential model = compiled();
  check_error<ShapeError>([&] { model.evaluate(x, y[Slice(1, 8)]); },
                          "evaluate: x [8, 3] and y [7, 1] must have the same number of examples.");
  check_error<UsageError>([&] { model.evaluate(x, y, {.batch_size = 0}); },
                          "evaluate: batch_size must be at least 1, got 0.");
  check_error<ShapeError>([&] { model.evaluate(x, y, {.sample_weight = ones({7})}); },
                          "evaluate: sample_weight must have shape [8], got [7].");
  check_error<UsageError>([&] { model.evaluate(x, y, {.verbose = -1}); },
                          "evaluate: verbose must be 0, 1 or 2, got -1.");
  check_error<UsageError>([&] { model.predict(x, {.batch_size = 0}); },
                          "predict: batch_size must be at least 1, got 0.");
  check_error<UsageError>([&] { model.predict(Tensor()); }, "predict: x is an undefined tensor.");
  check_error<ShapeError>([&] { model.predict(Tensor(1.0f)); }, "predict: x needs a batch dimension, got a scalar.");
}

TEST_CASE("results that are not there") {
  nn::Logs logs = compiled().evaluate(x, y);
  CHECK(logs.contains("mae"));
  CHECK(!logs.contains("acc"));
  CHECK_THROWS_WITH_AS((void)logs["acc"], "results: there is no 'acc'. There are: loss, mae.", UsageError);
  CHECK_THROWS_WITH_AS((void)nn::History()["loss"], "results: there is no 'loss'. They are empty.", UsageError);
}

TEST_CASE("an exception from the user's own code passes through, and the model goes on afterwards") {
  nn::Sequential model = compiled();
  struct Mine {};
  CHECK_THROWS_AS(model.fit(x, y, {.verbose = 0, .on_epoch_end = [](int, const nn::Logs&) -> bool { throw Mine(); }}),
                  Mine);
  CHECK(model.fit(x, y, {.epochs = 2, .verbose = 0})["loss"].size() == 2);
}
