#include <tapir/backends/cpu/strided.h>
#include <tapir/ops/close.h>
#include <tapir/tensor/convert.h>

#include <fmt/format.h>

#include <cmath>

namespace tapir {
namespace {

Tensor on_cpu(const char* op, const Operand& x) {
  const Tensor& t = x.tensor();
  if (!t.has_data())
    throw UsageError(
        fmt::format("{}: this tensor has no value yet, it is being traced by function(). Compare with operations, "
                    "all(abs(x - y) < 1e-6), for cond() or check().",
                    op));
  return t.to(Device::cpu());
}

// holds(x, y) for all pairs of elements, converted to V?
template <class V, class F>
bool all_pairs(const Tensor& a, const Tensor& b, const Shape& shape, F holds) {
  constexpr std::int64_t block = 512;
  const cpu::Strided walks[] = {cpu::Strided(shape, a), cpu::Strided(shape, b)};
  const Tensor* tensors[] = {&a, &b};
  V values[2][block];
  std::uint64_t raw[block];
  const std::int64_t n = shape.size();
  for (std::int64_t at = 0; at < n; at += block) {
    const std::int64_t count = std::min(block, n - at);
    for (int k = 0; k < 2; ++k) {
      walks[k].gather(tensors[k]->data<std::byte>(), at, count, raw);
      detail::convert(raw, tensors[k]->dtype(), 1, values[k], dtype_of<V>(), count);
    }
    for (std::int64_t i = 0; i < count; ++i)
      if (!holds(values[0][i], values[1][i])) return false;
  }
  return true;
}

}  // namespace

bool allclose(const Operand& x, const Operand& y, CloseOptions o) {
  CallSite site(x.where());
  Tensor a = on_cpu("allclose", x), b = on_cpu("allclose", y);
  Shape shape;
  if (!broadcast_shapes(a.shape(), b.shape(), shape))
    throw ShapeError(fmt::format("allclose: shapes {} and {} do not broadcast.", a.shape().str(), b.shape().str()));
  return all_pairs<double>(a, b, shape, [&](double v, double w) {
    if (v == w) return true;
    if (std::isnan(v) || std::isnan(w)) return o.equal_nan && std::isnan(v) && std::isnan(w);
    return std::isfinite(v) && std::isfinite(w) && std::abs(v - w) <= o.atol + o.rtol * std::abs(w);
  });
}

bool array_equal(const Operand& x, const Operand& y) {
  CallSite site(x.where());
  Tensor a = on_cpu("array_equal", x), b = on_cpu("array_equal", y);
  if (!(a.shape() == b.shape())) return false;
  if (!is_floating(a.dtype()) && !is_floating(b.dtype()))
    return all_pairs<std::int64_t>(a, b, a.shape(), [](std::int64_t v, std::int64_t w) { return v == w; });
  return all_pairs<double>(a, b, a.shape(), [](double v, double w) { return v == w; });
}

}  // namespace tapir
