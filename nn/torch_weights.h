// Weights that PyTorch trained, for layers of ours.
#pragma once
#include <tapir/nn/layer.h>

#include <string>
#include <utility>
#include <vector>

namespace tapir::nn {

struct TorchWeightsOptions {
  /// Which module of PyTorch is which layer, {{"dense", "fc1"}, {"encoder", "backbone.layer1"}}: paths as in the names
  /// of weights, "encoder/conv2d" here and "layer1.0.conv1" there; of one that holds others, those in it are matched.
  std::vector<std::pair<std::string, std::string>> names = {};
  std::string prefix = "";  ///< only tensors whose names begin with it, "model."; it is no part of the names above
  bool partial = false;     ///< true: layers and modules without a partner are passed over
};

/// Reads a state_dict of PyTorch, written by safetensors.torch.save_file or numpy.savez (the path ends in ".npz"), into
/// a layer or model that is built. Layers and modules are matched by the sizes of their weights, and those of the same
/// sizes by the numbers in the modules' names, in the order in which layers are used here; where names differ in more
/// than numbers, say which is which (`names`). Kernels, gates, and Dense weights beside a flattened image are reordered
/// from channels first to channels last; a model for these is traced. Linear, Conv, ConvTranspose, norms, Embedding,
/// RNN, LSTM, GRU, MultiheadAttention and PReLU have partners, and own layers by the names of their weights. Throws
/// FileError, changing nothing, if something has no partner; UsageError for a model that is not built.
void load_torch_weights(Layer& model, const std::string& path, const TorchWeightsOptions& options = {},
                        Where where = Where::current());

}  // namespace tapir::nn
