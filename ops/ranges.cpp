#include <tapir/backends/cpu/parallel.h>
#include <tapir/ops/ranges.h>
#include <tapir/ops/shaping.h>
#include <tapir/tensor/convert.h>

#include <fmt/format.h>

#include <cmath>
#include <string_view>

namespace tapir {
namespace {

constexpr std::int64_t kBlock = 512;

// n numbers, at(i) each, of type V, stored as `dtype`.
template <class V, class F>
Tensor numbers(std::int64_t n, DType dtype, F at) {
  Tensor t = Tensor::empty({n}, dtype);
  const auto item = std::int64_t(size_of(dtype));
  cpu::parallel_for((n + kBlock - 1) / kBlock, 32, [&](std::int64_t begin, std::int64_t end) {
    V buffer[kBlock];
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int64_t first = b * kBlock, count = std::min(kBlock, n - first);
      for (std::int64_t i = 0; i < count; ++i) buffer[i] = at(first + i);
      detail::convert(buffer, dtype_of<V>(), 1, t.mutable_data<std::byte>() + first * item, dtype, count);
    }
  });
  return t;
}

}  // namespace

namespace detail {

Tensor count_up(std::int64_t start, std::int64_t stop, std::int64_t step, DType dtype, const Where& where) {
  CallSite site(where);
  if (step == 0) throw UsageError("arange: step must not be 0.");
  if (step > 0 ? start >= stop : start <= stop) return Tensor::empty({0}, dtype);
  // The distance may not fit in 64 signed bits.
  const std::uint64_t distance =
      step > 0 ? std::uint64_t(stop) - std::uint64_t(start) : std::uint64_t(start) - std::uint64_t(stop);
  const std::uint64_t stride = step > 0 ? std::uint64_t(step) : 0 - std::uint64_t(step);
  const std::uint64_t n = (distance - 1) / stride + 1;
  if (n > std::uint64_t(1) << 46)
    throw ShapeError(fmt::format("arange: {} elements are too many to have in memory.", n));
  return numbers<std::int64_t>(std::int64_t(n), dtype, [&](std::int64_t i) { return start + i * step; });
}

Tensor count_up(double start, double stop, double step, DType dtype, const Where& where) {
  CallSite site(where);
  if (step == 0) throw UsageError("arange: step must not be 0.");
  const double n = std::max(std::ceil((stop - start) / step), 0.0);  // NaN stays
  if (!(std::isfinite(n) && std::isfinite(step) && std::isfinite(start)))
    throw UsageError(fmt::format("arange: start, stop and step must be finite, got {}, {} and {}.", start, stop, step));
  if (n > 0x1p46) throw ShapeError(fmt::format("arange: {} elements are too many to have in memory.", n));
  return numbers<double>(std::int64_t(n), dtype, [&](std::int64_t i) { return start + double(i) * step; });
}

}  // namespace detail

Tensor linspace(double start, double stop, std::int64_t num, LinspaceOptions o, Where w) {
  CallSite site(w);
  if (num < 0) throw UsageError(fmt::format("linspace: num must be at least 0, got {}.", num));
  detail::check_sizes("linspace", {num});
  const double parts = double(o.endpoint ? num - 1 : num), step = parts > 0 ? (stop - start) / parts : 0;
  return numbers<double>(num, o.dtype, [&](std::int64_t i) {
    return o.endpoint && i == num - 1 && i > 0 ? stop : start + double(i) * step;
  });
}

Tensor eye(std::int64_t n, std::int64_t m, EyeOptions o, Where w) {
  CallSite site(w);
  detail::check_sizes("eye", {n, m});
  Tensor t = zeros({n, m}, o.dtype, w);
  const double one = 1;
  const auto item = std::int64_t(size_of(o.dtype));
  for (std::int64_t i = std::max<std::int64_t>(0, -o.k); i < n && i + o.k < m; ++i)
    detail::convert(&one, DType::f64, 1, t.mutable_data<std::byte>() + (i * m + i + o.k) * item, o.dtype, 1);
  return t;
}
Tensor eye(std::int64_t n, EyeOptions o, Where w) { return eye(n, n, o, w); }

std::vector<Tensor> meshgrid(const std::vector<Tensor>& xs, MeshgridOptions o, Where w) {
  CallSite site(w);
  const std::string_view indexing = o.indexing ? o.indexing : "";
  if (indexing != "xy" && indexing != "ij")
    throw UsageError(fmt::format("meshgrid: indexing is \"xy\" or \"ij\", got \"{}\".", indexing));
  const int rank = int(xs.size());
  auto axis_of = [&](int i) { return indexing == "xy" && rank >= 2 && i < 2 ? 1 - i : i; };
  Shape shape = Shape::filled(rank, 1);
  for (int i = 0; i < rank; ++i) {
    if (xs[std::size_t(i)].rank() != 1)
      throw ShapeError(fmt::format("meshgrid: needs vectors, got {}.", xs[std::size_t(i)].shape().str()));
    shape[axis_of(i)] = xs[std::size_t(i)].size();
  }
  std::vector<Tensor> out;
  for (int i = 0; i < rank; ++i) {
    Shape own = Shape::filled(rank, 1);
    own[axis_of(i)] = shape[axis_of(i)];
    out.push_back(broadcast_to(reshape(xs[std::size_t(i)], own, w), shape, w));
  }
  return out;
}

}  // namespace tapir
