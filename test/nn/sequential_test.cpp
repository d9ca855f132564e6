// Sequential: layers by list and by add(), models within models, and the kinds of data that users bring.
#include <tapir/test/ops/golden.h>

using namespace tapir;
using golden::distance;

namespace {
const Tensor x = random::normal({12, 3}, {.seed = 1}), y = random::normal({12, 1}, {.seed = 2});
}

TEST_CASE("a list, add() and calls one by one say the same") {
  nn::Dense first(4, {.activation = "relu", .seed = 1}), second(2, {.seed = 2});
  nn::Sequential listed{first, second}, added;
  CHECK(added.layers().empty());
  added.add(first);
  added.add(second);
  CHECK(added.layers().size() == 2);
  CHECK(distance(listed(x), second(first(x))) == 0);
  CHECK(distance(added(x), listed(x)) == 0);
  CHECK(listed.variables().size() == 4);
  CHECK(listed.variables()[0] == first.kernel());  // the same weights, not copies
  CHECK(added.layers()[1]->name() == second.name());
  CHECK(distance(nn::Sequential()(x), x) == 0);
}

TEST_CASE("a layer that is added to a built model is built by the next call") {
  nn::Sequential model{nn::Dense(4)};
  model.build({3});
  model.add(nn::Dense(2));
  CHECK(model.summary_text().find("0 (unbuilt)") != std::string::npos);
  CHECK(model.predict(x).shape() == Shape({12, 2}));
  CHECK(model.summary_text().find("0 (unbuilt)") == std::string::npos);
  CHECK(model.count_params() == 16 + 10);
}

TEST_CASE("a model is a layer of another, trained and frozen with it") {
  nn::Sequential inner{nn::Dense(4, {.seed = 1}), nn::Dropout(0.5, {.seed = 3})};
  nn::Sequential outer{inner, nn::Dense(1, {.seed = 2})};
  outer.compile({.optimizer = "sgd", .loss = "mse"});
  outer.fit(x, y, {.verbose = 0});
  CHECK(outer.variables().size() == 4);
  CHECK(distance(outer(x), outer(x)) == 0);
  CHECK(distance(outer(x, {.training = true}), outer(x)) > 0);  // the dropout within is told
  inner.set_trainable(false);
  CHECK(outer.trainable_variables().size() == 2);
  Tensor kept = inner.variables()[0].value();
  outer.fit(x, y, {.verbose = 0});
  CHECK(distance(kept, inner.variables()[0].value()) == 0);
}

TEST_CASE("fit goes on where the last one stopped") {
  auto model = [] {
    nn::Sequential m{nn::Dense(1, {.seed = 1})};
    m.compile({.optimizer = "adam", .loss = "mse"});
    return m;
  };
  nn::Sequential once = model(), twice = model();
  nn::History whole = once.fit(x, y, {.epochs = 4, .batch_size = 5, .shuffle_seed = 3, .verbose = 0});
  twice.fit(x, y, {.epochs = 2, .batch_size = 5, .shuffle_seed = 3, .verbose = 0});
  nn::History rest =
      twice.fit(x, y, {.epochs = 4, .batch_size = 5, .shuffle_seed = 3, .verbose = 0, .initial_epoch = 2});
  CHECK(rest["loss"] == std::vector<double>(whole["loss"].begin() + 2, whole["loss"].end()));
}

TEST_CASE("targets [N] are [N, 1]; labels may be floats; data may be f64") {
  nn::Sequential model{nn::Dense(1, {.seed = 1})};
  model.compile({.loss = "mse", .metrics = {"mae"}});
  nn::Logs column = model.evaluate(x, y), flat = model.evaluate(x, reshape(y, {12}));
  CHECK(flat["loss"] == column["loss"]);
  CHECK(flat["mae"] == column["mae"]);
  nn::Sequential classes{nn::Dense(3, {.activation = "softmax", .seed = 1})};
  classes.compile({.loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
  Tensor labels = random::integers({12}, 0, 3, {.seed = 5});
  nn::Logs whole = classes.evaluate(x, labels);
  for (auto& other : {labels.astype(DType::f32), labels.astype(DType::u8), reshape(labels, {12, 1})})
    for (const char* name : {"loss", "accuracy"}) CHECK(classes.evaluate(x, other)[name] == whole[name]);
  CHECK(classes.evaluate(x.astype(DType::f64), labels)["loss"] == doctest::Approx(whole["loss"]).epsilon(1e-6));
  nn::History h = model.fit(x.astype(DType::f64), y.astype(DType::f64), {.epochs = 2, .verbose = 0});
  CHECK(h["loss"][1] < h["loss"][0]);
}

TEST_CASE("bytes are not taken for floats") {
  nn::Sequential model{nn::Dense(1)};
  golden::check_error<DTypeError>(
      [&] {
        model.predict(ones({2, 3}, DType::u8));
      },
      "matmul: dtypes differ, u8 vs f32. Cast one side: y.astype(DType::f32).");
}

TEST_CASE("results of a call that is gone can be kept") {
  nn::Sequential model{nn::Dense(1, {.seed = 1})};
  model.compile({.loss = "mse"});
  const auto& losses = model.fit(x, y, {.epochs = 3, .verbose = 0})["loss"];
  CHECK(losses.size() == 3);
  double sum = 0;
  for (double v : model.fit(x, y, {.epochs = 3, .verbose = 0})["loss"]) sum += v;
  CHECK(sum < losses[0] + losses[1] + losses[2]);
}
