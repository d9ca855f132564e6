// ONNX: picking elements by index and putting them back, sorting.
#include <tapir/formats/onnx_call.h>
#include <tapir/ops/create.h>
#include <tapir/ops/index.h>
#include <tapir/ops/padding.h>
#include <tapir/ops/ranges.h>
#include <tapir/ops/sort.h>

#include <fmt/format.h>

namespace tapir::onnx::detail {

namespace {

// 0, 1, ... along one axis of a shape, the same along the others.
Tensor places_along(int axis, const Shape& shape) {
  Shape thin = Shape::filled(shape.rank(), 1);
  thin[axis] = shape[axis];
  return broadcast_to(reshape(arange(shape[axis]), thin), shape);
}

// Indices along one axis as indices of whole elements: [..., rank].
Tensor whole_indices(const Tensor& along, std::int64_t axis) {
  std::vector<Tensor> all;
  for (int d = 0; d < along.rank(); ++d)
    all.push_back(d == axis ? along.astype(DType::i64) : places_along(d, along.shape()));
  return stack(all, {.axis = -1});
}

Results gather(const Call& c) { return {take(c[0], c[1], int(axis_of(c, c.integer("axis", 0), c[0].rank())))}; }
Results gather_elements(const Call& c) {
  return {gather_nd(c[0], whole_indices(c[1], axis_of(c, c.integer("axis", 0), c[0].rank())))};
}
Results gather_nd_(const Call& c) {
  const auto batch = int(c.integer("batch_dims", 0));
  const Tensor index = c[1].astype(DType::i64);
  if (!batch) return {gather_nd(c[0], index)};
  if (batch < 0 || batch >= index.rank()) c.fail(fmt::format("batch_dims {} of {}", batch, index.shape().str()));
  Shape one = index.shape();
  one[one.rank() - 1] = 1;
  std::vector<Tensor> all;
  for (int d = 0; d < batch; ++d) all.push_back(places_along(d, one));
  all.push_back(index);
  return {gather_nd(c[0], concat(all, {.axis = -1}))};
}

Tensor scattered(const Call& c, const Tensor& index, const Tensor& updates) {
  const std::string how = c.text("reduction", "none");
  if (how == "none") return tensor_scatter_update(c[0], index, updates);
  if (how == "add") return tensor_scatter_add(c[0], index, updates);
  if (how == "min") return tensor_scatter_min(c[0], index, updates);
  if (how == "max") return tensor_scatter_max(c[0], index, updates);
  c.fail("reduction \"" + how + "\" is not supported");
}
Results scatter_elements(const Call& c) {
  return {scattered(c, whole_indices(c[1], axis_of(c, c.integer("axis", 0), c[0].rank())), c[2])};
}
Results scatter_nd_(const Call& c) { return {scattered(c, c[1].astype(DType::i64), c[2])}; }

Results one_hot_(const Call& c) {
  const std::int64_t depth = c.values(1).at(0);
  const Tensor index = c[0].astype(DType::i64), values = c[2];
  const auto axis = axis_of(c, c.integer("axis", -1), index.rank() + 1);
  const Tensor on =
      one_hot(where(less(index, 0), index + depth, index), depth, {.axis = int(axis), .dtype = DType::boolean});
  return {where(on, values[1], values[0])};
}
Results nonzero_(const Call& c) { return {stack(nonzero(c[0]))}; }
Results compress(const Call& c) {
  const Tensor x = c.given("axis") ? c[0] : flatten(c[0]);
  const auto axis = axis_of(c, c.integer("axis", 0), x.rank());
  return {take(x, nonzero(c[1]).at(0), int(axis))};
}

Results top_k_(const Call& c) {
  const std::int64_t k = c.opset() >= 10 ? c.values(1).at(0) : c.integer("k", 1);
  const auto axis = axis_of(c, c.integer("axis", -1), c[0].rank());
  const Tensor order = narrow(argsort(c[0], {.axis = axis, .descending = c.flag("largest", true)}), axis, 0, k);
  return {take_along_axis(c[0], order, int(axis)), order};
}

// The first lengths[b] elements of each example in reverse order.
Results reverse_sequence(const Call& c) {
  const Tensor& x = c[0];
  const auto time = axis_of(c, c.integer("time_axis", 0), x.rank()),
             batch = axis_of(c, c.integer("batch_axis", 1), x.rank());
  Shape thin = Shape::filled(x.rank(), 1);
  thin[int(batch)] = x.shape()[int(batch)];
  const Tensor length = reshape(c[1].astype(DType::i64), thin), at = places_along(int(time), x.shape());
  return {take_along_axis(x, where(less(at, length), length - 1 - at, at), int(time))};
}

constexpr Row rows[] = {
    {"Compress", compress},
    {"Gather", gather},
    {"GatherElements", gather_elements},
    {"GatherND", gather_nd_},
    {"NonZero", nonzero_},
    {"OneHot", one_hot_, 1, 0, 0},
    {"ReverseSequence", reverse_sequence},
    {"Scatter", scatter_elements},
    {"ScatterElements", scatter_elements},
    {"ScatterND", scatter_nd_},
    {"TopK", top_k_},
};

}  // namespace

std::span<const Row> indexing_rows() { return rows; }

}  // namespace tapir::onnx::detail
