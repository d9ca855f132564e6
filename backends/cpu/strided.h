// Strided: reads any range of a broadcast or strided operand, in the row-major order of the output, into dense memory.
#pragma once
#include <tapir/tensor/tensor.h>

namespace tapir::cpu {

class Strided {
 public:
  Strided() = default;
  /// `x` broadcast to `shape`. Neighbouring dimensions that can be walked as one are merged.
  Strided(const Shape& shape, const Tensor& x);
  /// Elements [begin, begin + count) of the broadcast value, densely into `out`.
  void gather(const std::byte* data, std::int64_t begin, std::int64_t count, void* out) const;
  /// Where the operand is one dense block repeated, the length of that block; else 0.
  std::int64_t period() const { return period_; }

 private:
  int rank_ = 0;
  std::int64_t sizes_[Shape::max_rank], strides_[Shape::max_rank];  // innermost last, strides in elements
  std::int64_t item_ = 1, period_ = 0;
};

}  // namespace tapir::cpu
