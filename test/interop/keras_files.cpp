// usage: keras_files NAME: reads NAME.keras, writes what it gives for the inputs in NAME.npz (x0, x1, ...) to
// NAME.out.npz (y0, ...), its weights to NAME.ours.weights.h5, and the model to NAME.ours.keras. For check_keras.py.
#include <tapir/formats.h>
#include <tapir/io/npy.h>

using namespace tapir;

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string name = argv[1];
  nn::Functional model = formats::load_keras(name + ".keras");
  const io::NamedTensors given = io::load_npz(name + ".npz");
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < model.inputs().size(); ++i) inputs.push_back(io::find(given, "x" + std::to_string(i)));
  io::NamedTensors out;
  for (auto& y : model.outputs(inputs)) out.emplace_back("y" + std::to_string(out.size()), y);
  io::save_npz(name + ".out.npz", out);
  formats::save_keras_weights(name + ".ours.weights.h5", model);
  formats::save_keras(name + ".ours.keras", model, name + ".keras");
}
