// `tapir convert`: what comes out computes what went in, and what cannot be is said in one line.
#include <tapir/formats.h>
#include <tapir/io/function_file.h>
#include <tapir/io/npy.h>
#include <tapir/io/safetensors.h>
#include <tapir/nn/conv_layers.h>
#include <tapir/test/command/shell.h>
#include <tapir/test/io/files.h>
#include <tapir/test/ops/golden.h>
#include <tapir/test/thrown.h>

using namespace tapir;
using formats::convert;

namespace {

std::string keras(const std::string& file) { return golden::path_of("keras/" + file); }

std::vector<Tensor> arrays(const std::string& npz, const char* letter) {
  const io::NamedTensors all = io::load_npz(npz);
  std::vector<Tensor> out;
  for (auto& [name, x] : all)
    if (name[0] == letter[0]) out.push_back(io::find(all, letter + std::to_string(out.size())));
  return out;
}

double distance(const std::vector<Tensor>& got, const std::vector<Tensor>& want) {
  REQUIRE(got.size() == want.size());
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) worst = std::max(worst, golden::distance(got[i], want[i]));
  return worst;
}

}  // namespace

TEST_CASE("a Keras model as a function, as ONNX, as weights") {
  files::TempFolder folder;
  for (const char* name : {"vision", "signals"}) {
    CAPTURE(name);
    const std::string from = keras(name + std::string(".keras"));
    const auto xs = arrays(keras(name + std::string(".npz")), "x"), ys = arrays(keras(name + std::string(".npz")), "y");
    convert(from, folder / "m.onnx");
    const onnx::Model onnx_model = onnx::load(folder / "m.onnx");
    CHECK(onnx_model.inputs()[0].shape[0] == unknown);
    CHECK(distance(onnx_model(xs), ys) < 1e-5);
    convert(from, folder / "m.safetensors");
    CHECK(distance(load_function(folder / "m.safetensors")(xs), ys) < 1e-5);
    convert(folder / "m.safetensors", folder / "again.onnx");
    CHECK(distance(onnx::load(folder / "again.onnx")(xs), ys) < 1e-5);
    convert(folder / "m.onnx", folder / "back.tapir");
    CHECK(distance(load_function(folder / "back.tapir")(xs), ys) < 1e-5);

    nn::Functional model = formats::load_keras(from);
    const std::size_t count = model.variables().size();
    CHECK(convert(from, folder / "w.npz") == folder / "w.npz" + ": " + std::to_string(count) + " tensors");
    for (auto& v : model.variables()) v.assign(zeros(v.shape()));
    model.load_weights(folder / "w.npz");
    CHECK(distance(model.outputs(xs), ys) < 1e-5);
    for (auto& v : model.variables()) v.assign(zeros(v.shape()));
    convert(from, folder / "m.weights.h5");
    formats::load_keras_weights(folder / "m.weights.h5", model);
    CHECK(distance(model.outputs(xs), ys) < 1e-5);
  }
}

TEST_CASE("PyTorch's ONNX as a function and as tensors") {
  files::TempFolder folder;
  const std::string name = files::source_path("test/formats/onnx_files/torch_images_script");
  const Tensor x = io::load_npy(name + ".input_0.npy"), y = io::load_npy(name + ".output_0.npy");
  CHECK(convert(name + ".onnx", folder / "f.tapir") == folder / "f.tapir" + ": a function of f32 [2, 2, 8, 8]");
  CHECK(distance(load_function(folder / "f.tapir")({x}), {y}) < 1e-5);
  convert(folder / "f.tapir", folder / "f.onnx");
  CHECK(distance(onnx::load(folder / "f.onnx")({x}), {y}) < 1e-5);
  convert(name + ".onnx", folder / "w.safetensors", {.weights = true});
  CHECK(io::find(io::load_safetensors(folder / "w.safetensors"), "h.weight").shape() == Shape{5, 3});
}

TEST_CASE("weights of any form into the layers of a Keras file") {
  files::TempFolder folder;
  nn::Functional model = formats::load_keras(keras("vision.keras"));
  const auto xs = arrays(keras("vision.npz"), "x");
  for (auto& v : model.variables()) v.assign(v.value() * 1.25f);
  const std::vector<Tensor> ys = model.outputs(xs);
  model.compile({.optimizer = "sgd", .loss = "mse"});
  model.save(folder / "saved.safetensors");
  model.save_weights(folder / "w.npz");
  formats::save_keras_weights(folder / "w.weights.h5", model);
  for (const char* from : {"saved.safetensors", "w.npz", "w.weights.h5"}) {
    CAPTURE(from);
    convert(folder / from, folder / "new.keras", {.like = keras("vision.keras")});
    CHECK(distance(formats::load_keras(folder / "new.keras").outputs(xs), ys) < 1e-5);
    convert(folder / from, folder / "new.onnx", {.like = keras("vision.keras")});
    CHECK(distance(onnx::load(folder / "new.onnx")(xs), ys) < 1e-5);
  }
  convert(folder / "saved.safetensors", folder / "plain.h5");  // without what the optimizer remembers
  const io::NamedTensors plain = formats::load_hdf5(folder / "plain.h5"), w = io::load_npz(folder / "w.npz");
  CHECK(plain.size() == w.size());
  for (auto& [path, x] : w) CHECK(array_equal(io::find(plain, path), x));
}

TEST_CASE("what cannot be is said in one line") {
  files::TempFolder folder;
  io::save_npz(folder / "w.npz", {{"a", ones({2})}});
  auto said = [&](const std::string& from, const std::string& to, const formats::ConvertOptions& o = {}) {
    return message<UsageError>([&] { convert(from, to, o); });
  };
  const std::string w = folder / "w.npz";
  CHECK(said(w, folder / "w.onnx") == "convert: " + w +
                                          " has tensors alone, and no computation. They go into .safetensors, .npz or "
                                          ".h5, or into the model of a Keras file: --like model.keras.");
  CHECK(said(w, folder / "w.keras") == "convert: " + w +
                                           " has tensors alone; only a Keras model has layers to write for Keras. Say "
                                           "which model it is for: --like model.keras.");
  CHECK(said(w, "w.pt") ==
        "convert: w.pt: the ending says what a file is: .keras, .weights.h5, .h5, .onnx, "
        ".safetensors, .tapir or .npz.");
  const std::string net = files::source_path("test/formats/onnx_files/torch_images_script.onnx");
  CHECK(said(net, folder / "m.keras") == "convert: " + net +
                                             " has an ONNX model; only a Keras model has layers to write for Keras. "
                                             "Write .onnx.");
  CHECK(said(net, folder / "m.keras", {.like = keras("vision.keras")}) ==
        "convert: " + net + " has a computation of its own; --like is for weights alone.");
  auto f = function([](const Tensor& x) { return x * 2; }, {.generalise = false});
  f(ones({2})), f(ones({3}));
  f.save(folder / "two.tapir");
  CHECK(said(folder / "two.tapir", folder / "two.onnx") ==
        "convert: " + folder / "two.tapir" +
            ": its function has 2 traces; save one of them: f.get_concrete(...).save(path).");
  f.get_concrete({TensorSpec({2})}).save(folder / "one.tapir");
  CHECK(said(folder / "one.tapir", folder / "one.npz") ==
        "convert: " + folder / "one.tapir" + " has no tensors by name.");
  CHECK(message<FileError>([&] {
          convert(folder / "no.npz", folder / "no.h5");
        }).ends_with("cannot be opened, No such file or directory."));
  CHECK(folder.count() == 3);  // nothing else was written
}

TEST_CASE("the command") {
  shell::Folder f;
  const auto r = f.run("tapir convert " + keras("vision.keras") + " m.onnx && tapir convert m.onnx w.npz");
  CHECK(r.err == "");
  CHECK(r.out.starts_with("m.onnx: a function of f32 [?, "));
  CHECK(r.out.find("\nw.npz: ") != std::string::npos);
  CHECK(shell::fs::exists(f / "w.npz"));
  const auto bad = f.run("tapir convert w.npz w.onnx");
  CHECK(bad.status == 1);
  CHECK(bad.err ==
        "tapir: convert: w.npz has tensors alone, and no computation. They go into .safetensors, .npz or .h5, "
        "or into the model of a Keras file: --like model.keras.\n");
  const auto none = f.run(
      "cp $(command -v tapir) . && LD_LIBRARY_PATH=$(dirname $(dirname $(command -v tapir))) "
      "./tapir convert w.npz w.h5");
  CHECK(none.status == 1);
  CHECK(
      none.err.starts_with("tapir: convert: needs libtapir_formats, which could not be opened (libtapir_formats.so."));
}
