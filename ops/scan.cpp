#include <tapir/ops/elementwise.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/reduce_attrs.h>
#include <tapir/ops/scan.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

namespace tapir {
namespace {

Tensor scan(const OpDef& op, const Tensor& x, const ScanAttrs& a) { return apply(op, {x}, a, Where::current()); }
Tensor shift(const Tensor& x, int axis, std::int64_t offset, std::int64_t size);
Tensor linear_scan(const Tensor& a, const Tensor& b, const ScanAttrs& attrs);

void infer_scan(Inputs in, Attrs, Specs& out) { out.push_back({in[0].shape(), in[0].dtype()}); }

constexpr OpDef row(const char* name, Kernel kernel, Gradient gradient, Saves saves, const AttrsType* attrs) {
  return dense_row(name, infer_scan, kernel, gradient, saves, attrs);
}

// Moves x by `offset` along the axis into zeros of another size: y[i] = x[i - offset].
constinit const OpDef shift_op = [] {
  OpDef d = row(
      "shift", cpu::shift,
      [](const Node& n, std::span<const Tensor> dy) -> Tensors {
        const auto& a = n.attrs.as<ShiftAttrs>();
        return {shift(dy[0], a.axis, -a.offset, n.in(0).shape()[a.axis])};
      },
      Saves::none, &attrs_type<ShiftAttrs>);
  d.infer = [](Inputs in, Attrs attrs, Specs& out) {
    const auto& a = attrs.as<ShiftAttrs>();
    Shape s = in[0].shape();
    s[a.axis] = a.size;
    out.push_back({s, in[0].dtype()});
  };
  d.half_via_f32 = false;
  return d;
}();

// h[i] = b[i] + a[i] h[i-1], or a[i-1] h[i-1] if `exclusive`; from the end if `reverse`. The derivative of a cumulative
// product is such a recurrence, and so is the derivative of the recurrence.
constinit const OpDef linear_scan_op = row(
    "linear_scan", cpu::linear_scan,
    [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      const auto& s = n.attrs.as<ScanAttrs>();
      const Tensor &a = n.in(0), &h = n.out();
      const std::int64_t size = a.shape()[s.axis], one = s.reverse ? -1 : 1;
      Tensor g = linear_scan(a, dy[0], {s.axis, !s.exclusive, !s.reverse});
      if (!n.wants(0)) return {Tensor(), g};
      if (s.exclusive) return {shift(g, s.axis, -one, size) * h, g};
      return {g * shift(h, s.axis, one, size), g};
    },
    Saves::both, &attrs_type<ScanAttrs>);

constinit const OpDef cumulative_sum_op = row(
    "cumulative_sum", cpu::cumulative_sum,
    [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      const auto& s = n.attrs.as<ScanAttrs>();
      return {scan(*n.op, dy[0], {s.axis, s.exclusive, !s.reverse})};
    },
    Saves::none, &attrs_type<ScanAttrs>);

// dx[k] = (product before k) * (dy[k] + x[k+1] dy[k+1] + x[k+1] x[k+2] dy[k+2] + ...)
constinit const OpDef cumulative_prod_op = row(
    "cumulative_prod", cpu::cumulative_prod,
    [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      const auto& s = n.attrs.as<ScanAttrs>();
      const Tensor& x = n.in(0);
      Tensor g = dy[0];
      if (s.exclusive) g = shift(g, s.axis, s.reverse ? 1 : -1, x.shape()[s.axis]);
      g = linear_scan(x, g, {s.axis, true, !s.reverse});
      return {scan(*n.op, x, {s.axis, true, s.reverse}) * g};
    },
    Saves::inputs, &attrs_type<ScanAttrs>);

Tensor shift(const Tensor& x, int axis, std::int64_t offset, std::int64_t size) {
  return apply(shift_op, {x}, ShiftAttrs{axis, offset, size}, Where::current());
}

Tensor linear_scan(const Tensor& a, const Tensor& b, const ScanAttrs& s) {
  return apply(linear_scan_op, {a, b}, s, Where::current());
}

Tensor cumulative(const OpDef& op, Tensor x, const ScanOptions& o, const Where& w) {
  CallSite site(w);
  const int axis = check_axis(op.name, o.axis, x.shape());
  if (o.include_initial && o.exclusive)
    throw UsageError(fmt::format("{}: include_initial and exclusive exclude each other. Set one.", op.name));
  if (x.dtype() == DType::boolean) x = astype(x, DType::i64);
  if (o.include_initial) x = shift(x, axis, o.reverse ? 1 : 0, x.shape()[axis] + 1);
  return scan(op, x, {axis, o.exclusive || o.include_initial, o.reverse});
}

}  // namespace

Tensor cumulative_sum(const Tensor& x, ScanOptions o, Where w) { return cumulative(cumulative_sum_op, x, o, w); }
Tensor cumulative_prod(const Tensor& x, ScanOptions o, Where w) { return cumulative(cumulative_prod_op, x, o, w); }

void list_scan(std::vector<const OpDef*>& out) {
  for (auto* o : {&cumulative_sum_op, &cumulative_prod_op, &linear_scan_op, &shift_op}) out.push_back(o);
}

}  // namespace tapir
