#include <tapir/ops/joining.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/padding.h>
#include <tapir/ops/shape_attrs.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <cmath>

namespace tapir {
namespace {

constexpr std::int64_t kWidest = std::int64_t(1) << 58;  // keeps sums in range

const char* name_of(PadMode m) {
  constexpr const char* names[] = {"constant", "reflect", "symmetric", "edge"};
  return names[int(m)];
}

extern const OpDef pad_gradient_op;

const OpDef pad_op = {
    .name = "pad",
    .infer =
        [](Inputs in, Attrs attrs, Specs& out) {
          const auto& a = attrs.as<PadAttrs>();
          Shape s = in[0].shape();
          for (int i = 0; i < s.rank(); ++i) {
            const std::int64_t b = a.before[i], e = a.after[i], n = s[i];
            if (b < 0 || e < 0)
              throw ShapeError(fmt::format("pad: negative width ({}, {}) for axis {}. Use narrow to cut.", b, e, i));
            if (std::max(b, e) > kWidest)
              throw ShapeError(
                  fmt::format("pad: widths ({}, {}) for axis {} are too large to have in memory.", b, e, i));
            const std::int64_t most = a.mode == PadMode::reflect ? n - 1 : a.mode == PadMode::symmetric ? n : b + e;
            if (std::max(b, e) > most || (a.mode != PadMode::constant && n == 0 && b + e > 0))
              throw ShapeError(fmt::format("pad: {} can add at most {} elements to axis {} of size {}, not ({}, {}).",
                                           name_of(a.mode), std::max<std::int64_t>(0, n == 0 ? 0 : most), i, n, b, e));
            s[i] += b + e;
          }
          out.push_back({s, in[0].dtype()});
        },
    .kernel = {cpu::pad},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      const auto& a = n.attrs.as<PadAttrs>();
      if (a.mode != PadMode::constant) return {apply(pad_gradient_op, {dy[0]}, a, Where::current())};
      Tensor dx = dy[0];
      for (int i = 0; i < dx.rank(); ++i)
        if (a.before[i] || a.after[i]) dx = narrow(dx, i, a.before[i], n.in(0).shape()[i]);
      return {dx};
    },
    .attrs = &attrs_type<PadAttrs>,
};

// What flows back through pad: the gradients of all copies of an element, summed.
const OpDef pad_gradient_op = {
    .name = "pad_gradient",
    .infer =
        [](Inputs in, Attrs attrs, Specs& out) {
          const auto& a = attrs.as<PadAttrs>();
          Shape s = in[0].shape();
          for (int i = 0; i < s.rank(); ++i) s[i] -= a.before[i] + a.after[i];
          out.push_back({s, in[0].dtype()});
        },
    .kernel = {cpu::pad_gradient},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {apply(pad_op, {dy[0]}, n.attrs, Where::current())};
    },
    .needs_contiguous = true,
    .half_via_f32 = true,
    .attrs = &attrs_type<PadAttrs>,
};

struct FlipAttrs {
  Shape axes;
  template <class V>
  void visit(V&& v) {
    v("axes", axes);
  }
};

const OpDef flip_op = {
    .name = "flip",
    .infer =
        [](Inputs in, Attrs, Specs& out) {
          out.push_back({in[0].shape(), in[0].dtype()});
        },
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {apply(*n.op, {dy[0]}, n.attrs, Where::current())};
    },
    .view =
        [](const Tensor& x, const Spec& out, Attrs a) {
          Shape strides = x.strides();
          std::int64_t offset = 0;
          for (auto i : a.as<FlipAttrs>().axes) {
            if (x.size()) offset += (x.shape()[int(i)] - 1) * strides[int(i)];
            strides[int(i)] = -strides[int(i)];
          }
          return x.view_as(out.shape, strides, offset);
        },
    .attrs = &attrs_type<FlipAttrs>,
};

const OpDef roll_op = {
    .name = "roll",
    .infer =
        [](Inputs in, Attrs, Specs& out) {
          out.push_back({in[0].shape(), in[0].dtype()});
        },
    .kernel = {cpu::roll},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      RollAttrs back = n.attrs.as<RollAttrs>();
      for (int i = 0; i < back.shifts.rank(); ++i)
        if (back.shifts[i]) back.shifts[i] = dy[0].shape()[i] - back.shifts[i];
      return {apply(*n.op, {dy[0]}, back, Where::current())};
    },
    .attrs = &attrs_type<RollAttrs>,
};

}  // namespace

Tensor pad(const Tensor& x, const Paddings& widths, PadOptions o, Where w) {
  CallSite site(w);
  if (widths.size() != std::size_t(x.rank()))
    throw ShapeError(
        fmt::format("pad: {} pairs of widths for a tensor of rank {} ({}).", widths.size(), x.rank(), x.shape().str()));
  if (o.mode == PadMode::constant && is_integer(x.dtype()) && !(std::trunc(o.value) == o.value))
    throw DTypeError(
        fmt::format("pad: value {} is no {}. Cast x first: x.astype(DType::f32).", o.value, name_of(x.dtype())));
  PadAttrs a{{}, {}, o.mode, o.mode == PadMode::constant ? o.value : 0};
  bool any = false;
  for (auto& [before, after] : widths) {
    a.before.push_back(before);
    a.after.push_back(after);
    any |= before || after;
  }
  return any ? apply(pad_op, {x}, a, w) : x;
}

Tensor flip(const Tensor& x, FlipOptions o, Where w) {
  CallSite site(w);
  return apply(flip_op, {x}, FlipAttrs{check_axes("flip", o.axis, x.rank())}, w);
}

Tensor roll(const Tensor& x, const Axes& shift, RollOptions o, Where w) {
  CallSite site(w);
  if (o.axis.empty() && shift.rank() == 1 && x.rank() != 1)
    return reshape(roll(reshape(x, {-1}, w), shift, {.axis = 0}, w), x.shape(), w);
  Axes axes = o.axis.empty() ? Axes(0) : o.axis;
  if (axes.rank() != shift.rank())
    throw UsageError(
        fmt::format("roll: {} shifts for {} axes. Name one axis for each shift.", shift.rank(), o.axis.rank()));
  RollAttrs a{Shape::filled(x.rank(), 0)};
  for (int k = 0; k < shift.rank(); ++k) {
    const int i = check_axis("roll", axes[k], x.rank());
    const std::int64_t n = std::max<std::int64_t>(1, x.shape()[i]);
    a.shifts[i] = ((a.shifts[i] + shift[k]) % n + n) % n;
  }
  return apply(roll_op, {x}, a, w);
}

void list_padding(std::vector<const OpDef*>& out) {
  for (auto* o : {&pad_op, &pad_gradient_op, &flip_op, &roll_op}) out.push_back(o);
}

}  // namespace tapir
