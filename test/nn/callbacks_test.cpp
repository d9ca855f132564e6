// Callbacks: when each is called, what each does, and a training that is cut off and goes on.
#include <tapir/test/io/files.h>
#include <tapir/test/ops/golden.h>

#include <fstream>
#include <sstream>

using namespace tapir;
namespace cb = nn::callbacks;
using golden::check_error;
using golden::distance;

namespace {

const Tensor x = random::normal({40, 3}, {.seed = 1}), y = sum(x, {.axis = 1, .keepdims = true});

nn::Sequential network(const optim::Optimizer& optimizer = "adam", bool eagerly = false) {
  nn::Sequential model{nn::Dense(4, {.activation = "tanh", .seed = 1}), nn::Dropout(0.2, {.seed = 3}),
                       nn::Dense(1, {.seed = 2})};
  model.compile({.optimizer = optimizer, .loss = "mse", .metrics = {"mae"}, .run_eagerly = eagerly});
  return model;
}

// Values of a metric as if a model had had them.
struct Script : nn::Callback {
  std::vector<double> values;
  explicit Script(std::vector<double> v) : values(std::move(v)) {}
  void on_epoch_end(int epoch, nn::Logs& logs) override { logs.at_or_new("val_loss") = values[std::size_t(epoch)]; }
};

std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

nn::FitOptions quiet(int epochs, std::vector<nn::AnyCallback> callbacks) {
  return {.epochs = epochs, .batch_size = 16, .shuffle_seed = 5, .verbose = 0, .callbacks = std::move(callbacks)};
}

}  // namespace

TEST_CASE("when they are called, and what they see") {
  struct Noted : nn::Callback {
    std::string notes;
    void on_train_begin() override { notes += "( "; }
    void on_train_end(const nn::Logs& logs) override { notes += logs.contains("loss") ? ")" : "?"; }
    void on_epoch_begin(int epoch) override { notes += std::to_string(epoch) + "["; }
    void on_epoch_end(int, nn::Logs& logs) override {
      notes += logs.contains("val_mae") ? "] " : "?";
      logs.at_or_new("own") = double(notes.size());
    }
    void on_train_batch_begin(std::int64_t batch) override { notes += " " + std::to_string(batch); }
    void on_train_batch_end(std::int64_t, const nn::Logs& logs) override { notes += logs.contains("mae") ? "." : "?"; }
    int steps() const { return int(params().steps); }
    const std::string& name() const { return model().type(); }
  } noted;
  for (bool eagerly : {false, true}) {
    noted.notes.clear();
    nn::Sequential model = network("sgd", eagerly);
    auto options = quiet(2, {noted});
    options.validation_split = 0.2;
    nn::History history = model.fit(x, y, options);
    CHECK(noted.notes == "( 0[ 0. 1.] 1[ 0. 1.] )");
    CHECK(history["own"].size() == 2);
    CHECK(noted.steps() == 2);
  }
  CHECK_THROWS_WITH_AS(noted.name(), "callback: there is a model only while fit runs.", UsageError);
}

TEST_CASE("functions; stop_training ends the epoch after its batch") {
  std::string notes;
  nn::Sequential model = network();
  cb::LambdaCallback lambda({.on_epoch_begin = [&](int epoch) { notes += "e" + std::to_string(epoch); },
                             .on_train_batch_end =
                                 [&](std::int64_t batch, const nn::Logs&) {
                                   notes += "b" + std::to_string(batch);
                                   if (batch == 1) model.stop_training();
                                 }});
  nn::History history = model.fit(x, y, quiet(3, {lambda}));
  CHECK(notes == "e0b0b1");
  CHECK(history["loss"].size() == 1);
  CHECK(model.fit(x, y, quiet(1, {}))["loss"].size() == 1);  // the stop is over
}

// Each case of test/golden/callbacks.json: the values that were watched, and what Keras did.
TEST_CASE("EarlyStopping and ReduceLROnPlateau do what Keras's do") {
  std::ifstream file(std::string(std::getenv("TAPIR_SOURCE_DIR")) + "/test/golden/callbacks.json");
  const auto cases = nlohmann::json::parse(file);
  CHECK(cases.size() > 15);
  for (auto& c : cases) {
    INFO(c["name"] << " " << c["attrs"].dump());
    auto common = [&](auto o) {
      const auto& a = c["attrs"];
      o.patience = a.value("patience", o.patience);
      o.min_delta = a.value("min_delta", o.min_delta);
      if (a.contains("mode")) o.mode = a["mode"] == "max" ? cb::Mode::max : cb::Mode::min;
      if constexpr (requires { o.baseline; }) {
        if (a.contains("baseline")) o.baseline = a["baseline"].get<double>();
        o.start_from_epoch = a.value("start_from_epoch", 0);
        o.restore_best_weights = a.value("restore_best_weights", false);
      } else {
        o.factor = a.value("factor", o.factor);
        o.cooldown = a.value("cooldown", o.cooldown);
        o.min_lr = a.value("min_lr", o.min_lr);
      }
      return o;
    };
    const bool stops = c["op"] == "EarlyStopping";
    const auto values = c["values"].get<std::vector<double>>();
    cb::EarlyStopping stop(common(cb::EarlyStoppingOptions()));
    cb::ReduceLROnPlateau reduce(stops ? cb::ReduceLROnPlateauOptions() : common(cb::ReduceLROnPlateauOptions()));
    nn::Sequential model = network(optim::SGD({.learning_rate = 1}));
    nn::History h = model.fit(
        x, y, quiet(int(values.size()), {Script(values), stops ? nn::AnyCallback(stop) : nn::AnyCallback(reduce)}));
    CHECK(h["loss"].size() == c["epochs"].get<std::size_t>());
    if (stops) {
      CHECK(stop.stopped_epoch() == c["stopped_epoch"].get<int>());
      CHECK(stop.best_epoch() == c["best_epoch"].get<int>());
    } else {
      for (std::size_t i = 0; i < values.size(); ++i) {
        INFO("epoch " << i);
        CHECK(h["learning_rate"][i] == doctest::Approx(c["rates"][i].get<double>()));
      }
    }
  }
  check_error<UsageError>([] { cb::ReduceLROnPlateau({.factor = 1}); },
                          "ReduceLROnPlateau: factor must be in (0, 1), got 1.");
}

TEST_CASE("EarlyStopping brings the best weights back") {
  for (bool restore : {false, true}) {
    nn::Sequential model = network("sgd");
    std::vector<Tensor> kernels;
    cb::LambdaCallback keep(
        {.on_epoch_end = [&](int, const nn::Logs&) { kernels.push_back(model.variables()[0].value() + 0); }});
    model.fit(x, y,
              quiet(6, {keep, Script({3, 2, 1, 2, 2, 2}),
                        cb::EarlyStopping({.patience = 2, .restore_best_weights = restore})}));
    REQUIRE(kernels.size() == 5);
    CHECK(distance(model.variables()[0].value(), kernels[restore ? 2 : 4]) == 0);
    CHECK(distance(kernels[2], kernels[4]) > 1e-4);
  }
}

TEST_CASE("which way is better, by name; a value that is not there") {
  nn::Sequential model = network();
  auto fit = [&](const cb::EarlyStoppingOptions& o) { return model.fit(x, y, quiet(3, {cb::EarlyStopping(o)})); };
  CHECK(fit({.monitor = "no"})["loss"].size() == 3);
  struct Own : nn::Callback {
    void on_epoch_end(int, nn::Logs& logs) override { logs.at_or_new("own") = logs.at_or_new("val_accuracy") = 1; }
  };
  check_error<UsageError>(
      [&] {
        model.fit(x, y, quiet(3, {Own(), cb::EarlyStopping({.monitor = "own"})}));
      },
      "EarlyStopping: whether less or more of 'own' is better does not follow from its name. Say "
      ".mode = callbacks::Mode::max or min.");
  cb::EarlyStopping accuracy({.monitor = "val_accuracy", .min_delta = 0.1});
  CHECK(model.fit(x, y, quiet(3, {Own(), accuracy}))["loss"].size() == 2);
  check_error<UsageError>([&] { cb::EarlyStopping({.patience = -1}); },
                          "EarlyStopping: patience must be 0 or more, got -1.");
}

TEST_CASE("LearningRateScheduler") {
  nn::Sequential model = network(optim::SGD({.learning_rate = 0.5}));
  auto rates = [&](nn::AnyCallback callback) { return model.fit(x, y, quiet(3, {callback}))["learning_rate"]; };
  CHECK(rates(cb::LearningRateScheduler([](int epoch) { return 1.0 / (1 << epoch); })) ==
        std::vector<double>{1, 0.5, 0.25});
  CHECK(rates(cb::LearningRateScheduler([](int, double rate) { return rate / 2; })) ==
        std::vector<double>{0.125, 0.0625, 0.03125});
}

TEST_CASE("ModelCheckpoint writes what it is told to") {
  files::TempFolder folder;
  auto exists = [&](const std::string& name) { return std::ifstream(folder / name).good(); };
  nn::Sequential model = network();
  model.fit(x, y, quiet(2, {Script({3, 2}), cb::ModelCheckpoint(folder / "m-{epoch:02d}-{val_loss:.2f}")}));
  CHECK((exists("m-01-3.00") && exists("m-02-2.00")));
  network().fit(
      x, y, quiet(4, {Script({3, 2, 2.5, 1}), cb::ModelCheckpoint(folder / "best-{epoch}", {.save_best_only = true})}));
  CHECK((exists("best-1") && exists("best-2") && !exists("best-3") && exists("best-4")));
  network().fit(x, y, quiet(2, {cb::ModelCheckpoint(folder / "b-{epoch}-{batch}", {.save_freq = 2})}));  // 3 an epoch
  CHECK((exists("b-1-2") && exists("b-2-1") && exists("b-2-3") && !exists("b-1-3")));
  network().fit(x, y,
                quiet(2, {Script({3, 2}), cb::ModelCheckpoint(folder / "limit", {.save_best_only = true,
                                                                                 .initial_value_threshold = 1})}));
  CHECK_FALSE(exists("limit"));

  nn::Sequential twin = network();
  twin.build({3});
  twin.load(folder / "m-02-2.00");
  CHECK(distance(twin.predict(x), model.predict(x)) == 0);
  model.fit(x, y, quiet(1, {cb::ModelCheckpoint(folder / "weights", {.save_weights_only = true})}));
  CHECK_THROWS_AS(twin.load(folder / "weights"), FileError);
  twin.load_weights(folder / "weights");
  CHECK(distance(twin.predict(x), model.predict(x)) == 0);
  check_error<UsageError>([&] { model.fit(x, y, quiet(1, {cb::ModelCheckpoint("m-{acc}")})); },
                          "There are: epoch, batch, loss, mae.");
}

TEST_CASE("CSVLogger") {
  files::TempFolder folder;
  const std::string path = folder / "log.csv";
  nn::Sequential model = network();
  nn::History h = model.fit(x, y, quiet(2, {Script({3, 2}), cb::CSVLogger(path, {.separator = ";"})}));
  std::ostringstream expected;
  expected << "epoch;loss;mae;val_loss\n";
  expected.precision(17);
  std::istringstream lines(text_of(path));
  std::string line;
  std::getline(lines, line);
  CHECK(line == "epoch;loss;mae;val_loss");
  for (int epoch = 0; epoch < 2; ++epoch) {
    int e = -1;
    double loss = 0, mae = 0, val = 0;
    char s = 0;
    lines >> e >> s >> loss >> s >> mae >> s >> val;
    CHECK(e == epoch);
    CHECK(loss == h["loss"][std::size_t(epoch)]);  // to the last bit
    CHECK(val == 3 - epoch);
  }
  const std::string before = text_of(path);
  auto more = quiet(3, {Script({0, 0, 1}), cb::CSVLogger(path, {.separator = ";", .append = true})});
  more.initial_epoch = 2;
  model.fit(x, y, more);
  CHECK(text_of(path).starts_with(before + "2;"));
  // a value that is missing later
  struct First : nn::Callback {
    void on_epoch_end(int epoch, nn::Logs& logs) override {
      if (epoch == 0) logs.at_or_new("first") = 1;
    }
  };
  model.fit(x, y, quiet(2, {First(), cb::CSVLogger(path)}));
  CHECK(text_of(path).starts_with("epoch,first,loss,mae\n0,1,"));
  CHECK(text_of(path).find("\n1,NA,") != std::string::npos);
  CHECK_THROWS_AS(model.fit(x, y, quiet(1, {cb::CSVLogger(folder / "no/such")})), FileError);
}

TEST_CASE("TerminateOnNaN") {
  nn::Sequential model = network(optim::SGD({.learning_rate = 1e30}));
  nn::History history = model.fit(x, y, quiet(5, {cb::TerminateOnNaN()}));
  CHECK(history["loss"].size() == 1);
  CHECK(model.optimizer().iterations().value().item<std::int64_t>() < 3);
  CHECK(network().fit(x, y, quiet(2, {cb::TerminateOnNaN()}))["loss"].size() == 2);
}

TEST_CASE("class weights are sample weights by class") {
  const Tensor classes = random::integers({40}, 0, 3, {.seed = 2});
  auto losses = [&](const Tensor& target, const char* loss, const nn::FitOptions& options) {
    nn::Sequential model{nn::Dense(3, {.activation = "softmax", .seed = 1})};
    model.compile({.optimizer = "sgd", .loss = loss});
    return model.fit(x, target, options)["loss"];
  };
  nn::FitOptions by_class{.epochs = 2, .shuffle_seed = 1, .verbose = 0, .class_weight = {{0, 2}, {2, 0.5}}};
  const Tensor w = where(equal(classes, 0), full({}, 2.0f), where(equal(classes, 2), full({}, 0.5f), full({}, 1.0f)));
  nn::FitOptions by_sample{.epochs = 2, .shuffle_seed = 1, .verbose = 0, .sample_weight = w};
  const auto expected = losses(classes, "sparse_categorical_crossentropy", by_sample);
  CHECK(losses(classes, "sparse_categorical_crossentropy", by_class) == expected);
  CHECK(losses(expand_dims(classes, -1), "sparse_categorical_crossentropy", by_class) == expected);
  CHECK(losses(one_hot(classes, 3), "categorical_crossentropy", by_class)[1] == doctest::Approx(expected[1]));
  nn::FitOptions both{
      .epochs = 2, .shuffle_seed = 1, .verbose = 0, .sample_weight = w, .class_weight = {{0, 0.5}, {2, 2}}};
  nn::FitOptions none{.epochs = 2, .shuffle_seed = 1, .verbose = 0};
  CHECK(losses(classes, "sparse_categorical_crossentropy", both)[1] ==
        doctest::Approx(losses(classes, "sparse_categorical_crossentropy", none)[1]));
  CHECK(expected != losses(classes, "sparse_categorical_crossentropy", none));
  check_error<ShapeError>(
      [&] {
        losses(ones({40, 2, 2}), "mse", by_class);
      },
      "fit: class_weight needs y [N] or [N, classes], got [40, 2, 2].");
}

TEST_CASE("shorter epochs; validation now and then") {
  nn::Sequential model = network();
  nn::History history = model.fit(x, y,
                                  {.epochs = 5,
                                   .batch_size = 8,
                                   .validation_split = 0.2,
                                   .verbose = 0,
                                   .steps_per_epoch = 2,
                                   .validation_batch_size = 3,
                                   .validation_freq = 2});
  CHECK(model.optimizer().iterations().value().item<std::int64_t>() == 10);
  CHECK(history["loss"].size() == 5);
  CHECK(history["val_loss"].size() == 2);
  check_error<UsageError>([&] { model.fit(x, y, {.batch_size = 8, .steps_per_epoch = 6}); },
                          "fit: steps_per_epoch is 6, but there are 5 batches.");
  check_error<UsageError>([&] { model.fit(x, y, {.validation_freq = 0}); },
                          "fit: validation_freq must be 1 or more, got 0.");
}

namespace {

// A training with all that has state, cut off after `batches` by an exception, as often as told; then whole.
struct CutOff : std::exception {};
std::vector<double> losses_of(const std::string& folder, const std::vector<int>& cuts, std::int64_t save_freq,
                              bool eagerly) {
  nn::History all;
  std::vector<double> val;
  for (std::size_t run = 0; run <= cuts.size(); ++run) {
    nn::Sequential model{nn::Dense(4, {.activation = "tanh", .seed = 1}), nn::Dropout(0.2), nn::Dense(1, {.seed = 2})};
    optim::Nadam optimizer({.learning_rate = 0.05});
    model.compile({.optimizer = optimizer, .loss = "mse", .metrics = {"mae"}, .run_eagerly = eagerly});
    // once there is a backup, what is drawn comes from it
    random::set_seed(std::ifstream(folder + "/training.safetensors").good() ? 1000 + std::int64_t(run) : 7);
    int left = run < cuts.size() ? cuts[run] : 1000000;
    cb::LambdaCallback cut({.on_epoch_end =
                                [&](int epoch, const nn::Logs& logs) {
                                  val.resize(std::size_t(epoch));
                                  val.push_back(logs["loss"]);
                                  val.back() += 1e-3 * logs["learning_rate"];
                                },
                            .on_train_batch_end =
                                [&](std::int64_t, const nn::Logs&) {
                                  if (left-- == 0) throw CutOff();
                                }});
    try {
      model.fit(x, y,
                {.epochs = 6,
                 .batch_size = 8,
                 .validation_split = 0.2,
                 .verbose = 0,
                 .callbacks = {cb::BackupAndRestore(folder, {.save_freq = save_freq}),
                               cb::ReduceLROnPlateau({.monitor = "val_mae", .factor = 0.5, .patience = 1}),
                               cb::EarlyStopping({.patience = 3, .restore_best_weights = true}), cut}});
      for (auto& v : model.variables()) val.push_back(sum(v.value()).item<float>());
    } catch (const CutOff&) {
    }
  }
  return val;
}

}  // namespace

TEST_CASE("BackupAndRestore: a training that was cut off comes to the same losses, rates and weights") {
  files::TempFolder folder;
  int runs = 0;
  for (bool eagerly : {false, true}) {
    const auto whole = losses_of(folder / "whole", {}, 0, eagerly);
    REQUIRE(whole.size() == 6 + 4);
    for (std::int64_t save_freq : {0, 1, 3})
      for (auto& cuts : std::vector<std::vector<int>>{{0}, {7}, {9, 1, 11}, {4, 4, 4, 4}}) {
        INFO("save_freq " << save_freq << ", first cut " << cuts[0] << (eagerly ? ", eager" : ""));
        CHECK(losses_of(folder / std::to_string(++runs), cuts, save_freq, eagerly) == whole);
      }
  }
  CHECK_FALSE(std::ifstream(folder / "1/training.safetensors").good());
}

TEST_CASE(
    "BackupAndRestore: a file that an older version wrote, or that is for other metrics, is refused in one line") {
  files::TempFolder folder;
  cb::BackupAndRestore backup(folder / "backup", {.save_freq = 1, .delete_checkpoint = false});
  auto run = [&](const std::vector<nn::AnyCallback>& more = {}) {
    nn::Sequential model = network();
    std::vector<nn::AnyCallback> all{backup};
    all.insert(all.end(), more.begin(), more.end());
    model.fit(x, y, quiet(2, all));
  };
  cb::LambdaCallback cut({.on_train_batch_end = [&](std::int64_t batch, const nn::Logs&) {
    if (batch == 1) throw CutOff();
  }});
  CHECK_THROWS_AS(run({cut}), CutOff);
  const io::NamedTensors whole = io::load_safetensors(backup.path());
  const io::Metadata metadata = io::load_safetensors_metadata(backup.path());
  auto refused = [&](auto change) {
    io::NamedTensors now = whole;
    change(now);
    io::save_safetensors(backup.path(), now, metadata);
    check_error<FileError>(
        [&] { run(); },
        "BackupAndRestore: " + backup.path() +
            ": it was written by another version of tapir, or for other metrics. Remove it to train from "
            "the beginning; its weights are read by load_weights().");
  };
  auto shorter = [](const char* name) {
    return [name](io::NamedTensors& all) {
      for (auto& [n, t] : all)
        if (n == name) t = t(Slice(0, 2));
    };
  };
  refused(shorter("fit/at"));
  refused(shorter("fit/generator"));
  refused([](io::NamedTensors& all) {
    std::erase_if(all, [](auto& named) { return named.first.starts_with("fit/metric"); });
  });
  io::save_safetensors(backup.path(), whole, metadata);
  run();
}

TEST_CASE("BackupAndRestore: the file stays if told to, and fit has then nothing to do; another model is refused") {
  files::TempFolder folder;
  nn::Sequential model = network();
  cb::BackupAndRestore backup(folder / "a/b", {.delete_checkpoint = false});
  model.fit(x, y, quiet(2, {backup}));
  REQUIRE(std::ifstream(backup.path()).good());
  nn::Sequential again = network();
  CHECK(again.fit(x, y, quiet(2, {backup})).size() == 0);
  CHECK(distance(again.predict(x), model.predict(x)) == 0);
  CHECK(again.fit(x, y, quiet(3, {backup}))["loss"].size() == 1);
  nn::Sequential loaded = network();
  loaded.build({3});
  loaded.load(backup.path());  // a backup is a saved model too
  CHECK(distance(loaded.predict(x), again.predict(x)) == 0);
  nn::Sequential other{nn::Dense(1)};
  other.compile({.optimizer = "adam", .loss = "mse"});
  CHECK_THROWS_AS(other.fit(x, y, quiet(2, {backup})), FileError);
  check_error<UsageError>([] { cb::BackupAndRestore(""); }, "BackupAndRestore: backup_dir is empty.");
}
