// A drawing of a model: its layers as boxes, with what flows between them.
#pragma once
#include <tapir/nn/layer.h>

#include <string>

namespace tapir::nn {

/// As keras.utils.plot_model has them.
struct PlotOptions {
  bool show_shapes = true;  ///< of the outputs
  bool show_dtype = false;
  bool show_layer_names = true;  ///< false: types only
  bool show_params = true;       ///< how many weights
  bool show_trainable = false;   ///< which layers are frozen
  bool expand_nested = false;    ///< true: layers within layers, down to those that hold no others
  std::string rankdir = "TB";    ///< "TB": from the top down; "LR": from left to right
};

/// Draws a model (or a layer), which must have run or been built, to "name.svg" or "name.html". What flows where is
/// found by tracing one call with the shape of the first: operations in `call` outside of layers are boxes of their
/// own. Throws UsageError if it is not built or cannot be traced, or for another ending; FileError.
void plot_model(Layer& model, const std::string& path, const PlotOptions& options = {}, Where where = Where::current());

/// The same as the text of an SVG file.
std::string model_svg(Layer& model, const PlotOptions& options = {}, Where where = Where::current());

}  // namespace tapir::nn
