#include <tapir/ops/kernels.h>
#include <tapir/ops/reduce_attrs.h>
#include <tapir/ops/shaping.h>
#include <tapir/ops/sort.h>

#include <fmt/format.h>

namespace tapir {
namespace {

Shape with_size(Shape s, int axis, std::int64_t n) {
  s[axis] = n;
  return s;
}

constexpr OpDef row(const char* name, Infer infer, Kernel kernel, Gradient gradient, Saves saves,
                    const AttrsType* attrs) {
  OpDef d = dense_row(name, infer, kernel, gradient, saves, attrs);
  d.half_via_f32 = false;
  return d;
}

Tensor gather_along(const Tensor& x, const Tensor& indices, const SortAttrs& a);
Tensor scatter_along(const Tensor& updates, const Tensor& indices, const SortAttrs& a);

// y[..., j, ...] = x[..., indices[j], ...] and its transpose, each the derivative of the other. Indices are distinct
// and in range. For scatter_along, k is the size of the axis in the result.
constinit const OpDef gather_along_op = row(
    "gather_along",
    [](Inputs in, Attrs, Specs& out) {
      out.push_back({in[1].shape(), in[0].dtype()});
    },
    cpu::gather_along,
    [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      const int axis = n.attrs.as<SortAttrs>().axis;
      return {scatter_along(dy[0], n.in(1), {axis, false, n.in(0).shape()[axis]}), Tensor()};
    },
    Saves::inputs, &attrs_type<SortAttrs>);
constinit const OpDef scatter_along_op = row(
    "scatter_along",
    [](Inputs in, Attrs attrs, Specs& out) {
      const auto& a = attrs.as<SortAttrs>();
      out.push_back({with_size(in[0].shape(), a.axis, a.k), in[0].dtype()});
    },
    cpu::scatter_along,
    [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {gather_along(dy[0], n.in(1), {n.attrs.as<SortAttrs>().axis}), Tensor()};
    },
    Saves::inputs, &attrs_type<SortAttrs>);

Tensor gather_along(const Tensor& x, const Tensor& indices, const SortAttrs& a) {
  return apply(gather_along_op, {x, indices}, a, Where::current());
}
Tensor scatter_along(const Tensor& updates, const Tensor& indices, const SortAttrs& a) {
  return apply(scatter_along_op, {updates, indices}, a, Where::current());
}

// Gives the values and where they came from.
constinit const OpDef sort_op = [] {
  OpDef d = row(
      "sort",
      [](Inputs in, Attrs attrs, Specs& out) {
        const auto& a = attrs.as<SortAttrs>();
        Shape s = with_size(in[0].shape(), a.axis, a.k);
        out.push_back({s, in[0].dtype()});
        out.push_back({s, DType::i64});
      },
      cpu::sort,
      [](const Node& n, std::span<const Tensor> dy) -> Tensors {
        const int axis = n.attrs.as<SortAttrs>().axis;
        return {scatter_along(dy[0], n.out(1), {axis, false, n.in(0).shape()[axis]})};
      },
      Saves::output, &attrs_type<SortAttrs>);
  d.half_via_f32 = true;
  return d;
}();

struct SideAttrs {
  Side side;
  template <class V>
  void visit(V&& v) {
    v("side", side);
  }
};
constinit const OpDef searchsorted_op = [] {
  OpDef d = row(
      "searchsorted",
      [](Inputs in, Attrs, Specs& out) {
        if (in[0].rank() != 1)
          throw ShapeError(
              fmt::format("searchsorted: the sorted tensor must have rank 1, got {}.", in[0].shape().str()));
        if (in[0].dtype() != in[1].dtype())
          throw DTypeError(fmt::format("searchsorted: dtypes differ, {} vs {}. Cast one side: v.astype(DType::{}).",
                                       name_of(in[0].dtype()), name_of(in[1].dtype()), name_of(in[0].dtype())));
        out.push_back({in[1].shape(), DType::i64});
      },
      cpu::searchsorted, nullptr, Saves::none, &attrs_type<SideAttrs>);
  d.half_via_f32 = true;
  return d;
}();

Tensors sorted(const char* op, const Tensor& x, const SortOptions& o, const Where& w) {
  const int axis = check_axis(op, o.axis, x.shape());
  return apply_all(sort_op, {x}, SortAttrs{axis, o.descending, x.shape()[axis]}, w);
}

}  // namespace

Tensor sort(const Tensor& x, SortOptions o, Where w) {
  CallSite site(w);
  return sorted("sort", x, o, w)[0];
}

Tensor argsort(const Tensor& x, SortOptions o, Where w) {
  CallSite site(w);
  return sorted("argsort", x, o, w)[1];
}

TopK top_k(const Tensor& x, std::int64_t k, Where w) {
  CallSite site(w);
  if (x.rank() == 0) throw ShapeError("top_k: needs rank 1 or more, got a scalar.");
  if (k < 0 || k > x.shape().back())
    throw ShapeError(fmt::format("top_k: k must be between 0 and {}, the last size of {}, got {}.", x.shape().back(),
                                 x.shape().str(), k));
  Tensors out = apply_all(sort_op, {x}, SortAttrs{x.rank() - 1, true, k}, w);
  return {out[0], out[1]};
}

Tensor searchsorted(const Tensor& s, const Tensor& values, SearchOptions o, Where w) {
  CallSite site(w);
  return apply(searchsorted_op, {s, values.is_weak() ? astype(values, s.dtype()) : values}, SideAttrs{o.side}, w);
}

void list_sort(std::vector<const OpDef*>& out) {
  for (auto* o : {&sort_op, &gather_along_op, &scatter_along_op, &searchsorted_op}) out.push_back(o);
}

}  // namespace tapir
