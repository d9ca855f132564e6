// Keras 3's files: whole models (.keras) and their weights (.weights.h5).
#pragma once
#include <tapir/nn/functional.h>

#include <string>

namespace tapir::formats {

struct LoadKerasOptions {
  std::int64_t unknown_size = 0;  ///< what stands for None in the shapes of inputs; 0: a None is an error
};

/// Reads a model that Keras 3 saved with `model.save("m.keras")`: Sequential or functional, of layers that there are
/// here, with its weights. A Sequential comes as the functional model of its layers. Not compiled, and without the
/// optimizer's state. Throws FileError, one line that names the layer: for a layer or an operation that there is not, a
/// setting that would change what the model computes, weights of other shapes, a dtype policy other than float32, and a
/// damaged file.
nn::Functional load_keras(const std::string& path, const LoadKerasOptions& options = {},
                          Where where = Where::current());

/// Writes `model` as a .keras file for `keras.models.load_model`: with the layers and settings of `original`, a .keras
/// file of the same layers (the one that the model was read from, and trained on), and the weights of `model`. What the
/// original was compiled with is left out. The file appears whole or not at all; it may be `original` itself. Throws
/// FileError, also where layers or shapes of the weights are not those of the original; UsageError as
/// `load_keras_weights`.
void save_keras(const std::string& path, const nn::Model& model, const std::string& original,
                Where where = Where::current());

/// Reads the weights that Keras 3 saved with `model.save_weights("m.weights.h5")` into a Sequential or Functional of
/// the same layers, which must be built. Keras numbers the layers of a kind; names of layers do not matter. Throws
/// FileError, changing nothing, if layers or shapes are others; UsageError for a model that is not built, or holds a
/// layer that Keras has not.
void load_keras_weights(const std::string& path, const nn::Model& model, Where where = Where::current());

/// Writes the weights of a Sequential or Functional, to be read by Keras 3's `model.load_weights`. The file appears
/// whole or not at all. Throws FileError; UsageError as `load_keras_weights`.
void save_keras_weights(const std::string& path, const nn::Model& model, Where where = Where::current());

}  // namespace tapir::formats
