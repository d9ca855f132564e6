// Tensors: what models are trained on, one tensor or several.
#pragma once
#include <tapir/tensor/tensor.h>

#include <vector>

namespace tapir::nn {

/// One tensor, or several in braces: the inputs or the answers of a model, each [N, ...].
class Tensors : public std::vector<Tensor> {
 public:
  Tensors() = default;
  template <class T>
  requires std::is_convertible_v<const T&, Tensor> Tensors(const T& one) : std::vector<Tensor>{Tensor(one)} {}
  Tensors(std::initializer_list<Tensor> several) : std::vector<Tensor>(several) {}
  Tensors(std::vector<Tensor> several) : std::vector<Tensor>(std::move(several)) {}
  /// Are there any, and is none of them undefined?
  bool defined() const {
    for (auto& t : *this)
      if (!t.defined()) return false;
    return !empty();
  }
  /// How many examples there are.
  std::int64_t examples() const { return front().shape()[0]; }
};

}  // namespace tapir::nn
