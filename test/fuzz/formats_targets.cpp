#include <tapir/formats.h>
#include <tapir/io/output_file.h>
#include <tapir/io/zip.h>
#include <tapir/nn/conv_layers.h>
#include <tapir/test/fuzz/targets.h>

namespace fuzz {

using namespace tapir;

namespace {

bool h5(const std::string& bytes) {
  return reads([&] { formats::load_hdf5(file_of(bytes, ".h5")); });
}

bool keras(const std::string& bytes) {
  return reads([&] { formats::load_keras(file_of(bytes, ".keras"), {.unknown_size = 8}); });
}

// The bytes are config.json, in an archive whose checksums are right; the weights are never those of the model.
bool keras_config(const std::string& bytes) {
  static const std::string weights = [] {
    const std::string path = folder() + "/weights.h5";
    formats::save_hdf5(path, {{"layers/dense/vars/0", Tensor::empty({32, 8}, DType::f32)}});
    tapir::detail::InputFile file({"fuzz", path});
    std::string all(std::size_t(file.size()), '\0');
    file.read_at(0, all.data(), all.size());
    return all;
  }();
  const std::string path = folder() + "/config.keras";
  tapir::detail::OutputFile out({"fuzz", path});
  tapir::detail::ZipWriter zip(out);
  zip.add("metadata.json", {{"{}", 2}}, false);
  zip.add("config.json", {{bytes.data(), bytes.size()}}, false);
  zip.add("model.weights.h5", {{weights.data(), weights.size()}}, false);
  zip.finish();
  out.commit();
  return reads([&] { formats::load_keras(path, {.unknown_size = 8}); });
}

bool onnx_file(const std::string& bytes) {
  return reads([&] { onnx::parse(bytes, {.trainable = true}); });
}
bool onnx_tensor(const std::string& bytes) {
  return reads([&] { onnx::load_tensor(file_of(bytes, ".pb")); });
}

bool png(const std::string& bytes) {
  return reads([&] { formats::decode_png(bytes, {.max_pixels = 1 << 20}); });
}
bool jpeg(const std::string& bytes) {
  return reads([&] { formats::decode_jpeg(bytes, {.channels = 0, .max_pixels = 1 << 20}); });
}

}  // namespace

std::vector<Target> formats_targets() {
  return {
      {"h5", h5},   {"keras", keras}, {"keras_config", keras_config}, {"onnx", onnx_file}, {"onnx_tensor", onnx_tensor},
      {"png", png}, {"jpeg", jpeg}};
}

}  // namespace fuzz
