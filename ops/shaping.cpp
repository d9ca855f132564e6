#include <tapir/ops/create.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/shape_attrs.h>
#include <tapir/ops/shaping.h>
#include <tapir/ops/tile.h>

#include <fmt/format.h>

namespace tapir {

static int checked(const char* op, std::int64_t axis, int rank, const Shape* shape) {
  if (axis < -rank || axis >= rank)
    throw ShapeError(fmt::format("{}: axis {} is out of range for rank {}{}.", op, axis, rank,
                                 shape ? " (" + shape->str() + ")" : ""));
  return int(axis < 0 ? axis + rank : axis);
}

static Axes checked_all(const char* op, const Axes& axes, int rank, const Shape* shape) {
  Axes out;
  if (axes.empty())
    for (int i = 0; i < rank; ++i) out.push_back(i);
  bool seen[Shape::max_rank] = {};
  for (auto a : axes) {
    int i = checked(op, a, rank, shape);
    if (seen[i]) throw ShapeError(fmt::format("{}: axis {} is named twice.", op, a));
    seen[i] = true;
    out.push_back(i);
  }
  return out;
}

void check_floats(const char* op, const Tensor& x) {
  if (!is_floating(x.dtype()))
    throw DTypeError(fmt::format("{}: needs floats, got {}. Cast it: x.astype(DType::f32).", op, name_of(x.dtype())));
}

int check_axis(const char* op, std::int64_t axis, int rank) { return checked(op, axis, rank, nullptr); }
int check_axis(const char* op, std::int64_t axis, const Shape& s) { return checked(op, axis, s.rank(), &s); }
Axes check_axes(const char* op, const Axes& axes, int rank) { return checked_all(op, axes, rank, nullptr); }
Axes check_axes(const char* op, const Axes& axes, const Shape& s) { return checked_all(op, axes, s.rank(), &s); }

namespace {

// Strides of `x` seen as `shape`; false if that takes a copy.
bool strides_for(const Tensor& x, const Shape& shape, Shape& strides) {
  if (x.is_contiguous()) return strides = contiguous_strides(shape), true;
  strides = Shape::filled(shape.rank(), 0);
  const Shape &from = x.shape(), &step = x.strides();
  int i = 0, j = 0;
  while (i < from.rank() || j < shape.rank()) {  // match the smallest groups of equal product
    int i0 = i, j0 = j;
    std::int64_t a = i < from.rank() ? from[i++] : 1, b = j < shape.rank() ? shape[j++] : 1;
    while (a != b) {
      if (a < b) {
        if (i == from.rank()) return false;
        a *= from[i++];
      } else {
        if (j == shape.rank()) return false;
        b *= shape[j++];
      }
    }
    std::int64_t s = 1, next = 0;  // the group's innermost stride, and the one that the dimension before must have
    bool innermost = true;
    for (int k = i - 1; k >= i0; --k) {
      if (from[k] == 1) continue;  // its stride means nothing
      if (innermost) s = step[k];
      else if (step[k] != next) return false;
      next = step[k] * from[k], innermost = false;
    }
    for (int k = j - 1; k >= j0; --k) {
      strides[k] = s;
      s *= shape[k];
    }
  }
  return true;
}

const OpDef reshape_op = {
    .name = "reshape",
    .infer =
        [](Inputs in, Attrs a, Specs& out) {
          Shape s = a.as<ShapeAttrs>().shape;
          std::int64_t known = 1, free = -1;
          for (int i = 0; i < s.rank(); ++i) {
            if (s[i] == -1) {
              if (free >= 0) throw ShapeError(fmt::format("reshape: more than one -1 in {}.", s.str()));
              free = i;
            } else if (s[i] < 0) {
              throw ShapeError(fmt::format("reshape: negative size in {}.", s.str()));
            } else {
              known *= s[i];
            }
          }
          std::int64_t n = in[0].size();
          if (free >= 0) {
            if (known == 0 || n % known)
              throw ShapeError(fmt::format("reshape: {} elements of {} cannot fill {}: {} is not a multiple of {}.", n,
                                           in[0].shape().str(), a.as<ShapeAttrs>().shape.str(), n, known));
            s[int(free)] = n / known;
          } else if (known != n) {
            throw ShapeError(fmt::format("reshape: {} elements of {} cannot fill {} ({} elements).", n,
                                         in[0].shape().str(), s.str(), known));
          }
          out.push_back({s, in[0].dtype()});
        },
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors { return {reshape(dy[0], n.in(0).shape())}; },
    .view =
        [](const Tensor& x, const Spec& out, Attrs) {
          Shape strides;
          if (strides_for(x, out.shape, strides)) return x.view_as(out.shape, strides);
          Tensor dense = Tensor::empty(x.shape(), x.dtype(), x.device());
          cast_into(x, dense);
          return dense.view_as(out.shape, contiguous_strides(out.shape));
        },
    .attrs = &attrs_type<ShapeAttrs>,
};

const OpDef permute_op = {
    .name = "permute_dims",
    .infer =
        [](Inputs in, Attrs a, Specs& out) {
          const Shape& axes = a.as<AxesAttrs>().axes;
          Shape s = in[0].shape();
          for (int i = 0; i < s.rank(); ++i) s[i] = in[0].shape()[int(axes[i])];
          out.push_back({s, in[0].dtype()});
        },
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      const Shape& axes = n.attrs.as<AxesAttrs>().axes;
      Axes inverse;
      for (int i = 0; i < axes.rank(); ++i) inverse.push_back(0);
      for (int i = 0; i < axes.rank(); ++i) inverse[int(axes[i])] = i;
      return {axes.rank() ? permute_dims(dy[0], inverse) : dy[0]};
    },
    .view =
        [](const Tensor& x, const Spec& out, Attrs a) {
          const Shape& axes = a.as<AxesAttrs>().axes;
          Shape strides = out.shape;
          for (int i = 0; i < axes.rank(); ++i) strides[i] = x.strides()[int(axes[i])];
          return x.view_as(out.shape, strides);
        },
    .attrs = &attrs_type<AxesAttrs>,
};

const OpDef broadcast_op = {
    .name = "broadcast_to",
    .infer =
        [](Inputs in, Attrs a, Specs& out) {
          const Shape& s = a.as<ShapeAttrs>().shape;
          Shape both;
          detail::check_sizes("broadcast_to", s);
          if (!broadcast_shapes(in[0].shape(), s, both) || !(both == s))
            throw ShapeError(fmt::format("broadcast_to: {} does not broadcast to {}.", in[0].shape().str(), s.str()));
          out.push_back({s, in[0].dtype()});
        },
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {sum_to(dy[0], n.in(0).shape(), n.in(0).dtype())};
    },
    .view =
        [](const Tensor& x, const Spec& out, Attrs) {
          Shape strides = Shape::filled(out.shape.rank(), 0);
          int lead = out.shape.rank() - x.rank();
          for (int i = 0; i < x.rank(); ++i)
            if (x.shape()[i] == out.shape[lead + i]) strides[lead + i] = x.strides()[i];
          return x.view_as(out.shape, strides);
        },
    .attrs = &attrs_type<ShapeAttrs>,
};

const OpDef astype_op = {
    .name = "astype",
    .infer =
        [](Inputs in, Attrs a, Specs& out) {
          out.push_back({in[0].shape(), a.as<CastAttrs>().dtype});
        },
    .kernel = {cpu::cast},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {is_floating(n.in(0).dtype()) && is_floating(n.out().dtype()) ? astype(dy[0], n.in(0).dtype()) : Tensor()};
    },
    .attrs = &attrs_type<CastAttrs>,
};

// A dense copy of a strided view, as an op of its own so that tapes and traces see it.
const OpDef contiguous_op = {
    .name = "contiguous",
    .infer =
        [](Inputs in, Attrs, Specs& out) {
          out.push_back({in[0].shape(), in[0].dtype()});
        },
    .kernel = {cpu::cast},
    .gradient = [](const Node&, std::span<const Tensor> dy) -> Tensors { return {dy[0]}; },
};

const OpDef stop_gradient_op = {
    .name = "stop_gradient",
    .infer =
        [](Inputs in, Attrs, Specs& out) {
          out.push_back({in[0].shape(), in[0].dtype()});
        },
    .view = [](const Tensor& x, const Spec&, Attrs) { return x.alias(); },
};

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape, Where w) { return apply(reshape_op, {x}, ShapeAttrs{shape}, w); }

Tensor permute_dims(const Tensor& x, const Axes& axes, Where w) {
  CallSite site(w);
  if (axes.rank() != x.rank())
    throw ShapeError(
        fmt::format("permute_dims: {} axes for a tensor of rank {} ({}).", axes.rank(), x.rank(), x.shape().str()));
  if (axes.empty()) return x;
  return apply(permute_op, {x}, AxesAttrs{check_axes("permute_dims", axes, x.rank())}, w);
}

Tensor broadcast_to(const Tensor& x, const Shape& shape, Where w) {
  return apply(broadcast_op, {x}, ShapeAttrs{shape}, w);
}

Tensor contiguous(const Tensor& x, Where w) { return x.is_contiguous() ? x : apply(contiguous_op, {x}, {}, w); }

Tensor astype(const Tensor& x, DType dtype, Where w) {
  CallSite site(w);
  return x.dtype() == dtype && !x.is_weak() ? x : apply(astype_op, {x}, CastAttrs{dtype}, w);
}
Tensor Tensor::astype(DType dtype, Where w) const { return tapir::astype(*this, dtype, w); }

Tensor stop_gradient(const Tensor& x, Where w) { return apply(stop_gradient_op, {x}, {}, w); }

void cast_into(const Tensor& from, const Tensor& to) {
  kernel_for(astype_op, to.device())({astype_op, {from}, {&to, 1}, {}});
}

void list_shaping(std::vector<const OpDef*>& out) {
  for (auto* o : {&reshape_op, &permute_op, &broadcast_op, &astype_op, &contiguous_op, &stop_gradient_op})
    out.push_back(o);
}

}  // namespace tapir
