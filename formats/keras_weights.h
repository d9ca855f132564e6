// Where Keras keeps the weights of a layer within its HDF5 files. Internal to formats/.
#pragma once
#include <tapir/formats/hdf5_file.h>
#include <tapir/nn/functional.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace tapir::detail {

/// A variable and its dataset: "layers/dense_1/vars/0".
struct KerasVariable {
  std::string path;
  Variable variable;
};
/// A group of variables and the name of the layer that has them.
struct KerasGroup {
  std::string path, name;
};
struct KerasWeights {
  std::vector<KerasVariable> variables;
  std::vector<KerasGroup> groups;
};

/// The names of the layers of one model in the order of its list: "dense", "dense_1", ... each kind counted for itself.
class KerasCounter {
 public:
  std::string next(const std::string& type);

 private:
  std::map<std::string, int> used_;
};

/// Adds the variables of a layer that is no model. Throws UsageError for one whose place in the file is not known.
void add_keras_layer(KerasWeights& out, const nn::Layer::State& layer, const std::string& path);
/// Adds those of a Sequential or Functional, in Keras's order of layers. `prefix`: "" or "layers/functional/".
void add_keras_model(KerasWeights& out, const nn::Layer& model, const std::string& prefix);

/// Puts the datasets into the variables: all are there, with these shapes, and no other weights. Nothing is assigned
/// before.
void assign_keras(const FileContext& context, const KerasWeights& weights, const io::NamedTensors& file);

/// The bytes of a .weights.h5 file.
std::string make_keras_weights(const FileContext& context, const KerasWeights& weights);

/// The layers of a functional model as `model.layers` lists them in Keras; null stands for an input.
std::vector<std::shared_ptr<nn::Layer>> keras_order(const nn::Functional& model);

}  // namespace tapir::detail
