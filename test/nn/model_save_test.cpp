// save and load: training goes on to the same numbers, bit for bit; a wrong file changes nothing.
#include <tapir/test/io/files.h>
#include <tapir/test/ops/golden.h>

#include <functional>

using namespace tapir;
using golden::check_error;
using golden::distance;

namespace {

const Tensor images = random::normal({44, 8, 8, 2}, {.seed = 1}), classes = random::integers({44}, 0, 3, {.seed = 2});

nn::Sequential network(const optim::Optimizer& optimizer = "adam", bool eagerly = false, int units = 3) {
  nn::Sequential model{nn::Conv2D(4, {3, 3}, {.activation = "relu", .seed = 1}),
                       nn::BatchNormalization(),
                       nn::MaxPooling2D({2, 2}),
                       nn::Flatten(),
                       nn::Dropout(0.3, {.seed = 5}),
                       nn::Dense(units, {.activation = "softmax", .seed = 2, .name = "head"})};
  model.compile({.optimizer = optimizer,
                 .loss = "sparse_categorical_crossentropy",
                 .metrics = {"accuracy", "sparse_categorical_accuracy"},
                 .run_eagerly = eagerly});
  model.build({8, 8, 2});
  return model;
}

nn::History fit(nn::Model& model, int from, int to) {
  return model.fit(
      images, classes,
      {.epochs = to, .batch_size = 8, .validation_split = 0.2, .shuffle_seed = 3, .verbose = 0, .initial_epoch = from});
}

std::vector<Tensor> values(const std::vector<Variable>& variables) {
  std::vector<Tensor> out;
  for (auto& v : variables) out.push_back(v.value());
  return out;
}
bool same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  bool all = a.size() == b.size();
  for (std::size_t i = 0; i < a.size() && all; ++i) all = distance(a[i], b[i]) == 0;
  return all;
}

// Nothing that `f` does, which must throw, may change the model or its optimizer.
template <class E, class F>
void check_refused(nn::Model& model, const optim::Optimizer& optimizer, F f, const std::string& text) {
  const auto weights = values(model.variables()), state = values(optimizer.variables());
  check_error<E>(f, text);
  CHECK(same(values(model.variables()), weights));
  CHECK(same(values(optimizer.variables()), state));
}

io::NamedTensors changed(io::NamedTensors tensors, const std::string& name,
                         const std::function<Tensor(const Tensor&)>& f) {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].first != name) continue;
    tensors[i].second = f(tensors[i].second);
    if (!tensors[i].second.defined()) tensors.erase(tensors.begin() + std::ptrdiff_t(i));
    return tensors;
  }
  FAIL("no " << name);
  return tensors;
}

}  // namespace

TEST_CASE("four epochs are two, a file and two more, bit for bit") {
  files::TempFolder folder;
  auto optimizer = [](const std::string& name) -> optim::Optimizer {
    if (name == "sgd momentum") return optim::SGD({.momentum = 0.9, .nesterov = true});
    if (name == "amsgrad") return optim::Adam({.amsgrad = true, .clipnorm = 1});
    if (name == "centered") return optim::RMSprop({.momentum = 0.5, .centered = true});
    return name;
  };
  for (const std::string name : {"adam", "sgd", "sgd momentum", "amsgrad", "centered", "adagrad", "adamw"})
    for (bool eagerly : {false, true}) {
      INFO(name << (eagerly ? ", eager" : ", traced"));
      nn::Sequential straight = network(optimizer(name), eagerly), first = network(optimizer(name), eagerly),
                     second = network(optimizer(name), eagerly);
      nn::History whole = fit(straight, 0, 4);
      fit(first, 0, 2);
      first.save(folder / "model");
      second.load(folder / "model");
      nn::History rest = fit(second, 2, 4);
      CHECK(rest.size() == 6);
      for (auto& [metric, v] : rest) {
        INFO(metric);
        CHECK(v == std::vector<double>(whole[metric].begin() + 2, whole[metric].end()));
      }
      CHECK(same(values(second.variables()), values(straight.variables())));
      CHECK(whole["loss"][2] != whole["loss"][3]);
    }
}

TEST_CASE("into a model that has gone another way, more than once") {
  files::TempFolder folder;
  optim::Adam adam;
  nn::Sequential saved = network(), used = network(adam);
  fit(saved, 0, 2);
  saved.save(folder / "model");
  nn::History whole = fit(saved, 2, 4);
  adam.set_learning_rate(0.5);
  fit(used, 0, 1);
  for (int turn = 0; turn < 2; ++turn) {
    used.load(folder / "model");
    CHECK(adam.learning_rate() == doctest::Approx(0.001));
    CHECK(adam.iterations().value().item<std::int64_t>() == 2 * 5);
    CHECK(fit(used, 2, 4)["loss"] == whole["loss"]);
  }
  // what a frozen layer was not given in the file is as new
  nn::Sequential frozen = network();
  frozen.layers()[0]->set_trainable(false);
  fit(frozen, 0, 1);
  frozen.save(folder / "frozen");
  used.load(folder / "frozen");
  auto slots = adam.slots(used.variables()[0]);
  REQUIRE(slots.size() == 2);
  for (auto& v : slots) CHECK(distance(v, zeros(v.shape())) == 0);
  CHECK(fit(used, 1, 2)["loss"].size() == 1);
}

TEST_CASE("what the file holds") {
  files::TempFolder folder;
  const std::string path = folder / "model";
  nn::Sequential model{nn::Dense(2, {.seed = 1}), nn::Dropout(0.5, {.seed = 7}),
                       nn::Dense(1, {.seed = 2, .name = "head"})};
  model.compile(
      {.optimizer = optim::Adam({.beta_1 = 0.8, .weight_decay = 0.01}), .loss = "mse", .metrics = {"mae", "mse"}});
  model.build({3});
  const Tensor x = ones({4, 3}), y = ones({4, 1});
  model.fit(x, y, {.epochs = 3, .verbose = 0});
  model.save(path);
  std::vector<std::string> names;
  for (auto& [name, t] : io::load_safetensors(path)) names.push_back(name);
  std::sort(names.begin(), names.end());
  std::vector<std::string> expected{"optimizer/iterations", "optimizer/learning_rate", "random/dropout/stream"};
  for (const std::string name : {"dense/bias", "dense/kernel", "head/bias", "head/kernel"})
    for (auto& full : {"optimizer/" + name + "/momentum", "optimizer/" + name + "/velocity", "weights/" + name})
      expected.push_back(full);
  std::sort(expected.begin(), expected.end());
  CHECK(names == expected);
  CHECK(io::find(io::load_safetensors(path), "optimizer/iterations").item<std::int64_t>() == 3);
  CHECK(io::find(io::load_safetensors(path), "random/dropout/stream").to_vector<std::int64_t>() ==
        std::vector<std::int64_t>{7 + (std::int64_t(3) << 32), 0});
  CHECK(io::load_safetensors_metadata(path) ==
        io::Metadata{{"tapir", "model"},
                     {"type", "Sequential"},
                     {"optimizer", "Adam(beta_1=0.8, beta_2=0.999, epsilon=1e-07, amsgrad=false, weight_decay=0.01)"},
                     {"loss", "mse"},
                     {"metrics", "mae, mse"},
                     {"weighted_metrics", ""}});
  CHECK(model.variables().size() == 4);  // where a layer's random numbers stand is no weight

  nn::Sequential weights{nn::Dense(2), nn::Dropout(0.5, {.seed = 7}), nn::Dense(1, {.name = "head"})};
  weights.build({3});
  weights.load_weights(path);  // not compiled
  CHECK(distance(weights.predict(x), model.predict(x)) == 0);
}

TEST_CASE("a model that is not compiled, or has made no step") {
  files::TempFolder folder;
  nn::Sequential plain{nn::Dense(2, {.seed = 1})}, other{nn::Dense(2, {.seed = 2})};
  plain.build({3}), other.build({3});
  plain.save(folder / "plain");
  other.load(folder / "plain");
  CHECK(distance(other.variables()[0], plain.variables()[0]) == 0);
  other.compile({.loss = "mse"});
  other.load(folder / "plain");
  nn::Sequential fresh = network(), loaded = network();
  fresh.save(folder / "fresh");
  fit(loaded, 0, 1);
  loaded.load(folder / "fresh");
  CHECK(fit(loaded, 0, 1)["loss"] == fit(fresh, 0, 1)["loss"]);
}

TEST_CASE("wrong files and models are refused, and nothing changes") {
  files::TempFolder folder;
  const std::string path = folder / "model";
  optim::Adam adam;
  nn::Sequential model = network(adam), unbuilt{nn::Dense(1)};
  fit(model, 0, 1);
  auto load = [&] { model.load(path); };
  auto refused = [&](const std::string& text) { check_refused<FileError>(model, adam, load, text); };
  check_error<UsageError>([&] { unbuilt.save(path); },
                          "save: the model has no weights yet. Call model.build(input_shape) first.");
  check_error<UsageError>([&] { unbuilt.load(path); },
                          "load: the model has no weights yet. Call model.build(input_shape) first.");
  refused("No such file or directory.");
  CHECK_THROWS_AS(model.save(folder / "no/such/folder"), FileError);

  model.save_weights(path);
  refused("load: " + path + ": this file was not written by save(). Weights alone are read by load_weights().");
  nn::Sequential sgd = network("sgd"), wide = network("adam", false, 4), plain{nn::Conv2D(4, {3, 3})};
  sgd.save(path);
  refused("load: " + path +
          ": its optimizer was SGD(momentum=0, nesterov=false), that of the model is Adam(beta_1=0.9, beta_2=0.999, "
          "epsilon=1e-07, amsgrad=false). Weights alone are read by load_weights().");
  wide.save(path);
  refused("load: " + path + ": 'weights/head/kernel' is f32 [36, 4] in the file, f32 [36, 3] in the model.");
  plain.build({8, 8, 2});
  plain.save(path);
  refused("load: " + path + ": there is no 'random/dropout/stream' in the file.");

  model.save(path);
  check_error<UsageError>(
      [&] { plain.load(path); },
      "load: " + path +
          ": compile the model as the saved one first, with optimizer Adam(beta_1=0.9, beta_2=0.999, "
          "epsilon=1e-07, amsgrad=false) and loss sparse_categorical_crossentropy. Weights alone are read by "
          "load_weights().");
  plain.compile({.optimizer = "adam", .loss = "mse"});
  check_error<FileError>(
      [&] { plain.load(path); },
      "load: " + path +
          ": the file has 23 tensors, the model 8; 'weights/batch_normalization/gamma' is in the file alone.");

  fit(model, 1, 2);  // the file is of another state now
  const io::NamedTensors tensors = io::load_safetensors(path);
  const io::Metadata metadata = io::load_safetensors_metadata(path);
  auto with = [&](const std::string& name, const std::function<Tensor(const Tensor&)>& f) {
    io::save_safetensors(path, changed(tensors, name, f), metadata);
  };
  with("optimizer/head/kernel/velocity", [](const Tensor&) { return Tensor(); });
  refused("load: " + path + ": there is no 'optimizer/head/kernel/velocity' in the file.");
  with("optimizer/head/kernel/momentum", [](const Tensor&) { return Tensor(); });
  refused("load: " + path +
          ": the file has 22 tensors, the model 21; 'optimizer/head/kernel/velocity' is in the file alone.");
  with("optimizer/head/bias/velocity", [](const Tensor& t) { return t.astype(DType::f16); });
  refused("load: " + path + ": 'optimizer/head/bias/velocity' is f16 [3] in the file, f32 [3] in the model.");
  with("optimizer/iterations", [](const Tensor&) { return ones({2}, DType::i64); });
  refused("load: " + path + ": 'optimizer/iterations' is i64 [2] in the file, i64 [] in the model.");

  model.save(path);
  const std::string whole = files::bytes_of(path);
  for (std::size_t kept : {std::size_t(0), std::size_t(5), whole.size() / 2, whole.size() - 1}) {
    INFO(kept);
    files::write_bytes(path, whole.substr(0, kept));
    const auto weights = values(model.variables()), state = values(adam.variables());
    CHECK_THROWS_AS(load(), FileError);
    CHECK(same(values(model.variables()), weights));
    CHECK(same(values(adam.variables()), state));
  }
}

TEST_CASE("a failed save leaves the older file") {
  files::TempFolder folder;
  const std::string path = folder / "model";
  nn::Sequential model = network();
  model.save(path);
  const std::string before = files::bytes_of(path);
  std::vector<std::string> found;
  for (auto& entry : std::filesystem::directory_iterator(std::filesystem::path(path).parent_path()))
    found.push_back(entry.path().filename().string());
  CHECK(found == std::vector<std::string>{"model"});  // no temporary file stays
  fit(model, 0, 1);
  std::filesystem::create_directory(path + ".folder");
  CHECK_THROWS_AS(model.save(path + ".folder"), FileError);
  CHECK(files::bytes_of(path) == before);
  model.save(path);
  CHECK(files::bytes_of(path) != before);
}
