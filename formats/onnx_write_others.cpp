// Writing ONNX: shapes, reductions, products, windows, normalisation. Images are [N, H, W, C] here and [N, C, H, W]
// there.
#include <tapir/formats/onnx_writer.h>
#include <tapir/ops/padding.h>

#include <fmt/format.h>

#include <limits>
#include <numeric>

namespace tapir::onnx::detail {

namespace {

using graph::attr;
using graph::Node;
constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();

[[noreturn]] void refuse(const Node& n, const std::string& why) {
  throw UsageError(fmt::format("onnx::save: {}: {}.", n.op->name, why));
}

Names identity(Writer& w, const Node& n, const char*) { return {w.add("Identity", {w.name(n.in[0])})}; }
Names astype(Writer& w, const Node& n, const char*) {
  return {w.add("Cast", {w.name(n.in[0])}, {attribute("to", std::int64_t(type_of(w.spec(n.out[0]).dtype)))})};
}
Names reshape(Writer& w, const Node& n, const char*) {
  return {w.add("Reshape", {w.name(n.in[0]), w.sizes(w.shape(n.out[0]), true)})};
}
Names permute(Writer& w, const Node& n, const char*) {
  return {w.add("Transpose", {w.name(n.in[0])}, {attribute("perm", attr<Shape>(n, "axes").to_vector())})};
}
Names broadcast(Writer& w, const Node& n, const char*) {
  return {w.add("Expand", {w.name(n.in[0]), w.sizes(w.shape(n.out[0]))})};
}

Names concat(Writer& w, const Node& n, const char*) {
  Names all;
  const std::int64_t axis = attr<std::int64_t>(n, "axis");
  for (int v : n.in) {
    all.push_back(w.as(v, w.spec(n.out[0]).dtype));
    if (attr<bool>(n, "new_axis")) all.back() = w.add("Unsqueeze", {all.back(), w.constant(Integers{axis})});
  }
  return {w.add("Concat", all, {attribute("axis", axis)})};
}
Names split(Writer& w, const Node& n, const char*) {
  const std::int64_t axis = attr<std::int64_t>(n, "axis");
  Names out;
  Integers sizes;
  const bool drop = attr<bool>(n, "drop_axis");
  for (int v : n.out) {
    out.push_back(w.fresh());
    sizes.push_back(drop ? 1 : w.shape(v)[int(axis)]);
    if (w.is_open(sizes.back())) refuse(n, "parts of an unknown size cannot be written");
  }
  w.add_all("Split", {w.name(n.in[0]), w.constant(sizes)}, out, {attribute("axis", axis)});
  if (drop)
    for (auto& o : out) o = w.add("Squeeze", {o, w.constant(Integers{axis})});
  return out;
}

// [begin, begin + size * step) along each axis that is not whole.
std::string sliced(Writer& w, const Node& n, const Shape& begin, const Shape& size, const Shape& step) {
  const Shape& x = w.shape(n.in[0]);
  Integers from, to, axes, steps;
  for (int d = 0; d < x.rank(); ++d) {
    if (begin[d] == 0 && size[d] == x[d] && step[d] == 1) continue;
    if (w.is_open(begin[d]) || w.is_open(size[d])) refuse(n, "a part of an unknown size cannot be written");
    const std::int64_t end = begin[d] + size[d] * step[d];
    from.push_back(begin[d]), axes.push_back(d), steps.push_back(step[d]);
    to.push_back(end < 0 ? -kEnd : end);
  }
  if (axes.empty()) return w.add("Identity", {w.name(n.in[0])});
  return w.add("Slice", {w.name(n.in[0]), w.constant(from), w.constant(to), w.constant(axes), w.constant(steps)});
}
Names narrow(Writer& w, const Node& n, const char*) {
  const Shape &x = w.shape(n.in[0]), &y = w.shape(n.out[0]);
  Shape begin = Shape::filled(x.rank(), 0);
  begin[int(attr<std::int64_t>(n, "axis"))] = attr<std::int64_t>(n, "start");
  return {sliced(w, n, begin, y, Shape::filled(x.rank(), 1))};
}
Names strided_slice(Writer& w, const Node& n, const char*) {
  return {sliced(w, n, attr<Shape>(n, "begin"), attr<Shape>(n, "size"), attr<Shape>(n, "step"))};
}
Names flip(Writer& w, const Node& n, const char*) {
  const Integers axes = attr<Shape>(n, "axes").to_vector();
  const Integers last(axes.size(), -1), before(axes.size(), -kEnd);
  return {w.add("Slice", {w.name(n.in[0]), w.constant(last), w.constant(before), w.constant(axes), w.constant(last)})};
}
Names pad(Writer& w, const Node& n, const char*) {
  Integers pads = attr<Shape>(n, "before").to_vector();
  for (auto p : attr<Shape>(n, "after")) pads.push_back(p);
  const auto mode = PadMode(attr<std::int64_t>(n, "mode"));
  if (mode == PadMode::symmetric) refuse(n, "the mode symmetric cannot be written: ONNX has none such");
  const char* name = mode == PadMode::constant ? "constant" : mode == PadMode::reflect ? "reflect" : "edge";
  return {w.add("Pad", {w.name(n.in[0]), w.constant(pads), w.number(attr<double>(n, "value"), w.spec(n.in[0]).dtype)},
                {attribute("mode", name)})};
}
Names triangle(Writer& w, const Node& n, const char*) {
  return {w.add("Trilu",
                {w.name(n.in[0]), w.constant(Tensor::from_vector(Integers{attr<std::int64_t>(n, "offset")}, Shape{}))},
                {attribute("upper", std::int64_t(attr<bool>(n, "upper")))})};
}

Names take(Writer& w, const Node& n, const char*) {
  return {w.add("Gather",
                {w.name(n.in[0]), w.as(n.in[1], w.spec(n.in[1]).dtype == DType::i32 ? DType::i32 : DType::i64)},
                {attribute("axis", attr<std::int64_t>(n, "axis"))})};
}

// Axes are an input of ReduceSum alone in opset 17; of no axes nothing is reduced.
Names reduce(Writer& w, const Node& n, const char* to) {
  const Integers axes = attr<Shape>(n, "axes").to_vector();
  const Proto keep = attribute("keepdims", std::int64_t(attr<bool>(n, "keepdims")));
  const std::string x = w.as(n.in[0], w.spec(n.out[0]).dtype);
  if (axes.empty()) return {w.add("Identity", {x})};
  if (std::string(to) == "ReduceSum") return {w.add(to, {x, w.constant(axes)}, {keep})};
  return {w.add(to, {x}, {attribute("axes", axes), keep})};
}
Names arg(Writer& w, const Node& n, const char* to) {
  const Shape axes = attr<Shape>(n, "axes");
  if (axes.rank() != 1) refuse(n, "only along one axis can it be written");
  return {w.add(to, {w.name(n.in[0])},
                {attribute("axis", axes[0]), attribute("keepdims", std::int64_t(attr<bool>(n, "keepdims")))})};
}
Names along(Writer& w, const Node& n, const char* to) {
  return {w.add(to, {w.name(n.in[0])}, {attribute("axis", attr<std::int64_t>(n, "axis"))})};
}
Names cumulative_sum(Writer& w, const Node& n, const char*) {
  const std::string axis = w.constant(Tensor::from_vector(Integers{attr<std::int64_t>(n, "axis")}, Shape{}));
  return {w.add("CumSum", {w.as(n.in[0], w.spec(n.out[0]).dtype), axis},
                {attribute("exclusive", std::int64_t(attr<bool>(n, "exclusive"))),
                 attribute("reverse", std::int64_t(attr<bool>(n, "reverse")))})};
}

Names matmul(Writer& w, const Node& n, const char*) {
  auto operand = [&](int v, bool turned) {
    if (!turned) return w.as(v, w.spec(n.out[0]).dtype);
    Integers order(static_cast<std::size_t>(w.shape(v).rank()));
    std::iota(order.begin(), order.end(), 0);
    std::swap(order[order.size() - 1], order[order.size() - 2]);
    return w.permuted(v, order);
  };
  return {w.add("MatMul",
                {operand(n.in[0], attr<bool>(n, "transpose_a")), operand(n.in[1], attr<bool>(n, "transpose_b"))})};
}

Integers channels_first(int rank) {
  Integers order{0, rank - 1};
  for (int d = 1; d < rank - 1; ++d) order.push_back(d);
  return order;
}
std::string channels_last(Writer& w, const std::string& x, int rank) {
  Integers order{0};
  for (int d = 2; d < rank; ++d) order.push_back(d);
  order.push_back(1);
  return w.add("Transpose", {x}, {attribute("perm", order)});
}
// [d..., C, K] as [K, C, d...], for both directions of a convolution.
std::string kernel(Writer& w, const Node& n) {
  const int rank = w.shape(n.in[1]).rank();
  Integers order{rank - 1, rank - 2};
  for (int d = 0; d < rank - 2; ++d) order.push_back(d);
  return w.permuted(n.in[1], order);
}
Integers pads_of(const Shape& before, const Shape& after) {
  Integers pads = before.to_vector();
  pads.insert(pads.end(), after.begin(), after.end());
  return pads;
}
std::vector<Proto> window_attributes(const Node& n) {
  return {attribute("strides", attr<Shape>(n, "strides").to_vector()),
          attribute("dilations", attr<Shape>(n, "dilations").to_vector()),
          attribute("group", attr<std::int64_t>(n, "groups")),
          attribute("pads", pads_of(attr<Shape>(n, "before"), attr<Shape>(n, "after")))};
}
Names conv(Writer& w, const Node& n, const char*) {
  const int rank = w.shape(n.in[0]).rank();
  const std::string y = w.add("Conv", {w.permuted(n.in[0], channels_first(rank)), kernel(w, n)}, window_attributes(n));
  return {channels_last(w, y, rank)};
}
Names conv_transpose(Writer& w, const Node& n, const char*) {
  const Shape &x = w.shape(n.in[0]), &y = w.shape(n.out[0]), &k = w.shape(n.in[1]);
  const Shape strides = attr<Shape>(n, "strides"), dilations = attr<Shape>(n, "dilations");
  const Shape before = attr<Shape>(n, "before"), after = attr<Shape>(n, "after");
  Integers more;
  for (int d = 0; d < strides.rank(); ++d) {
    if (w.is_open(x[d + 1])) refuse(n, "unknown spatial sizes cannot be written");
    more.push_back(y[d + 1] - ((x[d + 1] - 1) * strides[d] + (k[d] - 1) * dilations[d] + 1 - before[d] - after[d]));
  }
  auto attributes = window_attributes(n);
  attributes.push_back(attribute("output_padding", more));
  const std::string out =
      w.add("ConvTranspose", {w.permuted(n.in[0], channels_first(x.rank())), kernel(w, n)}, attributes);
  return {channels_last(w, out, x.rank())};
}
// Always three spatial dimensions here: [N, D, H, W, C].
Names pool(Writer& w, const Node& n, const char* to) {
  const Shape input = attr<Shape>(n, "input"), size = attr<Shape>(n, "size"), strides = attr<Shape>(n, "strides");
  const Shape before = attr<Shape>(n, "before"), output = attr<Shape>(n, "output");
  if (w.is_open(input)) refuse(n, "unknown spatial sizes cannot be written");
  Shape after;
  for (int d = 0; d < size.rank(); ++d)
    after.push_back(std::max<std::int64_t>((output[d] - 1) * strides[d] + size[d] - input[d] - before[d], 0));
  const std::string y = w.add(to, {w.permuted(n.in[0], channels_first(5))},
                              {attribute("kernel_shape", size.to_vector()), attribute("strides", strides.to_vector()),
                               attribute("pads", pads_of(before, after))});
  return {channels_last(w, y, 5)};
}

// x, mean, variance, scale, offset, as what they are made of: their shapes are free.
Names batch_norm(Writer& w, const Node& n, const char*) {
  const DType wide = w.spec(n.in[1]).dtype;
  const std::string deviation =
      w.add("Sqrt", {w.add("Add", {w.name(n.in[2]), w.number(attr<double>(n, "epsilon"), wide)})});
  const std::string factor = w.add("Div", {w.name(n.in[3]), deviation});
  const std::string apart = w.add("Sub", {w.as(n.in[0], wide), w.name(n.in[1])});
  const std::string y = w.add("Add", {w.add("Mul", {apart, factor}), w.name(n.in[4])});
  if (w.spec(n.out[0]).dtype == wide) return {y};
  return {w.add("Cast", {y}, {attribute("to", std::int64_t(type_of(w.spec(n.out[0]).dtype)))})};
}
// x [N, ..., C] as [N, places, groups, C / groups].
std::string grouped(Writer& w, const std::string& x, std::int64_t channels, std::int64_t groups) {
  return w.add("Reshape", {x, w.constant(Integers{0, -1, groups, channels / groups})});
}
Names moments(Writer& w, const Node& n, const char*) {
  const Shape& shape = w.shape(n.in[0]);
  const std::int64_t groups = attr<std::int64_t>(n, "groups");
  std::string x = w.as(n.in[0], w.spec(n.out[0]).dtype);
  Integers axes{1, 3};
  if (groups) x = grouped(w, x, shape.back(), groups);
  else axes.clear();
  for (int d = 0; !groups && d + 1 < shape.rank(); ++d) axes.push_back(d);
  auto mean = [&](const std::string& of, std::int64_t keepdims) {
    return w.add("ReduceMean", {of}, {attribute("axes", axes), attribute("keepdims", keepdims)});
  };
  const std::string apart = w.add("Sub", {x, mean(x, 1)});
  return {mean(x, 0), mean(w.add("Mul", {apart, apart}), 0)};
}
// x, mean [N, groups], variance, scale [C], offset.
Names group_norm(Writer& w, const Node& n, const char*) {
  const DType wide = w.spec(n.in[1]).dtype;
  const Shape& shape = w.shape(n.in[0]);
  auto spread = [&](int value) { return w.add("Unsqueeze", {w.name(value), w.constant(Integers{1, 3})}); };
  const std::string deviation =
      w.add("Sqrt", {w.add("Add", {spread(n.in[2]), w.number(attr<double>(n, "epsilon"), wide)})});
  const std::string x = grouped(w, w.as(n.in[0], wide), shape.back(), w.shape(n.in[1])[1]);
  const std::string even = w.add("Div", {w.add("Sub", {x, spread(n.in[1])}), deviation});
  const std::string back = w.add("Reshape", {even, w.sizes(shape, true)});
  const std::string y = w.add("Add", {w.add("Mul", {back, w.as(n.in[3], wide)}), w.as(n.in[4], wide)});
  if (w.spec(n.out[0]).dtype == wide) return {y};
  return {w.add("Cast", {y}, {attribute("to", std::int64_t(type_of(w.spec(n.out[0]).dtype)))})};
}
Names layer_norm(Writer& w, const Node& n, const char*) {
  if (attr<std::int64_t>(n, "groups") != 1) refuse(n, "groups cannot be written");
  return {w.add("LayerNormalization", {w.name(n.in[0]), w.name(n.in[1]), w.name(n.in[2])},
                {attribute("axis", std::int64_t(-1)), attribute("epsilon", attr<double>(n, "epsilon"))})};
}
Names rms_norm(Writer& w, const Node& n, const char*) {
  if (attr<std::int64_t>(n, "groups") != 1) refuse(n, "groups cannot be written");
  const std::string x = w.name(n.in[0]);
  const std::string squares = w.add("ReduceMean", {w.add("Mul", {x, x})}, {attribute("axes", Integers{-1})});
  const std::string size =
      w.add("Sqrt", {w.add("Add", {squares, w.number(attr<double>(n, "epsilon"), w.spec(n.in[0]).dtype)})});
  return {w.add("Mul", {w.add("Div", {x, size}), w.name(n.in[1])})};
}

constexpr WriteRow rows[] = {
    {"argmax", arg, "ArgMax"},
    {"argmin", arg, "ArgMin"},
    {"astype", astype},
    {"avg_pool", pool, "AveragePool"},
    {"batch_norm", batch_norm},
    {"broadcast_to", broadcast},
    {"concat", concat},
    {"contiguous", identity},
    {"conv", conv},
    {"conv_input_gradient", conv_transpose},
    {"cumulative_sum", cumulative_sum},
    {"embedding_lookup", take},
    {"flip", flip},
    {"group_norm", group_norm},
    {"layer_norm", layer_norm},
    {"log_softmax", along, "LogSoftmax"},
    {"logsumexp", reduce, "ReduceLogSumExp"},
    {"matmul", matmul},
    {"max", reduce, "ReduceMax"},
    {"max_pool", pool, "MaxPool"},
    {"min", reduce, "ReduceMin"},
    {"moments", moments},
    {"narrow", narrow},
    {"pad", pad},
    {"permute_dims", permute},
    {"prod", reduce, "ReduceProd"},
    {"reshape", reshape},
    {"rms_norm", rms_norm},
    {"softmax", along, "Softmax"},
    {"split", split},
    {"stack", concat},
    {"stop_gradient", identity},
    {"strided_slice", strided_slice},
    {"sum", reduce, "ReduceSum"},
    {"take", take},
    {"triangle", triangle},
    {"unstack", split},
};

}  // namespace

std::span<const WriteRow> written_others() { return rows; }

}  // namespace tapir::onnx::detail
