// fit, evaluate and predict of a Dataset: the same numbers as of tensors, eager and traced.
#include <tapir/test/io/files.h>
#include <tapir/test/ops/golden.h>

using namespace tapir;
using data::Dataset, data::Element;
using golden::check_error, golden::distance;
namespace cb = nn::callbacks;

namespace {

constexpr std::int64_t kExamples = 22;  // batches of 8: the last one has 6
const Tensor x = random::normal({kExamples, 3}, {.seed = 1}), y = sum(x, {.axis = 1, .keepdims = true});
const Tensor w = random::uniform({kExamples}, {.seed = 2});

nn::Sequential network(bool eagerly = false) {
  nn::Sequential model{nn::Dense(4, {.activation = "tanh", .seed = 1}), nn::Dropout(0.2, {.seed = 3}),
                       nn::Dense(1, {.seed = 2})};
  model.compile({.optimizer = optim::Adam({.learning_rate = 0.05}),
                 .loss = "mse",
                 .metrics = {"mae"},
                 .weighted_metrics = {"mse"},
                 .run_eagerly = eagerly});
  return model;
}

// Without a number of elements, as from a file.
Dataset of_unknown_length(const Dataset& d) {
  return d.filter([](const Element&) { return true; });
}

void check_same(const nn::History& a, const nn::History& b) {
  CHECK(a.size() == b.size());
  for (auto& [name, values] : b) {
    INFO(name);
    CHECK(a[name] == values);
  }
}

// The numbers of the batches' first examples, in the order in which fit asked for them.
std::vector<std::int64_t> firsts_of(const Dataset& batches, const nn::FitOptions& options) {
  std::vector<std::int64_t> seen;
  const Tensor numbers = reshape(arange(10), {10, 1});
  nn::Sequential model{nn::Dense(1, {.seed = 1})};
  model.build({1});
  model.compile({.optimizer = "sgd", .loss = "mse"});
  auto noted = batches.map([&](const Element& e) {
    seen.push_back(e[0][0].item<std::int64_t>());
    const Tensor batch = reshape(astype(e[0], DType::f32), {-1, 1}) * 0.01f;
    return Element{batch, batch};
  });
  model.fit(noted, options);
  return seen;
}
using Numbers = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("batches of a dataset train as tensors do, the smaller last one too") {
  const Dataset plain = Dataset::from_tensors({x, y}).batch(8), weighted = Dataset::from_tensors({x, y, w}).batch(8);
  for (bool eagerly : {false, true}) {
    CAPTURE(eagerly);
    const nn::History expected =
        network(eagerly).fit(x, y, {.epochs = 3, .batch_size = 8, .shuffle = false, .verbose = 0});
    check_same(network(eagerly).fit(plain, {.epochs = 3, .verbose = 0}), expected);
    check_same(network(eagerly).fit(of_unknown_length(plain), {.epochs = 3, .verbose = 0}), expected);
    const nn::History by_weight =
        network(eagerly).fit(x, y, {.epochs = 3, .batch_size = 8, .shuffle = false, .verbose = 0, .sample_weight = w});
    check_same(network(eagerly).fit(weighted, {.epochs = 3, .verbose = 0}), by_weight);
    CHECK(by_weight["loss"] != expected["loss"]);
  }
}

TEST_CASE("evaluate and predict") {
  nn::Sequential model = network();
  const Dataset plain = Dataset::from_tensors({x, y}).batch(8), weighted = Dataset::from_tensors({x, y, w}).batch(8);
  const Tensor outputs = model.predict(x);
  CHECK(distance(model.predict(plain), outputs) < 1e-6);
  CHECK(distance(model.predict(Dataset::from_tensors({x}).batch(5)), outputs) < 1e-6);
  CHECK(model.predict(plain, {.steps = 2}).shape() == Shape{16, 1});
  CHECK(model.predict(x, {.batch_size = 8, .steps = 2}).shape() == Shape{16, 1});
  CHECK(model.predict(plain.repeat(), {.steps = 4}).shape() == Shape{30, 1});
  auto same = [](const nn::Logs& a, const nn::Logs& b) {
    CHECK(a.size() == 3);
    for (auto& [name, v] : b) CHECK(a[name] == doctest::Approx(v).epsilon(1e-6));
  };
  same(model.evaluate(plain), model.evaluate(x, y));
  same(model.evaluate(weighted), model.evaluate(x, y, {.batch_size = 8, .sample_weight = w}));
  same(model.evaluate(plain, {.steps = 1}), model.evaluate(x[Slice(0, 8)], y[Slice(0, 8)]));
  same(model.evaluate(x, y, {.batch_size = 8, .steps = 1}), model.evaluate(x[Slice(0, 8)], y[Slice(0, 8)]));
}

TEST_CASE("validation by a dataset, and of tensors beside one") {
  const Dataset plain = Dataset::from_tensors({x, y}).batch(8), weighted = Dataset::from_tensors({x, y, w}).batch(8);
  auto history = [&](const nn::ValidationData& validation, std::int64_t steps) {
    return network().fit(plain, {.epochs = 2, .validation_data = validation, .verbose = 0, .validation_steps = steps});
  };
  const nn::History expected = history({x, y, w}, 0);
  const auto by_dataset = history(weighted, 0);
  REQUIRE(expected["val_loss"].size() == 2);
  for (int epoch : {0, 1})
    CHECK(by_dataset["val_loss"][std::size_t(epoch)] ==
          doctest::Approx(expected["val_loss"][std::size_t(epoch)]).epsilon(1e-6));
  CHECK(expected["val_loss"] != history({x, y}, 0)["val_loss"]);
  const auto one = history(weighted, 1), first = history({x[Slice(0, 8)], y[Slice(0, 8)], w[Slice(0, 8)]}, 0);
  CHECK(one["val_loss"][1] == doctest::Approx(first["val_loss"][1]).epsilon(1e-6));
}

TEST_CASE("several inputs and outputs") {
  auto model_of = [] {
    auto a = nn::Input({3}), b = nn::Input({1});
    auto joined = nn::Concatenate()({nn::Dense(2, {.seed = 1})(a), b});
    nn::Functional model({a, b}, {nn::Dense(1, {.seed = 2, .name = "first"})(joined),
                                  nn::Dense(3, {.seed = 3, .name = "second"})(joined)});
    model.compile({.optimizer = "sgd", .loss = "mse"});
    return model;
  };
  const nn::FitOptions in_order{.epochs = 2, .batch_size = 8, .shuffle = false, .verbose = 0};
  auto tensors = model_of(), batches = model_of();
  const Dataset dataset = Dataset::from_tensors({x, y, y, x}).batch(8);
  const auto expected = tensors.fit({x, y}, {y, x}, in_order), found = batches.fit(dataset, in_order);
  CHECK(found.size() == 3);
  for (auto& [name, values] : expected) CHECK(found[name][1] == doctest::Approx(values[1]).epsilon(1e-6));
  CHECK(distance(batches.predict_outputs(dataset)[1], batches.predict_outputs({x, y})[1]) < 1e-6);
  batches.fit(Dataset::from_tensors({x, y, y, x, w}).batch(8), in_order);
  check_error<UsageError>(
      [&] {
        batches.fit(Dataset::from_tensors({x, y, y}).batch(8), in_order);
      },
      "fit: a batch of the dataset has 3 tensors; this model takes 2 inputs, 2 answers and perhaps "
      "a sample weight.");
}

TEST_CASE("which batches an epoch has") {
  const Dataset range = Dataset::range(10);
  const Numbers one_each = firsts_of(range.batch(5), {.epochs = 2, .verbose = 0});
  CHECK(one_each == Numbers{0, 5, 0, 5});
  const Numbers endless = firsts_of(range.batch(4).repeat(), {.epochs = 2, .verbose = 0, .steps_per_epoch = 2});
  CHECK(endless == Numbers{0, 4, 8, 0});
  for (bool unknown : {false, true}) {
    CAPTURE(unknown);
    const Dataset three = unknown ? of_unknown_length(range.batch(4)) : range.batch(4);
    CHECK(firsts_of(three, {.epochs = 3, .verbose = 0, .steps_per_epoch = 2}) == Numbers{0, 4, 8, 0, 4});
    CHECK(firsts_of(three, {.epochs = 2, .verbose = 0, .steps_per_epoch = 3}) == Numbers{0, 4, 8, 0, 4, 8});
  }
  const Dataset shuffled = range.shuffle(10, {.seed = 3}).batch(1);
  const Numbers twice = firsts_of(shuffled, {.epochs = 2, .verbose = 0});
  REQUIRE(twice.size() == 20);
  CHECK(Numbers(twice.begin(), twice.begin() + 10) != Numbers(twice.begin() + 10, twice.end()));
  CHECK(firsts_of(shuffled, {.epochs = 2, .verbose = 0, .initial_epoch = 1}) ==
        Numbers(twice.begin() + 10, twice.end()));
}

TEST_CASE("callbacks are told the number of batches, or that it is not known") {
  std::vector<std::int64_t> steps;
  struct Note final : nn::Callback {
    std::vector<std::int64_t>* steps;
    void on_train_begin() override { steps->push_back(params().steps); }
  } note;
  note.steps = &steps;
  const Dataset plain = Dataset::from_tensors({x, y}).batch(8);
  network().fit(plain, {.verbose = 0, .callbacks = {note}});
  network().fit(of_unknown_length(plain), {.verbose = 0, .callbacks = {note}});
  CHECK(steps == Numbers{3, -1});
}

TEST_CASE("class weights") {
  const Tensor labels = astype(greater(y, 0), DType::f32);
  const nn::FitOptions options{
      .epochs = 2, .batch_size = 8, .shuffle = false, .verbose = 0, .class_weight = {{0, 2}, {1, 0.5}}};
  check_same(network().fit(Dataset::from_tensors({x, labels}).batch(8), options), network().fit(x, labels, options));
}

TEST_CASE("a training that breaks off goes on from its backup, within an epoch too") {
  const Dataset shuffled = Dataset::from_tensors({x, y}).shuffle(30, {.seed = 5}).batch(4);
  struct CutOff {};
  for (bool unknown : {false, true}) {
    for (std::int64_t steps : {0, 4}) {
      CAPTURE(unknown);
      CAPTURE(steps);
      const Dataset batches = unknown ? of_unknown_length(shuffled) : shuffled;
      files::TempFolder folder;
      auto losses = [&](std::int64_t cut, bool backup) {
        random::set_seed(4);
        std::vector<double> all;
        std::int64_t seen = 0;
        cb::LambdaCallback watch({.on_epoch_end = [&](int, const nn::Logs& logs) { all.push_back(logs["loss"]); },
                                  .on_train_batch_end =
                                      [&](std::int64_t, const nn::Logs&) {
                                        if (++seen == cut) throw CutOff();
                                      }});
        nn::FitOptions o{.epochs = 4, .verbose = 0, .steps_per_epoch = steps, .callbacks = {watch}};
        if (backup) o.callbacks.emplace_back(cb::BackupAndRestore(folder / "backup", {.save_freq = 1}));
        try {
          network().fit(batches, o);
        } catch (const CutOff&) {
        }
        return all;
      };
      const std::vector<double> whole = losses(0, false);
      CHECK(whole.size() == 4);
      std::vector<double> pieces;
      for (std::int64_t cut : {3, 6, 4, 0})
        for (double loss : losses(cut, true)) pieces.push_back(loss);
      CHECK(pieces == whole);
    }
  }
}

TEST_CASE("errors") {
  const Dataset plain = Dataset::from_tensors({x, y}).batch(8);
  auto refuses = [&](const Dataset& d, const nn::FitOptions& o, const char* text) {
    check_error<UsageError>([&] { network().fit(d, o); }, text);
  };
  refuses(plain, {.validation_split = 0.1},
          "fit: validation_split needs tensors; a dataset is cut by take() and skip().");
  refuses(plain, {.sample_weight = w}, "fit: a dataset's batches bring their sample weights: {x, y, sample_weight}.");
  refuses(plain.repeat(), {}, "fit: the dataset has no end; say how many batches to take, or call take().");
  refuses(plain.take(0), {}, "fit: the dataset has no batches.");
  refuses(Dataset::from_tensors({x}).batch(8), {},
          "fit: a batch of the dataset has 1 tensors; this model takes 1 inputs, 1 answers and perhaps a sample "
          "weight. A model class of several inputs says so by input_count().");
  refuses(plain, {.validation_data = plain.repeat()},
          "fit: validation_data: the dataset has no end; say how many batches to take, or call take().");
  check_error<ShapeError>(
      [&] {
        network().fit(Dataset::from_tensors({y[0], y[0]}).repeat(3), {.verbose = 0});
      },
      "fit: the dataset must give batches: call .batch(size) on it.");
  check_error<ShapeError>(
      [&] {
        network().fit(Dataset::from_tensors({x, y, x}).batch(8), {.verbose = 0});
      },
      "fit: sample_weight must have shape [8], got [8, 3].");
  check_error<UsageError>([&] { network().evaluate(plain, {.steps = -1}); },
                          "evaluate: steps must be 0 or more, got -1.");
  check_error<UsageError>([&] { network().predict(plain.repeat()); },
                          "predict: the dataset has no end; say how many batches to take, or call take().");
}
