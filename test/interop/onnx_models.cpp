// Writes models as ONNX files, with inputs and our results beside them, for check_onnx.py.
#include <tapir/test/formats/onnx_models.h>

#include <filesystem>
#include <iostream>

int main(int, char** arguments) {
  const std::string folder = arguments[1];
  std::filesystem::create_directories(folder);
  for (auto& c : onnx_models::all()) {
    const std::string path = folder + "/" + c.name;
    onnx_models::save(c, path + ".onnx");
    const auto results = c.run(c.inputs);
    for (std::size_t i = 0; i < c.inputs.size(); ++i)
      tapir::io::save_npy(path + ".input_" + std::to_string(i) + ".npy", c.inputs[i]);
    for (std::size_t i = 0; i < results.size(); ++i)
      tapir::io::save_npy(path + ".output_" + std::to_string(i) + ".npy", results[i]);
  }
}
