#include <tapir/ops/create.h>
#include <tapir/ops/shaping.h>
#include <tapir/tensor/convert.h>

#include <fmt/format.h>

namespace tapir {
namespace detail {

Tensor fill(const Shape& shape, double value, DType dtype, const char* op, const Where& where) {
  CallSite site(where);
  std::int64_t n = 1;
  for (auto d : shape) {
    if (d < 0) throw ShapeError(fmt::format("{}: negative size in {}.", op, shape.str()));
    if (d != 0 && n > (std::int64_t(1) << 58) / d)
      throw ShapeError(fmt::format("{}: {} is too large to have in memory.", op, shape.str()));
    n *= d;
  }
  Tensor t = Tensor::empty(shape, dtype);
  convert(&value, DType::f64, 0, t.mutable_data<std::byte>(), dtype, n);
  return t;
}

Tensor from_literals(const void* values, std::size_t count, DType from, const Shape& shape, DType to, const Where& w) {
  CallSite site(w);
  Tensor t = Tensor::empty(shape, to);
  convert(values, from, 1, t.mutable_data<std::byte>(), to, std::int64_t(count));
  return t;
}

void ragged(std::size_t got, std::size_t expected) {
  throw ShapeError(fmt::format("tensor: nested lists differ in length, {} vs {}.", got, expected));
}

}  // namespace detail

Tensor zeros(const Shape& s, DType d, Where w) { return detail::fill(s, 0, d, "zeros", w); }
Tensor ones(const Shape& s, DType d, Where w) { return detail::fill(s, 1, d, "ones", w); }
Tensor full(const Shape& s, double v, DType d, Where w) { return detail::fill(s, v, d, "full", w); }
Tensor zeros_like(const Tensor& x, Where w) { return detail::fill(x.shape(), 0, x.dtype(), "zeros_like", w); }
Tensor ones_like(const Tensor& x, Where w) { return detail::fill(x.shape(), 1, x.dtype(), "ones_like", w); }

}  // namespace tapir
