// ONNX: shapes and order of elements, joining and cutting, constants and counting.
#include <tapir/formats/onnx_call.h>
#include <tapir/ops/create.h>
#include <tapir/ops/index.h>
#include <tapir/ops/linalg.h>
#include <tapir/ops/padding.h>
#include <tapir/ops/ranges.h>
#include <tapir/ops/scan.h>

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace tapir::onnx::detail {

namespace {

Tensor in_i64(const Shape& s) { return list_of(s.to_vector()); }

Axes axes_of(const Call& c, const Integers& given, int rank) {
  Axes axes;
  for (auto a : given) axes.push_back(axis_of(c, a, rank));
  return axes;
}

Results reshape_(const Call& c) {
  Integers sizes = c.either(1, "shape");
  for (std::size_t i = 0; i < sizes.size() && !c.flag("allowzero"); ++i)
    if (sizes[i] == 0) {
      if (int(i) >= c[0].rank()) c.fail("size 0 copies a dimension that is not there");
      sizes[i] = c[0].shape()[int(i)];
    }
  return {reshape(c[0], Shape(sizes))};
}
Results flatten_(const Call& c) {
  const Shape& s = c[0].shape();
  std::int64_t axis = c.integer("axis", 1);
  if (axis < -s.rank() || axis > s.rank()) c.fail(fmt::format("axis {} of {} dimensions", axis, s.rank()));
  if (axis < 0) axis += s.rank();
  return {reshape(c[0], {s.first(int(axis)).size(), s.last(s.rank() - int(axis)).size()})};
}
Results squeeze_(const Call& c) { return {squeeze(c[0], axes_of(c, c.either(1, "axes"), c[0].rank()))}; }
Results unsqueeze(const Call& c) {
  Integers axes = c.either(1, "axes");
  const int rank = c[0].rank() + int(axes.size());
  for (auto& a : axes) a = axis_of(c, a, rank);
  std::ranges::sort(axes);
  Shape s = c[0].shape();
  for (auto a : axes) s.insert(int(a), 1);
  return {reshape(c[0], s)};
}
Results transpose(const Call& c) {
  Integers order(static_cast<std::size_t>(c[0].rank()));
  std::iota(order.rbegin(), order.rend(), 0);
  return {permute_dims(c[0], Axes(c.integers("perm", order)))};
}
Results concat_(const Call& c) {
  std::vector<Tensor> all;
  for (std::size_t i = 0; i < c.in().size(); ++i) all.push_back(c[i]);
  return {concat(all, {.axis = c.integer("axis", 1)})};
}
Results split_(const Call& c) {
  const AxisOptions along{.axis = axis_of(c, c.integer("axis", 0), c[0].rank())};
  if (const Integers sizes = c.either(1, "split"); !sizes.empty()) return split(c[0], sizes, along);
  const std::int64_t size = c[0].shape()[int(along.axis)], parts = std::int64_t(c.outputs());
  Integers sizes(static_cast<std::size_t>(parts), (size + parts - 1) / parts);  // the last one may be smaller
  sizes.back() = size - sizes[0] * (parts - 1);
  return split(c[0], sizes, along);
}

Results slice(const Call& c) {
  const bool inputs = c.opset() >= 10;
  const Integers starts = inputs ? c.values(1) : c.integers("starts"), ends = inputs ? c.values(2) : c.integers("ends");
  Integers axes = inputs ? (c.has(3) ? c.values(3) : Integers()) : c.integers("axes");
  const Integers steps = inputs && c.has(4) ? c.values(4) : Integers(starts.size(), 1);
  if (axes.empty())
    for (std::size_t i = 0; i < starts.size(); ++i) axes.push_back(std::int64_t(i));
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
    c.fail("starts, ends, axes and steps differ in length");
  std::vector<Index> entries(static_cast<std::size_t>(c[0].rank()), Slice());
  for (std::size_t i = 0; i < starts.size(); ++i) {
    if (steps[i] == 0) c.fail("a step of 0");
    const auto axis = axis_of(c, axes[i], c[0].rank());
    const std::int64_t size = c[0].shape()[int(axis)];
    // What lies before the first element: for NumPy too -1 would be the last one.
    const bool to_start = steps[i] < 0 && ends[i] < -size;
    entries[std::size_t(axis)] = to_start ? Slice(starts[i], none, steps[i]) : Slice(starts[i], ends[i], steps[i]);
  }
  return {c[0].rank() ? index_with(c[0], entries) : c[0]};
}

Results expand(const Call& c) {
  const Integers asked = c.values(1);
  Shape s = c[0].shape();
  while (s.rank() < int(asked.size())) s.insert(0, 1);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    auto& size = s[s.rank() - int(asked.size()) + int(i)];
    if (size == 1) size = asked[i];
  }
  return {broadcast_to(c[0], s)};
}
Results tile_(const Call& c) { return {tile(c[0], Shape(c.values(1)))}; }

Results pad_(const Call& c) {
  Integers pads = c.opset() >= 11 ? c.values(1) : c.integers("pads");
  const double value = c.opset() < 11 ? c.number("value", 0) : c.has(2) ? c.value(2) : 0;
  Integers axes = c.has(3) ? c.values(3) : Integers();
  if (!c.has(3))
    for (int i = 0; i < c[0].rank(); ++i) axes.push_back(i);
  if (pads.size() != 2 * axes.size()) c.fail(fmt::format("{} pads for {} axes", pads.size(), axes.size()));
  const std::string mode = c.text("mode", "constant");
  const PadMode how = mode == "constant"  ? PadMode::constant
                      : mode == "reflect" ? PadMode::reflect
                      : mode == "edge"    ? PadMode::edge
                                          : PadMode::symmetric;
  if (how == PadMode::symmetric) c.fail("mode \"" + mode + "\" is not supported");
  Paddings widths(static_cast<std::size_t>(c[0].rank()));
  Tensor x = c[0];
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::int64_t axis = axis_of(c, axes[i], x.rank()), before = pads[i], after = pads[i + axes.size()];
    widths[std::size_t(axis)] = {std::max<std::int64_t>(before, 0), std::max<std::int64_t>(after, 0)};
    if (before < 0 || after < 0) {  // cuts
      const std::int64_t cut = std::max<std::int64_t>(-before, 0);
      x = narrow(x, axis, cut, x.shape()[int(axis)] - cut - std::max<std::int64_t>(-after, 0));
    }
  }
  return {pad(x, widths, {.mode = how, .value = value})};
}

Results shape(const Call& c) {
  const Shape& s = c[0].shape();
  auto end_of = [&](const char* name, std::int64_t fallback) {
    const std::int64_t at = c.integer(name, fallback);
    return std::clamp<std::int64_t>(at < 0 ? at + s.rank() : at, 0, s.rank());
  };
  const std::int64_t start = end_of("start", 0), end = end_of("end", s.rank());
  return {narrow(in_i64(s), 0, start, std::max<std::int64_t>(end - start, 0))};
}
Results size(const Call& c) { return {constant(c[0].size(), DType::i64)}; }

Results range(const Call& c) {
  const DType dtype = c[0].dtype();
  if (is_floating(dtype)) return {arange(c.value(0), c.value(1), c.value(2), {.dtype = dtype})};
  return {arange(c.values(0).at(0), c.values(1).at(0), c.values(2).at(0), {.dtype = dtype})};
}
Results constant_of_shape(const Call& c) {
  const Attribute* value = c.node().find("value");
  const Shape s(c.values(0));
  if (!value || !value->tensor.defined()) return {zeros(s)};
  return {contiguous(broadcast_to(reshape(value->tensor, {}), s))};
}
Results constant_(const Call& c) {
  if (c.node().attributes.size() != 1) c.fail("a constant has one attribute");
  const Attribute& a = c.node().attributes[0];
  if (a.tensor.defined()) return {a.tensor};
  if (a.name == "value_float") return {constant(a.number)};
  if (a.name == "value_int") return {constant(a.integer, DType::i64)};
  if (a.name == "value_floats") return {list_of(a.numbers)};
  if (a.name == "value_ints") return {list_of(a.integers)};
  c.fail("attribute \"" + a.name + "\" is not supported");
}
Results eye_like(const Call& c) {
  if (c[0].rank() != 2) c.fail("the input must have two dimensions");
  const DType dtype = c.given("dtype") ? dtype_of(c.integer("dtype", 1), c.context(), "the result") : c[0].dtype();
  return {eye(c[0].shape()[0], c[0].shape()[1], {.k = c.integer("k", 0), .dtype = dtype})};
}
Results trilu(const Call& c) {
  const std::int64_t k = c.has(1) ? c.values(1).at(0) : 0;
  return {c.flag("upper", true) ? triu(c[0], k) : tril(c[0], k)};
}

// [N, C, H, W] with blocks of channels to [N, C / b^2, H b, W b].
Results depth_to_space_(const Call& c) {
  const Shape& s = c[0].shape();
  const std::int64_t b = c.integer("blocksize", 1);
  if (s.rank() != 4 || b < 1 || s[1] % (b * b)) c.fail(fmt::format("blocksize {} of {}", b, s.str()));
  const std::int64_t channels = s[1] / (b * b);
  const bool depth_first = c.text("mode", "DCR") == "DCR";
  const Tensor blocks = depth_first ? reshape(c[0], {s[0], b, b, channels, s[2], s[3]})
                                    : reshape(c[0], {s[0], channels, b, b, s[2], s[3]});
  const Tensor ordered = permute_dims(blocks, depth_first ? Axes{0, 3, 4, 1, 5, 2} : Axes{0, 1, 4, 2, 5, 3});
  return {reshape(ordered, {s[0], channels, s[2] * b, s[3] * b})};
}
Results space_to_depth_(const Call& c) {
  const Shape& s = c[0].shape();
  const std::int64_t b = c.integer("blocksize", 1);
  if (s.rank() != 4 || b < 1 || s[2] % b || s[3] % b) c.fail(fmt::format("blocksize {} of {}", b, s.str()));
  const Tensor blocks = reshape(c[0], {s[0], s[1], s[2] / b, b, s[3] / b, b});
  return {reshape(permute_dims(blocks, {0, 3, 5, 1, 2, 4}), {s[0], s[1] * b * b, s[2] / b, s[3] / b})};
}

Results cum_sum(const Call& c) {
  const auto axis = axis_of(c, c.values(1).at(0), c[0].rank());
  return {cumulative_sum(c[0], {.axis = axis, .exclusive = c.flag("exclusive"), .reverse = c.flag("reverse")})};
}
Results einsum_(const Call& c) { return {einsum(c.text("equation"), {c.in().begin(), c.in().end()})}; }
Results det(const Call& c) { return {linalg::det(c[0])}; }

constexpr Row rows[] = {
    {"Concat", concat_},
    {"Constant", constant_},
    {"ConstantOfShape", constant_of_shape, 1, 0, 0},
    {"CumSum", cum_sum, 1, 0, 1},
    {"DepthToSpace", depth_to_space_},
    {"Det", det},
    {"Einsum", einsum_},
    {"Expand", expand, 1, 0, 1},
    {"EyeLike", eye_like},
    {"Flatten", flatten_},
    {"Pad", pad_, 2, 0, 1},
    {"Range", range, 1, 0, 0},
    {"Reshape", reshape_, 1, 0, 1},
    {"Shape", shape},
    {"Size", size},
    {"Slice", slice, 1, 0, 1},
    {"SpaceToDepth", space_to_depth_},
    {"Split", split_, 1, 0, 1},
    {"Squeeze", squeeze_, 1, 0, 1},
    {"Tile", tile_, 6, 0, 1},
    {"Transpose", transpose},
    {"Trilu", trilu, 1, 0, 1},
    {"Unsqueeze", unsqueeze, 1, 0, 1},
};

}  // namespace

std::span<const Row> shaping_rows() { return rows; }

}  // namespace tapir::onnx::detail
