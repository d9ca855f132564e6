// What tests of joining, padding and rearranging share: making inputs, and reading elements by index.
#pragma once
#include <tapir/tapir.h>
#include <tapir/test/thrown.h>

#include <functional>
#include <string>
#include <vector>

namespace shape_reference {

using namespace tapir;
using At = std::vector<std::int64_t>;

/// 0, 1, 2, ... in f64.
inline Tensor counted(const Shape& shape, DType dtype = DType::f64) {
  return reshape(arange(std::int64_t(0), shape.size(), {.dtype = dtype}), shape);
}

/// The same values as a view whose memory lies the other way round.
inline Tensor strided(const Tensor& x) {
  if (x.rank() < 2) return x;
  Axes back;
  for (int i = x.rank() - 1; i >= 0; --i) back.push_back(i);
  return permute_dims(contiguous(permute_dims(x, back)), back);
}

inline double element(const Tensor& x, const At& at) {
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < at.size(); ++i) offset += at[i] * x.strides()[int(i)];
  return x.view_as({}, {}, offset).item<double>();
}

/// Does y have this shape, and expected(index) at each index?
inline std::string differs(const Tensor& y, const Shape& shape, const std::function<double(const At&)>& expected) {
  if (!(y.shape() == shape)) return "shape " + y.shape().str() + ", expected " + shape.str();
  At at(std::size_t(shape.rank()), 0);
  for (std::int64_t k = 0; k < shape.size(); ++k) {
    std::int64_t rest = k;
    for (int i = shape.rank() - 1; i >= 0; --i) {
      at[std::size_t(i)] = rest % shape[i];
      rest /= shape[i];
    }
    const double got = element(y, at), wanted = expected(at);
    if (got != wanted)
      return "at " + Shape(at).str() + ": " + std::to_string(got) + ", expected " + std::to_string(wanted);
  }
  return "";
}

}  // namespace shape_reference
