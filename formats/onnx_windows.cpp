// ONNX: convolutions, their transposes, pooling. ONNX has channels first, as DataFormat::channels_first.
#include <tapir/formats/onnx_call.h>
#include <tapir/ops/conv.h>
#include <tapir/ops/create.h>
#include <tapir/ops/index.h>
#include <tapir/ops/padding.h>
#include <tapir/ops/pool.h>

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace tapir::onnx::detail {

namespace {

// The attributes that all windows share, for one or more spatial dimensions.
struct Window {
  Shape kernel, strides, dilations, before, after;
  int spatial() const { return kernel.rank(); }
  std::int64_t extent(int d) const { return (kernel[d] - 1) * dilations[d] + 1; }
  Padding padding() const {
    switch (spatial()) {
      case 1:
        return {{before[0], after[0]}};
      case 2:
        return {{before[0], after[0]}, {before[1], after[1]}};
      default:
        return {{before[0], after[0]}, {before[1], after[1]}, {before[2], after[2]}};
    }
  }
};

Shape per_axis(const Call& c, const char* name, int spatial, std::int64_t least) {
  const Shape s(c.integers(name, Integers(static_cast<std::size_t>(spatial), 1)));
  if (s.rank() != spatial) c.fail(fmt::format("{} {} for {} spatial dimensions", name, s.str(), spatial));
  for (auto v : s)
    if (v < least) c.fail(fmt::format("{} {}", name, s.str()));
  return s;
}

// `auto_pad` or `pads`; `ceil_mode` makes the last window whole by padding at the end.
Window window_of(const Call& c, const Shape& kernel, const Shape& input) {
  Window w;
  w.kernel = kernel;
  const int spatial = kernel.rank();
  if (spatial < 1 || spatial > 3 || input.rank() != spatial + 2)
    c.fail(
        fmt::format("a window {} over {}; one to three spatial dimensions are supported", kernel.str(), input.str()));
  w.strides = per_axis(c, "strides", spatial, 1);
  w.dilations = per_axis(c, "dilations", spatial, 1);
  const std::string automatic = c.text("auto_pad", "NOTSET");
  const Integers pads = c.integers("pads", Integers(static_cast<std::size_t>(2 * spatial), 0));
  if (pads.size() != std::size_t(2 * spatial)) c.fail(fmt::format("{} pads", pads.size()));
  for (int d = 0; d < spatial; ++d) {
    std::int64_t before = pads[std::size_t(d)], after = pads[std::size_t(d + spatial)];
    const std::int64_t size = input[d + 2];
    if (automatic == "VALID") before = after = 0;
    else if (automatic != "NOTSET") {
      const std::int64_t windows = (size + w.strides[d] - 1) / w.strides[d];
      const std::int64_t all = std::max<std::int64_t>((windows - 1) * w.strides[d] + w.extent(d) - size, 0);
      before = automatic == "SAME_LOWER" ? all - all / 2 : all / 2;
      after = all - before;
    }
    if (c.flag("ceil_mode")) {
      const std::int64_t beyond = size + before + after - w.extent(d);
      if (const std::int64_t rest = beyond % w.strides[d]; beyond > 0 && rest) after += w.strides[d] - rest;
    }
    w.before.push_back(before), w.after.push_back(after);
  }
  return w;
}

// [K, C, d...] as our kernels lie: [d..., C, K].
Tensor spatial_first(const Tensor& kernel) {
  Axes order;
  for (int d = 2; d < kernel.rank(); ++d) order.push_back(d);
  order.push_back(1), order.push_back(0);
  return permute_dims(kernel, order);
}

Tensor with_bias(const Call& c, const Tensor& y, std::size_t input = 2) {
  if (!c.has(input)) return y;
  Shape s = Shape::filled(y.rank(), 1);
  s[1] = c[input].size();
  return y + reshape(c[input], s);
}

Tensor convolved(const Call& c, const Tensor& x, const Tensor& kernel) {
  if (kernel.rank() < 3) c.fail("the kernel " + kernel.shape().str() + " has no spatial dimensions");
  const Window w = window_of(c, kernel.shape().last(kernel.rank() - 2), x.shape());
  const ConvOptions options{.strides = w.strides,
                            .padding = w.padding(),
                            .dilations = w.dilations,
                            .groups = c.integer("group", 1),
                            .data_format = DataFormat::channels_first};
  auto* conv = w.spatial() == 1 ? conv1d : w.spatial() == 2 ? conv2d : conv3d;
  return conv(x, spatial_first(kernel), options, Where());
}
Results conv(const Call& c) { return {with_bias(c, convolved(c, c[0], c[1]))}; }

// Whole numbers minus their zero points. f32 counts exactly up to 2^24, which no sum of products of bytes over fewer
// than 256 elements leaves; f64 for all.
Results conv_integer(const Call& c) {
  Tensor x = c[0].astype(DType::f64), kernel = c[1].astype(DType::f64);
  if (c.has(2)) x = x - c[2].astype(DType::f64);
  if (c.has(3)) {
    const Tensor zero = c[3].astype(DType::f64);
    Shape s = Shape::filled(kernel.rank(), 1);
    s[0] = zero.size();
    kernel = kernel - reshape(zero, s);
  }
  return {convolved(c, x, kernel).astype(DType::i32)};
}

Results conv_transpose(const Call& c) {
  const Tensor &x = c[0], &kernel = c[1];
  if (kernel.rank() < 3 || kernel.rank() > 5 || x.rank() != kernel.rank())
    c.fail(fmt::format("a kernel {} on {}", kernel.shape().str(), x.shape().str()));
  const int spatial = kernel.rank() - 2;
  Window w;
  w.kernel = kernel.shape().last(spatial);
  w.strides = per_axis(c, "strides", spatial, 1), w.dilations = per_axis(c, "dilations", spatial, 1);
  const Integers none_(static_cast<std::size_t>(spatial), 0);
  const Integers more = c.integers("output_padding", none_), asked = c.integers("output_shape");
  const Integers pads = c.integers("pads", Integers(static_cast<std::size_t>(2 * spatial), 0));
  const std::string automatic = c.text("auto_pad", "NOTSET");
  if (pads.size() != std::size_t(2 * spatial) || more.size() != std::size_t(spatial) ||
      (!asked.empty() && asked.size() < std::size_t(spatial)))
    c.fail("pads, output_padding and output_shape must fit the kernel");
  Shape size;
  for (int d = 0; d < spatial; ++d) {
    const auto i = std::size_t(d);
    const std::int64_t whole = w.strides[d] * (x.shape()[d + 2] - 1) + more[i] + w.extent(d);
    std::int64_t before = pads[i], after = pads[i + std::size_t(spatial)], out = whole - before - after;
    if (!asked.empty() || automatic.starts_with("SAME")) {
      out = asked.empty() ? x.shape()[d + 2] * w.strides[d] : asked[asked.size() - std::size_t(spatial) + i];
      const std::int64_t all = std::max<std::int64_t>(whole - out, 0);
      before = automatic == "SAME_UPPER" ? all / 2 : all - all / 2;
      after = all - before;
    }
    w.before.push_back(before), w.after.push_back(after), size.push_back(out);
  }
  const ConvTransposeOptions options{.strides = w.strides,
                                     .padding = w.padding(),
                                     .dilations = w.dilations,
                                     .groups = c.integer("group", 1),
                                     .data_format = DataFormat::channels_first,
                                     .output_size = size};
  auto* transposed = spatial == 1 ? conv1d_transpose : spatial == 2 ? conv2d_transpose : conv3d_transpose;
  return {with_bias(c, transposed(x, spatial_first(kernel), options, Where()))};
}

Window pool_window(const Call& c) { return window_of(c, Shape(c.integers("kernel_shape")), c[0].shape()); }

Tensor padded(const Tensor& x, const Window& w, double value) {
  Paddings widths(2);
  for (int d = 0; d < w.spatial(); ++d) widths.emplace_back(w.before[d], w.after[d]);
  return pad(x, widths, {.value = value});
}

// Windows with holes: the largest of the strided slices that make up all windows.
Tensor dilated_max(const Tensor& x, const Window& w) {
  const Tensor all = padded(x, w, -std::numeric_limits<double>::infinity());
  Shape size = x.shape(), step = Shape::filled(x.rank(), 1);
  for (int d = 0; d < w.spatial(); ++d) {
    size[d + 2] = (all.shape()[d + 2] - w.extent(d)) / w.strides[d] + 1;
    step[d + 2] = w.strides[d];
  }
  Tensor largest;
  for (std::int64_t i = 0; i < w.kernel.size(); ++i) {
    Shape begin = Shape::filled(x.rank(), 0);
    std::int64_t rest = i;
    for (int d = w.spatial() - 1; d >= 0; --d) {
      begin[d + 2] = rest % w.kernel[d] * w.dilations[d];
      rest /= w.kernel[d];
    }
    const Tensor part = strided_slice(all, begin, size, step);
    largest = i ? maximum(largest, part) : part;
  }
  return largest;
}

Results max_pool(const Call& c) {
  const Window w = pool_window(c);
  const Tensor x = is_floating(c[0].dtype()) ? c[0] : c[0].astype(DType::f32);
  const PoolOptions options{.strides = w.strides, .padding = w.padding(), .data_format = DataFormat::channels_first};
  auto* pool = w.spatial() == 1 ? max_pool1d : w.spatial() == 2 ? max_pool2d : max_pool3d;
  const Tensor y =
      w.dilations == Shape::filled(w.spatial(), 1) ? pool(x, w.kernel, options, Where()) : dilated_max(x, w);
  return {y.astype(c[0].dtype())};
}

Results average_pool(const Call& c) {
  Window w = pool_window(c);
  if (w.dilations != Shape::filled(w.spatial(), 1)) c.fail("dilations are not supported");
  Tensor x = c[0];
  if (c.flag("count_include_pad")) {  // zeros that count; what ceil_mode adds beyond them does not
    const Integers pads = c.integers("pads");
    Window zeros = w;
    for (int d = 0; d < w.spatial(); ++d) {
      const auto end = std::size_t(d + w.spatial());
      if (end < pads.size()) zeros.after[d] = pads[end];
      w.after[d] -= zeros.after[d], w.before[d] = 0;
    }
    x = padded(x, zeros, 0);
  }
  const PoolOptions options{.strides = w.strides, .padding = w.padding(), .data_format = DataFormat::channels_first};
  auto* pool = w.spatial() == 1 ? avg_pool1d : w.spatial() == 2 ? avg_pool2d : avg_pool3d;
  return {pool(x, w.kernel, options, Where())};
}

Results global_average(const Call& c) {
  return {global_avg_pool(c[0], {.keepdims = true, .data_format = DataFormat::channels_first})};
}
Results global_max(const Call& c) {
  return {global_max_pool(c[0], {.keepdims = true, .data_format = DataFormat::channels_first})};
}

constexpr Row rows[] = {
    {"AveragePool", average_pool},
    {"Conv", conv},
    {"ConvInteger", conv_integer},
    {"ConvTranspose", conv_transpose},
    {"GlobalAveragePool", global_average},
    {"GlobalMaxPool", global_max},
    {"MaxPool", max_pool},
};

}  // namespace

std::span<const Row> window_rows() { return rows; }

}  // namespace tapir::onnx::detail
