#include <tapir/backends/cpu/parallel.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/range_attrs.h>
#include <tapir/ops/ranges.h>
#include <tapir/ops/shaping.h>
#include <tapir/tensor/convert.h>
#include <tapir/tensor/device_scope.h>

#include <fmt/format.h>

#include <cmath>
#include <string_view>

namespace tapir {
namespace {

constexpr std::int64_t kBlock = 512;

// Fills `t` with numbers, at(i) each, of type V.
template <class V, class F>
void fill_with(const Tensor& t, F at) {
  const auto item = std::int64_t(size_of(t.dtype())), n = t.size();
  cpu::parallel_for((n + kBlock - 1) / kBlock, 32, [&](std::int64_t begin, std::int64_t end) {
    V buffer[kBlock];
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int64_t first = b * kBlock, count = std::min(kBlock, n - first);
      for (std::int64_t i = 0; i < count; ++i) buffer[i] = at(first + i);
      detail::convert(buffer, dtype_of<V>(), 1, t.mutable_data<std::byte>() + first * item, t.dtype(), count);
    }
  });
}

// Rows, so that a trace can count up to a size that is not known yet. They depend on nothing: where sizes are known
// they run at once.
template <class A>
void infer_count(Inputs, Attrs a, Specs& out) {
  out.push_back({{a.as<A>().count}, a.as<A>().dtype});
}

const OpDef arange_op = {
    .name = "arange",
    .infer = infer_count<ArangeAttrs>,
    .kernel = {[](const Call& call) {
      const auto a = call.attrs.as<ArangeAttrs>();
      using U = std::uint64_t;  // i * step alone may be beyond i64 where start is far below 0
      fill_with<std::int64_t>(call.out[0], [a](std::int64_t i) { return std::int64_t(U(a.start) + U(i) * U(a.step)); });
    }},
    .attrs = &attrs_type<ArangeAttrs>,
};

const OpDef linspace_op = {
    .name = "linspace",
    .infer = infer_count<SpacedAttrs>,
    .kernel = {[](const Call& call) {
      const auto a = call.attrs.as<SpacedAttrs>();
      const double parts = double(a.endpoint ? a.count - 1 : a.count);
      const double step = a.step != 0 ? a.step : parts > 0 ? (a.stop - a.start) / parts : 0;
      fill_with<double>(call.out[0], [=](std::int64_t i) {
        return a.endpoint && i == a.count - 1 && i > 0 ? a.stop : a.start + double(i) * step;
      });
    }},
    .attrs = &attrs_type<SpacedAttrs>,
};

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
  return apply(arange_op, {}, ArangeAttrs{start, step, std::int64_t(n), dtype}, where);
}

Tensor count_up(double start, double stop, double step, DType dtype, const Where& where) {
  CallSite site(where);
  if (step == 0) throw UsageError("arange: step must not be 0.");
  const double n = std::max(std::ceil((stop - start) / step), 0.0);  // NaN stays
  if (!(std::isfinite(n) && std::isfinite(step) && std::isfinite(start)))
    throw UsageError(fmt::format("arange: start, stop and step must be finite, got {}, {} and {}.", start, stop, step));
  if (n > 0x1p46) throw ShapeError(fmt::format("arange: {} elements are too many to have in memory.", n));
  return apply(linspace_op, {}, SpacedAttrs{start, stop, step, std::int64_t(n), false, dtype}, where);
}

}  // namespace detail

Tensor linspace(double start, double stop, std::int64_t num, LinspaceOptions o, Where w) {
  CallSite site(w);
  if (num < 0) throw UsageError(fmt::format("linspace: num must be at least 0, got {}.", num));
  detail::check_sizes("linspace", {num});
  return apply(linspace_op, {}, SpacedAttrs{start, stop, 0, num, o.endpoint, o.dtype}, w);
}

Tensor eye(std::int64_t n, std::int64_t m, EyeOptions o, Where w) {
  CallSite site(w);
  detail::check_sizes("eye", {n, m});
  if (intercepted() || default_device().backend != Backend::cpu) {  // elsewhere nobody writes but kernels
    const Tensor row = arange(o.k, n + o.k, {.dtype = DType::i64}),
                 column = arange(std::int64_t(0), m, {.dtype = DType::i64});
    return equal(reshape(row, {n, 1}), column).astype(o.dtype);
  }
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

void list_ranges(std::vector<const OpDef*>& out) {
  out.push_back(&arange_op);
  out.push_back(&linspace_op);
}

}  // namespace tapir
