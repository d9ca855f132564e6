// Keras's files: models that real Keras saved (test/golden/keras, made by `test/interop/check_keras.py --fixtures`) and
// ours.
#include <tapir/formats/keras.h>
#include <tapir/io/npy.h>
#include <tapir/io/zip.h>
#include <tapir/nn/attention_layers.h>
#include <tapir/nn/conv_layers.h>
#include <tapir/nn/normalization_layers.h>
#include <tapir/nn/recurrent_layers.h>
#include <tapir/ops/create.h>
#include <tapir/ops/random.h>
#include <tapir/tensor/error.h>
#include <tapir/test/io/files.h>
#include <tapir/test/thrown.h>

#include <cmath>

using namespace tapir;
using namespace files;

namespace {

std::string golden(const std::string& name) { return source_path("test/golden/keras/" + name); }

double apart(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  const std::vector<float> x = a.to_vector<float>(), y = b.to_vector<float>();
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) worst = std::max(worst, double(std::abs(x[i] - y[i])));
  return worst;
}

std::vector<Tensor> named(const io::NamedTensors& all, char letter) {
  std::vector<Tensor> out;
  for (int i = 0; io::contains(all, letter + std::to_string(i)); ++i)
    out.push_back(io::find(all, letter + std::to_string(i)));
  return out;
}

// With the rest of the archive as it was.
void with_config(const std::string& from, const std::string& to, const std::string& config) {
  const detail::InputFile in({"test", from});
  detail::OutputFile out({"test", to});
  detail::ZipWriter zip(out);
  for (auto& member : detail::read_zip_directory(in)) {
    std::string bytes(member.size, '\0');
    detail::open_zip_member(in, member)->read(bytes.data(), bytes.size(), "a member");
    if (member.name == "config.json") bytes = config.empty() ? bytes : config;
    zip.add(member.name, {{bytes.data(), bytes.size()}}, true);
  }
  zip.finish();
  out.commit();
}

// The config.json of a file, with each `what` become `into`.
std::string config_with(const std::string& path, const std::string& what, const std::string& into) {
  const detail::InputFile in({"test", path});
  for (auto& member : detail::read_zip_directory(in)) {
    if (member.name != "config.json") continue;
    std::string bytes(member.size, '\0');
    detail::open_zip_member(in, member)->read(bytes.data(), bytes.size(), "a member");
    for (auto at = bytes.find(what); at != std::string::npos; at = bytes.find(what, at + into.size()))
      bytes.replace(at, what.size(), into);
    return bytes;
  }
  return "";
}

bool has(const std::string& text, const std::string& part) {
  if (text.find(part) == std::string::npos) MESSAGE(text);
  return text.find(part) != std::string::npos && text.find('\n') == std::string::npos;
}

}  // namespace

TEST_CASE("a model of Keras gives what it gave there, and its weights go out and in") {
  TempFolder folder;
  for (const char* name : {"vision", "sequences", "signals", "words", "volumes", "masked"}) {
    CAPTURE(name);
    const io::NamedTensors given = io::load_npz(golden(std::string(name) + ".npz"));
    nn::Functional model = formats::load_keras(golden(std::string(name) + ".keras"));
    CHECK(model.name() == name);
    const std::vector<Tensor> wanted = named(given, 'y');
    auto check = [&] {
      const std::vector<Tensor> got = model.outputs(named(given, 'x'));
      REQUIRE(got.size() == wanted.size());
      for (std::size_t i = 0; i < got.size(); ++i) CHECK(apart(got[i], wanted[i]) < 1e-5);
    };
    check();
    formats::save_keras_weights(folder / "w.h5", model);
    for (auto v : model.variables()) v.assign(zeros(v.shape()));
    CHECK(apart(model.outputs(named(given, 'x'))[0], wanted[0]) > 1e-3);
    formats::load_keras_weights(folder / "w.h5", model);
    check();
  }
  nn::Functional model = formats::load_keras(golden("words.keras"));
  for (auto v : model.variables()) v.assign(full(v.shape(), 0.25f));
  formats::save_keras(folder / "m.keras", model, golden("words.keras"));
  nn::Functional again = formats::load_keras(folder / "m.keras");
  const std::vector<Tensor> x = named(io::load_npz(golden("words.npz")), 'x');
  CHECK(apart(model.outputs(x)[0], again.outputs(x)[0]) == 0);
  CHECK(has(thrown([&] { formats::save_keras(folder / "n.keras", model, golden("volumes.keras")); }),
            "its model has no 'layers/embedding/vars/0' [20, 6]"));
  CHECK(folder.count() == 2);

  const nn::Functional signals = formats::load_keras(golden("signals.keras"));
  CHECK(signals.trainable_variables().size() < signals.variables().size());  // one layer is frozen
}

TEST_CASE("weights fit a model that was written here by hand") {
  TempFolder folder;
  auto net = [] {
    return nn::Sequential{nn::Conv2D(2, 3, {.name = "eyes"}), nn::BatchNormalization(), nn::Conv2D(3, 2),
                          nn::TimeDistributed(nn::Bidirectional(nn::GRU(2)))};
  };
  nn::Sequential a = net(), b = net();
  a.build({6, 6, 1});
  CHECK(has(thrown([&] { formats::save_keras_weights(folder / "x.h5", b); }), "has no weights yet"));
  b.build({6, 6, 1});
  const Tensor x = random::normal({2, 6, 6, 1});
  formats::save_keras_weights(folder / "w.h5", a);
  formats::load_keras_weights(folder / "w.h5", b);
  CHECK(apart(a(x), b(x)) == 0);

  nn::Sequential wider{nn::Conv2D(4, 3, {.name = "wide"})}, more{nn::Conv2D(2, 3)};
  wider.build({6, 6, 1}), more.build({6, 6, 1});
  CHECK(has(thrown([&] { formats::load_keras_weights(folder / "w.h5", wider); }),
            "'layers/conv2d/vars/0' is f32 [3, 3, 1, 2] in the file; 'wide/kernel' is f32 [3, 3, 1, 4] here."));
  CHECK(has(thrown([&] { formats::load_keras_weights(folder / "w.h5", more); }),
            "is in the file alone; the model has no such weight."));
  CHECK(folder.count() == 1);
}

TEST_CASE("a mixed dtype policy is read") {
  TempFolder folder;
  const std::string half =
      config_with(golden("volumes.keras"), "{\"name\": \"float32\"}", "{\"name\": \"mixed_float16\"}");
  with_config(golden("volumes.keras"), folder / "half.keras", half);
  nn::Functional model = formats::load_keras(folder / "half.keras");
  CHECK(model.dtype_policy() == nn::DTypePolicy("mixed_float16"));
  const io::NamedTensors arrays = io::load_npz(golden("volumes.npz"));
  const Tensor y = model(io::find(arrays, "x0"));
  CHECK(y.dtype() == DType::f16);
  CHECK(model.variables()[0].dtype() == DType::f32);
  const double distance = apart(y.astype(DType::f32), io::find(arrays, "y0"));
  CHECK(distance < 5e-3);
  CHECK(distance > 1e-6);
}

TEST_CASE("what is not known is refused in one line") {
  auto load = [](const std::string& path) { return thrown([&] { (void)formats::load_keras(path); }); };
  CHECK(has(load(golden("refused_layer.keras")), "keras_test.cpp:"));
  CHECK(has(load(golden("refused_layer.keras")),
            "layer 'discretization' (a Discretization): there is no such layer here."));
  CHECK(
      has(load(golden("refused_setting.keras")),
          "layer 'batch_normalization' (a BatchNormalization): its setting 'renorm_clipping' = {} is not known here."));
  CHECK(has(load(golden("unknown_size.keras")), "has a size of None. Say what stands for it"));
  nn::Functional any = formats::load_keras(golden("unknown_size.keras"), {.unknown_size = 8});
  CHECK(any(zeros({1, 8, 8, 3})).shape() == Shape{1, 2});
  CHECK(has(load(golden("vision.npz")), "there is no config.json in it; it is no .keras file."));
  CHECK(has(load("/nowhere.keras"), "cannot be opened"));

  TempFolder folder;
  auto with = [&](const std::string& config) {
    with_config(golden("volumes.keras"), folder / "x.keras", config);
    return load(folder / "x.keras");
  };
  CHECK(with("") == "nothing was thrown");
  CHECK(has(with(config_with(golden("volumes.keras"), "{\"name\": \"float32\"}", "{\"name\": \"float64\"}")),
            "its dtype policy is \"float64\"; float32, mixed_bfloat16 and mixed_float16 are read."));
  CHECK(has(with("{"), "config.json is damaged."));
  CHECK(has(with(std::string(100000, '[')), "config.json is nested too deeply."));
  CHECK(has(with(R"({"class_name": "Mine", "config": {}})"), "its model is a Mine"));
  const std::string layers =
      R"({"class_name": "Sequential", "config": {"name": "s", "layers": [{"class_name": "InputLayer", "config":
      {"name": "i", "batch_shape": [null, 2]}}, )";
  CHECK(has(with(layers + R"({"class_name": "Dense", "config": {"name": "d", "units": 1000000000000}}]}})"),
            "'units' is 1000000000000, which the weights in the file do not fit."));
  CHECK(has(with(layers + R"({"class_name": "Dense", "config": {"name": "d", "units": 2, "activation": "rleu"}}]}})"),
            "there is no 'rleu'. Did you mean 'relu'?"));
  CHECK(has(with(layers + R"({"class_name": "Conv2D", "config": {"name": "c", "filters": 2, "kernel_size": 3}}]}})"),
            "layer 'c' (a Conv2D) cannot be built: "));
  const std::string half = R"({"class_name": "Dense", "config": {"name": "d", "units": 2, "dtype":)";
  CHECK(has(with(layers + half + R"({"config": {"name": "float16"}}}}]}})"),
            "its dtype policy is \"float16\"; float32, mixed_bfloat16 and mixed_float16 are read."));
}

TEST_CASE("damaged archives are refused, and end") {
  TempFolder folder;
  const std::string good = bytes_of(golden("words.keras"));
  std::mt19937 random(11);
  int refused = 0;
  for (int i = 0; i < 150; ++i) {
    std::string bad = good;
    for (int k = 0; k < 3; ++k) bad[random() % bad.size()] = char(random());
    std::ofstream(folder / "bad.keras", std::ios::binary) << bad;
    const std::string what = thrown([&] { (void)formats::load_keras(folder / "bad.keras"); });
    refused += what != "nothing was thrown";
    CHECK(what.find('\n') == std::string::npos);
  }
  CHECK(refused > 100);  // the checksums of the archive
}
