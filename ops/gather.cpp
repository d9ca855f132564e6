#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/gather.h>
#include <tapir/ops/gather_attrs.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/shaping.h>
#include <tapir/ops/tile.h>
#include <tapir/tensor/device_scope.h>

#include <fmt/format.h>

namespace tapir {
namespace {

void check_indices(const char* op, const Tensor& indices) {
  if (!is_integer(indices.dtype()))
    throw DTypeError(fmt::format("{}: indices must be integers, got {}. Cast them: i.astype(DType::i64).", op,
                                 name_of(indices.dtype())));
}

Tensor take_gradient(const Tensor& dy, const Tensor& indices, int axis, const Shape& shape);
Tensor take_along_gradient(const Tensor& dy, const Tensor& indices, int axis, const Shape& shape);

constexpr OpDef take_op = {
    .name = "take",
    .infer =
        [](Inputs in, Attrs a, Specs& out) {
          check_indices("take", in[1]);
          const Shape& s = in[0].shape();
          int axis = a.as<AxisAttrs>().axis;
          out.push_back({s.first(axis).concat(in[1].shape()).concat(s.last(s.rank() - axis - 1)), in[0].dtype()});
        },
    .kernel = {cpu::take},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {take_gradient(dy[0], n.in(1), n.attrs.as<AxisAttrs>().axis, n.in(0).shape()), Tensor()};
    },
    .saves = Saves::inputs,
    .needs_contiguous = true,
    .attrs = &attrs_type<AxisAttrs>,
};

// As take along axis 0, but an index below 0 is an error: a -1 that marks what is missing must not pass for a row.
constexpr OpDef embedding_lookup_op = [] {
  OpDef d = take_op;
  d.name = "embedding_lookup";
  d.kernel[int(Backend::cpu)] = cpu::embedding_lookup;
  return d;
}();

// dy added up at the rows that were taken.
const OpDef take_gradient_op = {
    .name = "take_gradient",
    .infer =
        [](Inputs in, Attrs a, Specs& out) {
          out.push_back({a.as<AxisShapeAttrs>().shape, in[0].dtype()});
        },
    .kernel = {cpu::take_gradient},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {take(dy[0], n.in(1), n.attrs.as<AxisShapeAttrs>().axis), Tensor()};
    },
    .saves = Saves::inputs,
    .needs_contiguous = true,
    .half_via_f32 = true,
    .attrs = &attrs_type<AxisShapeAttrs>,
};

Tensor take_gradient(const Tensor& dy, const Tensor& indices, int axis, const Shape& shape) {
  return apply(take_gradient_op, {dy, indices}, AxisShapeAttrs{axis, shape}, Where::current());
}

const OpDef take_along_op = {
    .name = "take_along_axis",
    .infer =
        [](Inputs in, Attrs, Specs& out) {
          check_indices("take_along_axis", in[1]);
          out.push_back({in[1].shape(), in[0].dtype()});
        },
    .kernel = {cpu::take_along_axis},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {take_along_gradient(dy[0], n.in(1), n.attrs.as<AxisAttrs>().axis, n.in(0).shape()), Tensor()};
    },
    .saves = Saves::inputs,
    .needs_contiguous = true,
    .attrs = &attrs_type<AxisAttrs>,
};

const OpDef take_along_gradient_op = {
    .name = "take_along_axis_gradient",
    .infer =
        [](Inputs in, Attrs a, Specs& out) {
          out.push_back({a.as<AxisShapeAttrs>().shape, in[0].dtype()});
        },
    .kernel = {cpu::take_along_axis_gradient},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {take_along_axis(dy[0], n.in(1), n.attrs.as<AxisShapeAttrs>().axis), Tensor()};
    },
    .saves = Saves::inputs,
    .needs_contiguous = true,
    .half_via_f32 = true,
    .attrs = &attrs_type<AxisShapeAttrs>,
};

Tensor take_along_gradient(const Tensor& dy, const Tensor& indices, int axis, const Shape& shape) {
  return apply(take_along_gradient_op, {dy, indices}, AxisShapeAttrs{axis, shape}, Where::current());
}

const OpDef flat_index_op = {
    .name = "flat_index",
    .infer =
        [](Inputs in, Attrs a, Specs& out) {
          check_indices("index", in[0]);
          const Shape &s = in[0].shape(), &dims = a.as<DimsAttrs>().dims;
          if (s.empty() || s.back() != dims.rank())
            throw ShapeError(fmt::format("flat_index: the last dimension of indices {} must be {}, one for each of {}.",
                                         s.str(), dims.rank(), dims.str()));
          out.push_back({s.first(s.rank() - 1), DType::i64});
        },
    .kernel = {cpu::flat_index},
    .needs_contiguous = true,
    .attrs = &attrs_type<DimsAttrs>,
};

// x: [n, ...], places: i64 [m], updates: [m, ...]
Tensor scatter_rows(const Tensor& x, const Tensor& places, const Tensor& updates, Scatter mode, const Where& w);

Tensors scatter_gradient(const Node& n, std::span<const Tensor> dys) {
  const Tensor &x = n.in(0), &places = n.in(1), &updates = n.in(2), &dy = dys[0];
  Scatter mode = n.attrs.as<ScatterAttrs>().mode;
  Where w = Where::current();
  if (mode == Scatter::add) return {dy, Tensor(), n.wants(2) ? take(dy, places, 0) : Tensor()};
  if (mode == Scatter::update)
    return {n.wants(0) ? scatter_rows(dy, places, zeros_like(updates), mode, w) : Tensor(), Tensor(),
            n.wants(2) ? take(dy, places, 0) : Tensor()};
  // Each of the values that reached the result gets an equal share.
  Tensor y = scatter_rows(x, places, updates, mode, w);
  Tensor from_x = equal(x, y).astype(dy.dtype()), from_u = equal(updates, take(y, places, 0)).astype(dy.dtype());
  Tensor share = dy / scatter_rows(from_x, places, from_u, Scatter::add, w);
  return {share * from_x, Tensor(), n.wants(2) ? take(share, places, 0) * from_u : Tensor()};
}

const OpDef scatter_op = {
    .name = "scatter",
    .infer =
        [](Inputs in, Attrs, Specs& out) {
          out.push_back({in[0].shape(), in[0].dtype()});
        },
    .kernel = {cpu::scatter},
    .gradient = scatter_gradient,
    .saves = Saves::inputs,
    .needs_contiguous = true,
    .half_via_f32 = true,
    .attrs = &attrs_type<ScatterAttrs>,
};

Tensor scatter_rows(const Tensor& x, const Tensor& places, const Tensor& updates, Scatter mode, const Where& w) {
  return apply(scatter_op, {x, places, updates}, ScatterAttrs{mode}, w);
}

// indices: [..., k]; what is left of `shape` once its first k dimensions are one.
Shape scattered(const char* op, const Tensor& indices, const Shape& shape, std::int64_t& k) {
  check_indices(op, indices);
  if (indices.rank() < 1)
    throw ShapeError(fmt::format("{}: indices need a last dimension that holds the places, got a scalar.", op));
  k = indices.shape().back();
  if (k > shape.rank())
    throw ShapeError(fmt::format("{}: the last dimension of indices {} is {}, but the tensor has rank {} ({}).", op,
                                 indices.shape().str(), k, shape.rank(), shape.str()));
  return shape.last(shape.rank() - int(k));
}

Tensor scatter_into(const char* op, const Tensor& x, const Tensor& indices, const Tensor& updates, Scatter mode,
                    const Where& w) {
  CallSite site(w);
  std::int64_t k;
  Shape rest = scattered(op, indices, x.shape(), k), lead = indices.shape().first(indices.rank() - 1);
  if (!(updates.shape() == lead.concat(rest)))
    throw ShapeError(fmt::format("{}: updates must have shape {} (indices {}, tensor {}), got {}.", op,
                                 lead.concat(rest).str(), indices.shape().str(), x.shape().str(),
                                 updates.shape().str()));
  if (updates.dtype() != x.dtype())
    throw DTypeError(fmt::format("{}: dtypes differ, {} vs {}. Cast one side: updates.astype(DType::{}).", op,
                                 name_of(x.dtype()), name_of(updates.dtype()), name_of(x.dtype())));
  Shape dims = x.shape().first(int(k));
  Tensor places = reshape(flat_index(indices, dims), {lead.size()});
  Tensor y = scatter_rows(reshape(x, Shape{dims.size()}.concat(rest)), places,
                          reshape(updates, Shape{lead.size()}.concat(rest)), mode, w);
  return reshape(y, x.shape());
}

}  // namespace

Tensor take(const Tensor& x, const Tensor& indices, int axis, Where w) {
  CallSite site(w);
  if (x.rank() == 0) throw ShapeError("take: a scalar has no axis to take from.");
  return apply(take_op, {x, indices}, AxisAttrs{check_axis("take", axis, x.rank())}, w);
}

Tensor take_along_axis(const Tensor& x, const Tensor& indices, int axis, Where w) {
  CallSite site(w);
  if (x.rank() != indices.rank() || x.rank() == 0)
    throw ShapeError(fmt::format("take_along_axis: x and indices must have the same rank, at least 1, got {} and {}.",
                                 x.shape().str(), indices.shape().str()));
  axis = check_axis("take_along_axis", axis, x.rank());
  Shape a = x.shape(), b = indices.shape(), both;
  a[axis] = b[axis] = 1;
  if (!broadcast_shapes(a, b, both))
    throw ShapeError(fmt::format("take_along_axis: shapes {} and {} do not broadcast beside axis {}.", x.shape().str(),
                                 indices.shape().str(), axis));
  Shape xs = both, is = both;
  xs[axis] = x.shape()[axis], is[axis] = indices.shape()[axis];
  return apply(take_along_op, {broadcast_to(x, xs), broadcast_to(indices, is)}, AxisAttrs{axis}, w);
}

Tensor flat_index(const Tensor& indices, const Shape& dims, Where w) {
  return apply(flat_index_op, {indices}, DimsAttrs{dims}, w);
}

Tensor gather_nd(const Tensor& x, const Tensor& indices, Where w) {
  CallSite site(w);
  std::int64_t k;
  Shape rest = scattered("gather_nd", indices, x.shape(), k), dims = x.shape().first(int(k));
  return take(reshape(x, Shape{dims.size()}.concat(rest)), flat_index(indices, dims), 0);
}

Tensor scatter_nd(const Tensor& indices, const Tensor& updates, const Shape& shape, Where w) {
  CallSite site(w);
  return scatter_into("scatter_nd", zeros(shape, updates.dtype()), indices, updates, Scatter::add, w);
}
Tensor tensor_scatter_add(const Tensor& x, const Tensor& i, const Tensor& u, Where w) {
  return scatter_into("tensor_scatter_add", x, i, u, Scatter::add, w);
}
Tensor tensor_scatter_update(const Tensor& x, const Tensor& i, const Tensor& u, Where w) {
  return scatter_into("tensor_scatter_update", x, i, u, Scatter::update, w);
}
Tensor tensor_scatter_min(const Tensor& x, const Tensor& i, const Tensor& u, Where w) {
  return scatter_into("tensor_scatter_min", x, i, u, Scatter::min, w);
}
Tensor tensor_scatter_max(const Tensor& x, const Tensor& i, const Tensor& u, Where w) {
  return scatter_into("tensor_scatter_max", x, i, u, Scatter::max, w);
}

std::vector<Tensor> nonzero(const Tensor& x, Where w) {
  CallSite site(w);
  if (!x.has_data())
    throw UsageError(
        "nonzero: how many elements are set, and so the shape, is not known while function() traces. Use "
        "where(mask, x, 0), or do it outside.");
  DeviceScope there(x.device());
  std::vector<bool> set = (x.dtype() == DType::boolean ? x : not_equal(x, 0)).to_vector<bool>(w);
  std::vector<std::vector<std::int64_t>> found(static_cast<std::size_t>(x.rank()));
  Shape at = Shape::filled(x.rank(), 0);
  for (std::size_t i = 0; i < set.size(); ++i) {
    if (set[i])
      for (int d = 0; d < x.rank(); ++d) found[std::size_t(d)].push_back(at[d]);
    for (int d = x.rank() - 1; d >= 0 && ++at[d] == x.shape()[d]; --d) at[d] = 0;
  }
  std::vector<Tensor> out;
  for (auto& f : found) out.push_back(Tensor::from_vector(f));
  return out;
}

Tensor boolean_mask(const Tensor& x, const Tensor& mask, Where w) {
  CallSite site(w);
  if (mask.dtype() != DType::boolean)
    throw DTypeError(
        fmt::format("boolean_mask: the mask must be bool, got {}. Compare it: m != 0.", name_of(mask.dtype())));
  int k = mask.rank();
  if (k < 1 || k > x.rank() || !(x.shape().first(k) == mask.shape()))
    throw ShapeError(fmt::format("boolean_mask: mask {} does not match the first dimensions of {}.", mask.shape().str(),
                                 x.shape().str()));
  Tensor places = nonzero(reshape(mask, {mask.size()}), w)[0];
  return take(reshape(x, Shape{mask.size()}.concat(x.shape().last(x.rank() - k))), places, 0);
}

Tensor one_hot(const Tensor& indices, std::int64_t depth, OneHotOptions o, Where w) {
  CallSite site(w);
  check_indices("one_hot", indices);
  DeviceScope there(indices.device());
  if (depth < 0) throw UsageError(fmt::format("one_hot: depth must not be negative, got {}.", depth));
  int axis = check_axis("one_hot", o.axis, indices.rank() + 1);
  Shape shape = indices.shape(), along = Shape::filled(indices.rank() + 1, 1);
  shape.insert(axis, 1);
  along[axis] = depth;
  Shape result = indices.shape();
  result.insert(axis, depth);
  detail::check_sizes("one_hot", result);
  std::vector<std::int64_t> steps(static_cast<std::size_t>(depth));
  for (std::size_t i = 0; i < steps.size(); ++i) steps[i] = std::int64_t(i);
  Tensor hit = equal(reshape(astype(indices, DType::i64), shape), Tensor::from_vector(steps, along));
  if (o.on_value == 1 && o.off_value == 0) return astype(hit, o.dtype);
  return where(hit, constant(o.on_value, o.dtype), constant(o.off_value, o.dtype));
}

Tensor embedding_lookup(const Tensor& table, const Tensor& ids, Where w) {
  CallSite site(w);
  if (table.rank() == 0) throw ShapeError("embedding_lookup: the table is a scalar, it needs rows: [n, ...].");
  check_indices("embedding_lookup", ids);
  return apply(embedding_lookup_op, {table, ids}, AxisAttrs{0}, w);
}

void list_gather(std::vector<const OpDef*>& out) {
  for (auto* o : {&take_op, &embedding_lookup_op, &take_gradient_op, &take_along_op, &take_along_gradient_op,
                  &flat_index_op, &scatter_op})
    out.push_back(o);
}

}  // namespace tapir
