// Made the first files of test/fuzz/corpus: ./build/command/tapir run test/fuzz/make_corpus.cpp, from the tree's root.
// What fuzzers found since lies beside them.
#include <tapir/io/zip.h>
#include <tapir/tapir.h>

#include <filesystem>
#include <fstream>

namespace fs = std::filesystem;
using namespace tapir;

static std::string in(const std::string& target) {
  const std::string folder = "test/fuzz/corpus/" + target;
  fs::create_directories(folder);
  return folder + "/";
}
static void put(const std::string& target, const fs::path& from, const std::string& name) {
  fs::copy_file(from, in(target) + name, fs::copy_options::overwrite_existing);
}
static void write(const std::string& target, const std::string& name, const std::string& bytes) {
  std::ofstream(in(target) + name, std::ios::binary) << bytes;
}
static void put_and_remove(const std::string& target, const std::string& from, const std::string& name) {
  put(target, from, name);
  fs::remove(from);
}

int main() {
  const std::string io = "test/io/fixtures/", formats = "test/formats/";
  for (auto& entry : fs::directory_iterator(io)) {
    const fs::path p = entry.path();
    if (p.extension() == ".npy") put("npy", p, p.stem());
    if (p.extension() == ".npz") put("npz", p, p.stem());
    if (p.extension() == ".safetensors") put("safetensors", p, p.stem());
  }
  io::save_safetensors("w.safetensors", {{"a.weight", ones({2, 3})}, {"a.bias", ones({2}, DType::bf16)}}, {{"k", "v"}});
  put_and_remove("safetensors", "w.safetensors", "linear");
  write("idx", "bytes",
        std::string("\0\0\x08\x02\0\0\0\x02\0\0\0\x03"
                    "abcdef",
                    18));
  write("idx", "floats",
        std::string("\0\0\x0d\x01\0\0\0\x01"
                    "\x3f\x80\0\0",
                    12));
  write("csv", "mixed", "a,b,c\n1,2.5,\"x, y\"\n3,NA,\"z\"\"\n\"\n-4,1e9,\n");
  write("csv", "semicolons", "1;true;2020\n2;false;\r\n");
  write("autotune", "none", "#\n");
  write("autotune", "one",
        "#\nforward f32 x 1x1x3x3x1 kernel 1x1x1 to 1x3x3x1 groups 1 stride 1x1x1 dilation 1x1x1 before "
        "0x0x0 threads 1 -> reference\n");

  Variable w(random::normal({3, 2}, {.seed = 1}), "w"), count(Tensor(0.f), "count");
  auto net = function([&](const Tensor& x) {
    count.assign_add(Tensor(1.f));
    return softmax(relu(matmul(x, w)) * 2.5f + random::normal({2}, {.seed = 3}));
  });
  net.get_concrete({TensorSpec({unknown, 3})});
  net.save("f.safetensors");
  put_and_remove("function", "f.safetensors", "dense");
  auto loop = function([](Tensor x) {
    return while_loop([](const Tensor& v) { return sum(v) < 100.0f; }, [](const Tensor& v) { return v * 2.0f; }, x);
  });
  loop(ones({2}));
  loop.save("f.safetensors");
  put_and_remove("function", "f.safetensors", "loop");
  auto image = function([](Tensor x) { return max_pool2d(conv2d(x, ones({2, 2, 1, 1})), {2, 2})(0, Slice(1)); });
  image(ones({1, 6, 6, 1}));
  image.save("f.safetensors");
  put_and_remove("function", "f.safetensors", "image");

  nn::Sequential model{nn::Dense(2, {.seed = 1}), nn::Dropout(0.5, {.seed = 2})};  // as in targets.cpp
  model.build({3});
  model.compile({.optimizer = optim::SGD({.momentum = 0.5}), .loss = "mse", .metrics = {"mae"}});
  model.fit(ones({4, 3}), ones({4, 2}), {.epochs = 1, .verbose = 0});
  model.save("m.safetensors");
  put_and_remove("model", "m.safetensors", "whole");
  model.save_weights("m.safetensors");
  put("safetensors", "m.safetensors", "model_weights");
  put_and_remove("model", "m.safetensors", "weights");
  nn::callbacks::BackupAndRestore kept("backup_folder", {.save_freq = 1, .delete_checkpoint = false});
  nn::callbacks::LambdaCallback between({.on_train_batch_begin = [&](std::int64_t) {
    if (fs::exists(kept.path())) put("backup", kept.path(), "within_an_epoch");
  }});
  model.fit(ones({4, 3}), ones({4, 2}),
            {.epochs = 1, .batch_size = 2, .shuffle = false, .verbose = 0, .callbacks = {between, kept}});
  put_and_remove("backup", kept.path(), "after_an_epoch");
  fs::remove_all("backup_folder");

  for (const char* name : {"types", "cycle", "external", "link", "claims"})
    put("h5", formats + "fixtures/" + name + ".h5", name);
  for (const char* name : {"refused_layer", "refused_setting", "unknown_size"})
    put("keras", "test/golden/keras/" + std::string(name) + ".keras", name);
  for (const char* name : {"signals", "vision", "words", "refused_layer"}) {
    const detail::InputFile file({"corpus", "test/golden/keras/" + std::string(name) + ".keras"});
    for (auto& member : detail::read_zip_directory(file)) {
      if (member.name != "config.json") continue;
      const auto source = detail::open_zip_member(file, member);
      std::string text(std::size_t(source->left()), ' ');
      text.resize(source->read_some(text.data(), text.size()));
      write("keras_config", name, text);
    }
  }
  write("keras_config", "fits",
        R"({"class_name": "Sequential", "config": {"name": "s", "layers": [
{"class_name": "InputLayer", "config": {"batch_shape": [null, 32], "dtype": "float32", "name": "in"}},
{"class_name": "Dense", "module": "keras.layers", "config":
{"name": "d", "units": 8, "activation": "linear", "use_bias": false}}
]}})");
  for (auto& entry : fs::directory_iterator(formats + "onnx_nodes")) {
    put("onnx", entry.path() / "model.onnx", entry.path().filename().string().substr(5));
    if (entry.path().filename() == "test_if" || entry.path().filename() == "test_cast_FLOAT_to_DOUBLE")
      put("onnx_tensor", entry.path() / "test_data_set_0/input_0.pb", entry.path().filename().string().substr(5));
  }
  for (auto& entry : fs::directory_iterator(formats + "fixtures/images")) {
    const std::string kind = entry.path().extension() == ".png" ? "png" : "jpeg";
    if (entry.path().extension() == ".png" || entry.path().extension() == ".jpg")
      if (fs::file_size(entry.path()) < 1500) put(kind, entry.path(), entry.path().stem());
  }
}
