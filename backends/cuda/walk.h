// Walk: from the index of an element, in row-major order, to where it stands in each of N strided operands.
#pragma once
#include <tapir/tensor/host_device.h>
#include <tapir/tensor/tensor.h>

namespace tapir::cuda {

template <int N>
struct Walk {
  int rank = 0;
  std::int64_t size[Shape::max_rank], step[N][Shape::max_rank];  // outermost first; steps in elements

  TAPIR_HD void places(std::int64_t i, std::int64_t (&at)[N]) const {
    for (int k = 0; k < N; ++k) at[k] = 0;
    if (i <= 0x7fffffff) return walk(std::uint32_t(i), at);
    walk(std::uint64_t(i), at);
  }

  /// A dimension more, inside of those before; merged with the last one where every operand allows.
  void put(std::int64_t n, const std::int64_t (&steps)[N]) {
    if (n == 1) return;
    bool merges = rank > 0;
    for (int k = 0; k < N && merges; ++k) merges = step[k][rank - 1] == steps[k] * n;
    if (!merges) size[rank++] = 1;
    size[rank - 1] *= n;
    for (int k = 0; k < N; ++k) step[k][rank - 1] = steps[k];
  }

 private:
  template <class U>
  TAPIR_HD void walk(U rest, std::int64_t (&at)[N]) const {
    for (int d = rank - 1; d >= 0; --d) {
      const U n = U(size[d]), index = d ? rest % n : rest;
      rest = rest / n;
      for (int k = 0; k < N; ++k) at[k] += std::int64_t(index) * step[k][d];
    }
  }
};

/// The operands, broadcast to `shape`. Null: an operand without memory, its place is always 0.
template <int N>
Walk<N> walk_over(const Shape& shape, const Tensor* const (&operands)[N]) {
  Walk<N> walk;
  for (int d = 0; d < shape.rank(); ++d) {
    std::int64_t steps[N];
    for (int k = 0; k < N; ++k) {
      const int lead = operands[k] ? shape.rank() - operands[k]->rank() : shape.rank();
      const bool moves = d >= lead && operands[k]->shape()[d - lead] != 1;
      steps[k] = moves ? operands[k]->strides()[d - lead] : 0;
    }
    walk.put(shape[d], steps);
  }
  return walk;
}

}  // namespace tapir::cuda
