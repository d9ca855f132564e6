#include <tapir/backends/cpu/copy.h>
#include <tapir/ops/create.h>
#include <tapir/ops/op.h>
#include <tapir/ops/shaping.h>
#include <tapir/tensor/convert.h>

#include <fmt/format.h>

namespace tapir {
namespace detail {

void check_sizes(const char* op, const Shape& shape) {
  std::int64_t n = 1;
  for (int i = 0; i < shape.rank(); ++i) {
    const std::int64_t d = shape[i];
    if (d < 0) throw ShapeError(fmt::format("{}: negative size {} of axis {}.", op, d, i));
    if (d != 0 && n > (std::int64_t(1) << 58) / d)
      throw ShapeError(fmt::format("{}: {} is too large to have in memory.", op, shape.str()));
    n *= std::max<std::int64_t>(d, 1);
  }
}

Tensor fill(const Shape& shape, const void* value, DType from, DType dtype, const char* op, const Where& where) {
  CallSite site(where);
  check_sizes(op, shape);
  // In a trace the shape may stand for one that is not known yet: an operation can be told later.
  for (Recorder* r = recorder(); r; r = r->previous)
    if (r->intercepts && shape.rank() > 0) return broadcast_to(fill({}, value, from, dtype, op, where), shape, where);
  Tensor t = Tensor::empty(shape, dtype);
  std::byte item[8];
  convert(value, from, 1, item, dtype, 1);
  cpu::fill_items(t.mutable_data<std::byte>(), item, t.size(), size_of(dtype));
  return t;
}

Tensor from_literals(const void* values, std::size_t count, DType from, const Shape& shape, DType to, const Where& w) {
  CallSite site(w);
  Tensor t = Tensor::empty(shape, to);
  convert(values, from, 1, t.mutable_data<std::byte>(), to, std::int64_t(count));
  return t;
}

void Nest::open(std::size_t size, int depth) {
  if (shape.rank() <= depth) shape.push_back(std::int64_t(size));
  else if (shape[depth] != std::int64_t(size))
    throw ShapeError(fmt::format("tensor: nested lists differ in length, {} vs {}.", size, shape[depth]));
}

}  // namespace detail

static constexpr std::int8_t kZero = 0, kOne = 1;

Tensor zeros(const Shape& s, DType d, Where w) { return detail::fill(s, &kZero, DType::i8, d, "zeros", w); }
Tensor ones(const Shape& s, DType d, Where w) { return detail::fill(s, &kOne, DType::i8, d, "ones", w); }
Tensor empty(const Shape& s, DType d, Where w) {
  CallSite site(w);
  detail::check_sizes("empty", s);
  return Tensor::empty(s, d);
}
Tensor zeros_like(const Tensor& x, Where w) { return zeros_like(x, x.dtype(), w); }
Tensor zeros_like(const Tensor& x, DType d, Where w) {
  return detail::fill(x.shape(), &kZero, DType::i8, d, "zeros_like", w);
}
Tensor ones_like(const Tensor& x, Where w) { return ones_like(x, x.dtype(), w); }
Tensor ones_like(const Tensor& x, DType d, Where w) {
  return detail::fill(x.shape(), &kOne, DType::i8, d, "ones_like", w);
}

}  // namespace tapir
