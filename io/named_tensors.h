// Tensors by name, in the order they were given: what .npz and safetensors files hold.
#pragma once
#include <tapir/tensor/tensor.h>

#include <string>
#include <utility>
#include <vector>

namespace tapir::io {

/// Names and tensors, in order.
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// The tensor of that name. Throws UsageError, which lists the names there are, if there is none.
Tensor find(const NamedTensors& tensors, const std::string& name, Where where = Where::current());
/// Is there a tensor of that name?
bool contains(const NamedTensors& tensors, const std::string& name);

}  // namespace tapir::io
