#include <tapir/backends/cpu/copy.h>
#include <tapir/ops/create.h>
#include <tapir/ops/op.h>
#include <tapir/ops/shaping.h>
#include <tapir/tensor/convert.h>
#include <tapir/tensor/cuda_module.h>
#include <tapir/tensor/device_scope.h>

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <utility>

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

// A number that an integer dtype cannot hold would silently become another one.
static void check_literals(const char* op, const void* values, std::size_t count, DType from, DType to) {
  if (from == to || !is_integer(to)) return;
  visit_dtype(to, [&](auto t) {
    if constexpr (std::is_integral_v<decltype(t)> && !std::is_same_v<decltype(t), bool>) {
      using Limits = std::numeric_limits<decltype(t)>;
      visit_dtype(from, [&](auto f) {
        for (std::size_t i = 0; i < count; ++i) {
          const auto v = static_cast<const decltype(f)*>(values)[i];
          if constexpr (std::is_integral_v<decltype(f)>) {
            if (std::cmp_less(+v, Limits::min()) || std::cmp_greater(+v, Limits::max()))
              throw UsageError(fmt::format("{}: {} does not fit {}.", op, v, name_of(to)));
          } else if (const double d = double(v), end = std::ldexp(1.0, Limits::digits);
                     !(std::trunc(d) >= (Limits::is_signed ? -end : 0) && d < end)) {
            throw UsageError(fmt::format("{}: {} does not fit {}.", op, d, name_of(to)));
          }
        }
      });
    }
  });
}

Tensor fill(const Shape& shape, const void* value, DType from, DType dtype, const char* op, const Where& where) {
  CallSite site(where);
  check_sizes(op, shape);
  // In a trace the shape may stand for one that is not known yet: an operation can be told later.
  if (shape.rank() > 0 && intercepted()) return broadcast_to(fill({}, value, from, dtype, op, where), shape, where);
  check_literals(op, value, 1, from, dtype);
  if (const Device device = default_device(); device.backend != Backend::cpu) {
    Tensor one = Tensor::empty({}, dtype);
    convert(value, from, 1, one.mutable_data<std::byte>(), dtype, 1);
    one = copied_to(one, device);
    return shape.empty() ? one : contiguous(broadcast_to(one, shape, where), where);
  }
  Tensor t = Tensor::empty(shape, dtype);
  std::byte item[8];
  convert(value, from, 1, item, dtype, 1);
  cpu::fill_items(t.mutable_data<std::byte>(), item, t.size(), size_of(dtype));
  return t;
}

Tensor from_literals(const void* values, std::size_t count, DType from, const Shape& shape, DType to, const Where& w) {
  CallSite site(w);
  check_literals(shape.empty() ? "constant" : "tensor", values, count, from, to);
  Tensor t = Tensor::empty(shape, to);
  convert(values, from, 1, t.mutable_data<std::byte>(), to, std::int64_t(count));
  return copied_to(t, default_device());
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
  return Tensor::empty(s, d, default_device());
}
Tensor zeros_like(const Tensor& x, Where w) {
  CallSite site(w);
  return zeros_like(x, x.dtype(), w);
}
Tensor zeros_like(const Tensor& x, DType d, Where w) {
  CallSite site(w);
  DeviceScope there(x.device());
  return detail::fill(x.shape(), &kZero, DType::i8, d, "zeros_like", w);
}
Tensor ones_like(const Tensor& x, Where w) {
  CallSite site(w);
  return ones_like(x, x.dtype(), w);
}
Tensor ones_like(const Tensor& x, DType d, Where w) {
  CallSite site(w);
  DeviceScope there(x.device());
  return detail::fill(x.shape(), &kOne, DType::i8, d, "ones_like", w);
}

}  // namespace tapir
