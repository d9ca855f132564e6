// save_weights and load_weights: the same numbers come back, into the same kind of model only, whole or not at all.
#include <tapir/test/io/files.h>
#include <tapir/test/ops/golden.h>

using namespace tapir;
using golden::check_error;
using golden::distance;

namespace {

nn::Sequential network(std::int64_t seed, int units = 4) {
  nn::Sequential model{nn::Conv2D(3, {3, 3}, {.seed = seed}), nn::BatchNormalization(), nn::Flatten(),
                       nn::Dense(units, {.seed = seed}), nn::Dense(2, {.seed = seed, .name = "head"})};
  model.build({4, 4, 1});
  return model;
}

const Tensor images = random::normal({5, 4, 4, 1}, {.seed = 8});

// Nothing that `f` does, which must throw FileError, may change the model.
template <class F>
void check_load(nn::Model& model, F f, const std::string& text) {
  Tensor before = model.predict(images);
  check_error<FileError>(f, text);
  CHECK(distance(model.predict(images), before) == 0);
}

}  // namespace

TEST_CASE("what was saved is loaded, into a model of another run of names") {
  files::TempFolder folder;
  const std::string path = folder / "weights.safetensors";
  nn::Sequential model = network(1);
  model.compile({.optimizer = "adam", .loss = "mse"});
  model.fit(images, ones({5, 2}), {.epochs = 2, .verbose = 0});  // moves the statistics as well
  model.save_weights(path);
  std::vector<std::string> names;
  for (auto& [name, t] : io::load_safetensors(path)) names.push_back(name);
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{"batch_normalization/beta", "batch_normalization/gamma",
                                          "batch_normalization/moving_mean", "batch_normalization/moving_variance",
                                          "conv2d/bias", "conv2d/kernel", "dense/bias", "dense/kernel", "head/bias",
                                          "head/kernel"});
  nn::Sequential other = network(2);
  CHECK(distance(other.predict(images), model.predict(images)) > 0.01);
  other.load_weights(path);
  CHECK(distance(other.predict(images), model.predict(images)) == 0);
}

TEST_CASE("as .npz, for NumPy") {
  files::TempFolder folder;
  const std::string path = folder / "weights.npz";
  nn::Sequential model = network(1), other = network(2);
  model.save_weights(path);
  CHECK(files::bytes_of(path).starts_with("PK"));
  CHECK(array_equal(io::find(io::load_npz(path), "head/bias"), zeros({2})));
  other.load_weights(path);
  CHECK(distance(other.predict(images), model.predict(images)) == 0);
  check_load(
      other, [&] { other.load_weights(folder / "no.npz"); }, "No such file or directory.");
}

TEST_CASE("a model of one's own") {
  struct Own : nn::Model {
    nn::Dense a{4}, b{4};
    Variable gain{ones({}), "gain"};
    Tensor call(const Tensor& x, bool) override { return b(a(x)) * gain; }
  };
  files::TempFolder folder;
  Own one, two;
  Tensor x = random::normal({2, 3}, {.seed = 1});
  one.build({3}), two.build({3});
  one.gain.assign(Tensor(3.0f));
  one.save_weights(folder / "w");
  two.load_weights(folder / "w");
  CHECK(distance(one(x), two(x)) == 0);
}

TEST_CASE("errors leave the model as it was") {
  files::TempFolder folder;
  const std::string path = folder / "w";
  nn::Sequential unbuilt{nn::Dense(1)}, model = network(1);
  check_error<UsageError>([&] { unbuilt.save_weights(path); },
                          "save_weights: the model has no weights yet. Call model.build(input_shape) first.");
  check_error<UsageError>([&] { unbuilt.load_weights(path); },
                          "load_weights: the model has no weights yet. Call model.build(input_shape) first.");
  check_error<FileError>([&] { model.load_weights(path); }, "No such file or directory.");
  CHECK_THROWS_AS(model.save_weights(folder / "no/such/folder"), FileError);

  network(2, 5).save_weights(path);
  check_load(
      model, [&] { model.load_weights(path); },
      "load_weights: " + path + ": 'dense/kernel' is f32 [12, 5] in the file, f32 [12, 4] in the model.");
  nn::Sequential shorter{nn::Conv2D(3, {3, 3})};
  shorter.build({4, 4, 1});
  shorter.save_weights(path);
  check_load(
      model, [&] { model.load_weights(path); },
      "load_weights: " + path + ": there is no 'batch_normalization/gamma' in the file.");
  network(2).save_weights(path);
  check_error<FileError>(
      [&] { shorter.load_weights(path); },
      "load_weights: " + path +
          ": the file has 10 tensors, the model 2; 'batch_normalization/gamma' is in the file alone.");
  io::NamedTensors halves;
  for (auto& [name, t] : io::load_safetensors(path)) halves.emplace_back(name, t.astype(DType::f16));
  io::save_safetensors(path, halves);
  check_load(
      model, [&] { model.load_weights(path); }, "' is f16 [3, 3, 1, 3] in the file, f32 [3, 3, 1, 3] in the model.");

  network(2).save_weights(path);
  const std::string whole = files::bytes_of(path);
  for (std::size_t kept : {std::size_t(0), std::size_t(5), whole.size() / 2, whole.size() - 1}) {
    INFO(kept);
    files::write_bytes(path, whole.substr(0, kept));
    Tensor before = model.predict(images);
    CHECK_THROWS_AS(model.load_weights(path), FileError);
    CHECK(distance(model.predict(images), before) == 0);
  }
  files::write_bytes(path, "this is no file of weights, but long enough to be one");
  CHECK_THROWS_AS(model.load_weights(path), FileError);
}
