#include <tapir/ops/conv_attrs.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <algorithm>

namespace tapir {

const char* name_of(ConvAlgorithm algorithm) {
  switch (algorithm) {
    case ConvAlgorithm::automatic:
      return "automatic";
    case ConvAlgorithm::small_channels:
      return "small_channels";
    case ConvAlgorithm::depthwise:
      return "depthwise";
    case ConvAlgorithm::winograd:
      return "winograd";
    case ConvAlgorithm::direct:
      return "direct";
    case ConvAlgorithm::gemm_1x1:
      return "gemm_1x1";
    case ConvAlgorithm::im2col:
      return "im2col";
    case ConvAlgorithm::bf16:
      return "bf16";
    default:
      return "reference";
  }
}

std::string ConvPlan::str() const {
  return fmt::format("{} ({}{}{}{}{})", name_of(algorithm), why, passed_by.empty() ? "" : "; passed by ", passed_by,
                     precision.empty() ? "" : "; precision ", precision);
}

static thread_local constinit ConvAlgorithm scope_algorithm = ConvAlgorithm::automatic;
ConvAlgorithmScope::ConvAlgorithmScope(ConvAlgorithm algorithm) : outer_(scope_algorithm) {
  scope_algorithm = algorithm;
}
ConvAlgorithmScope::~ConvAlgorithmScope() { scope_algorithm = outer_; }

namespace {

Shape spatial_of(const Shape& s) { return Shape(s.dims().subspan(1, std::size_t(s.rank() - 2))); }  // of [N, ..., C]
Shape with_ends(std::int64_t first, const Shape& middle, std::int64_t last) {
  return Shape{first}.concat(middle).concat(Shape{last});
}

const char* row_name(int spatial) {
  static constexpr const char* names[] = {"conv1d", "conv2d", "conv3d"};
  return spatial >= 1 && spatial <= 3 ? names[spatial - 1] : "conv";
}
// How errors spell a layout.
std::string layout(int spatial, bool first) {
  std::string dims = spatial == 1 ? "W" : spatial == 2 ? "HW" : "DHW";
  return first ? "NC" + dims : "N" + dims + "C";
}

void check_dtypes(const char* op, DType x, DType kernel) {
  if (!is_floating(x))
    throw DTypeError(fmt::format("{}: needs floats, got {}. Cast: x.astype(DType::f32).", op, name_of(x)));
  if (x != kernel)
    throw DTypeError(fmt::format("{}: dtypes differ, {} vs {}. Cast one side: kernel.astype(DType::{}).", op,
                                 name_of(x), name_of(kernel), name_of(x)));
}

// x: [N, ..., C] (channels second if `first`); kernel: [..., C / groups, K].
void check_channels(const char* op, const Shape& x, const Shape& kernel, std::int64_t groups, int spatial, bool first) {
  if (x.rank() != spatial + 2)
    throw ShapeError(
        fmt::format("{}: input needs rank {} ({}), got {}.", op, spatial + 2, layout(spatial, first), x.str()));
  auto filters = [&] { return layout(spatial, false).substr(1, std::size_t(spatial)) + "IO"; };
  if (kernel.rank() != spatial + 2)
    throw ShapeError(fmt::format("{}: kernel needs rank {} ({}), got {}.", op, spatial + 2, filters(), kernel.str()));
  if (groups < 1) throw ShapeError(fmt::format("{}: groups must be at least 1, got {}.", op, groups));
  std::int64_t c = x[first ? 1 : spatial + 1], k = kernel[spatial + 1];
  if (c != kernel[spatial] * groups)
    throw ShapeError(
        fmt::format("{}: input has {} channels but kernel expects {} (input {} {}, kernel {} {}, groups {}).", op, c,
                    kernel[spatial] * groups, x.str(), layout(spatial, first), kernel.str(), filters(), groups));
  if (c < 1 || k < 1)
    throw ShapeError(fmt::format("{}: needs at least 1 channel (input {} {}, kernel {} {}).", op, x.str(),
                                 layout(spatial, first), kernel.str(), filters()));
  if (k % groups)
    throw ShapeError(fmt::format("{}: {} output channels do not split into {} groups (kernel {} {}).", op, k, groups,
                                 kernel.str(), filters()));
}

// What the functions below see to, and a file may not have seen to.
void check_attrs(const char* op, const ConvAttrs& a, Inputs in) {
  constexpr std::int64_t most = std::int64_t(1) << 40;  // as window_of
  const int spatial = a.strides.rank();
  bool fine = spatial >= 1 && a.groups >= 1 && a.groups <= most;
  for (const Shape* s : {&a.strides, &a.dilations, &a.before, &a.after}) {
    fine &= s->rank() == spatial;
    const std::int64_t least = s == &a.strides || s == &a.dilations ? 1 : 0;
    for (std::int64_t v : *s) fine &= v >= least && v <= most;
  }
  if (!fine)
    throw ShapeError(fmt::format("{}: strides, dilations, padding or groups are those of no convolution.", op));
  for (std::size_t i = 0; i < in.size(); ++i)
    if (in[i].rank() != spatial + 2)
      throw ShapeError(fmt::format("{}: needs rank {}, got {}.", op, spatial + 2, in[i].shape().str()));
}

void check_padding(const char* op, const Padding& padding, int spatial) {
  if (padding.mode() == Padding::Mode::explicit_amounts && padding.rank() != spatial)
    throw ShapeError(fmt::format("{}: padding needs {} pairs, got {}.", op, spatial, padding.rank()));
}

// One dimension with the padding worked out already.
std::int64_t output_of(const char* op, const ConvAttrs& a, int d, std::int64_t input, std::int64_t kernel) {
  constexpr std::int64_t most = std::int64_t(1) << 40;
  if (kernel < 1 || kernel > most / a.dilations[d] || input > most)
    throw ShapeError(fmt::format("{}: a window of {} (dilation {}) over {} is too large, or none.", op, kernel,
                                 a.dilations[d], input));
  std::int64_t extent = (kernel - 1) * a.dilations[d] + 1, room = input + a.before[d] + a.after[d] - extent;
  if (room < 0 && input == 0) return 0;  // Padding::same of nothing is nothing
  if (room < 0)
    throw ShapeError(fmt::format("{}: a window of {} (dilation {}) does not fit size {} padded by {} and {}.", op,
                                 kernel, a.dilations[d], input, a.before[d], a.after[d]));
  return room / a.strides[d] + 1;
}
// Spatial sizes of conv(x, kernel).
Shape outputs_of(const char* op, const ConvAttrs& a, const Shape& in, const Shape& kernel) {
  Shape out;
  for (int d = 0; d < in.rank(); ++d) out.push_back(output_of(op, a, d, in[d], kernel[d]));
  return out;
}
void check_outputs(const char* op, const ConvAttrs& a, const Shape& in, const Shape& kernel, const Shape& out) {
  if (in.rank() != kernel.rank() || in.rank() != a.strides.rank())
    throw ShapeError(fmt::format("{}: sizes {} are not those of its operands.", op, a.sizes.str()));
  Shape expected = outputs_of(op, a, in, kernel);
  if (!(expected == out))
    throw ShapeError(fmt::format("{}: a convolution of size {} with a kernel of {} gives {}, not {}.", op, in.str(),
                                 kernel.str(), expected.str(), out.str()));
}

ConvAttrs with_sizes(ConvAttrs a, const Shape& sizes) {
  a.sizes = sizes;
  return a;
}

extern const OpDef conv_op, conv_input_gradient_op, conv_kernel_gradient_op;

Tensor run_conv(const Tensor& x, const Tensor& kernel, const ConvAttrs& a) {
  return apply(conv_op, {x, kernel}, a, Where::current());
}
// dy [N, out..., K], kernel -> [N, sizes..., C]
Tensor run_input_gradient(const Tensor& dy, const Tensor& kernel, const ConvAttrs& a, const Shape& sizes) {
  return apply(conv_input_gradient_op, {dy, kernel}, with_sizes(a, sizes), Where::current());
}
// x [N, in..., C], dy [N, out..., K] -> [sizes..., C / groups, K]
Tensor run_kernel_gradient(const Tensor& x, const Tensor& dy, const ConvAttrs& a, const Shape& sizes) {
  return apply(conv_kernel_gradient_op, {x, dy}, with_sizes(a, sizes), Where::current());
}

// y is linear in x and in the kernel, so the three rows are each other's derivatives: of any order.
const OpDef conv_op = {
    .name = "conv",
    .infer =
        [](Inputs in, Attrs attrs, Specs& out) {
          const auto& a = attrs.as<ConvAttrs>();
          const Shape &x = in[0].shape(), &w = in[1].shape();
          const char* name = row_name(a.strides.rank());
          check_dtypes(name, in[0].dtype(), in[1].dtype());
          check_channels(name, x, w, a.groups, a.strides.rank(), false);
          check_attrs(name, a, in);
          out.push_back(
              {with_ends(x[0], outputs_of(name, a, spatial_of(x), w.first(w.rank() - 2)), w.back()), in[0].dtype()});
        },
    .kernel = {cpu::conv},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      const auto& a = n.attrs.as<ConvAttrs>();
      const Shape &x = n.in(0).shape(), &w = n.in(1).shape();
      return {n.wants(0) ? run_input_gradient(dy[0], n.in(1), a, spatial_of(x)) : Tensor(),
              n.wants(1) ? run_kernel_gradient(n.in(0), dy[0], a, w.first(w.rank() - 2)) : Tensor()};
    },
    .saves = Saves::inputs,
    .needs_contiguous = true,
    .half_via_f32 = true,
    .attrs = &attrs_type<ConvAttrs>,
    .flops = [](const Call& c) { return conv_flops(c.in[0].shape(), c.in[1].shape(), c.attrs.as<ConvAttrs>()); },
};

const OpDef conv_input_gradient_op = {
    .name = "conv_input_gradient",
    .infer =
        [](Inputs in, Attrs attrs, Specs& out) {
          const auto& a = attrs.as<ConvAttrs>();
          const Shape &dy = in[0].shape(), &w = in[1].shape();
          const char* name = "conv_input_gradient";
          check_dtypes(name, in[0].dtype(), in[1].dtype());
          check_attrs(name, a, in);
          Shape x = with_ends(dy[0], a.sizes, w[w.rank() - 2] * a.groups);
          check_channels(name, x, w, a.groups, a.strides.rank(), false);
          check_outputs(name, a, a.sizes, w.first(w.rank() - 2), spatial_of(dy));
          if (dy.back() != w.back())
            throw ShapeError(fmt::format("{}: gradient has {} channels but kernel gives {} (gradient {}, kernel {}).",
                                         name, dy.back(), w.back(), dy.str(), w.str()));
          out.push_back({x, in[0].dtype()});
        },
    .kernel = {cpu::conv_input_gradient},
    .gradient = [](const Node& n, std::span<const Tensor> g) -> Tensors {
      const auto& a = n.attrs.as<ConvAttrs>();
      const Shape& w = n.in(1).shape();
      return {n.wants(0) ? run_conv(g[0], n.in(1), a) : Tensor(),
              n.wants(1) ? run_kernel_gradient(g[0], n.in(0), a, w.first(w.rank() - 2)) : Tensor()};
    },
    .saves = Saves::inputs,
    .needs_contiguous = true,
    .half_via_f32 = true,
    .attrs = &attrs_type<ConvAttrs>,
    .flops = [](const Call& c) { return conv_flops(c.out[0].shape(), c.in[1].shape(), c.attrs.as<ConvAttrs>()); },
};

const OpDef conv_kernel_gradient_op = {
    .name = "conv_kernel_gradient",
    .infer =
        [](Inputs in, Attrs attrs, Specs& out) {
          const auto& a = attrs.as<ConvAttrs>();
          const Shape &x = in[0].shape(), &dy = in[1].shape();
          const char* name = "conv_kernel_gradient";
          check_dtypes(name, in[0].dtype(), in[1].dtype());
          check_attrs(name, a, in);
          Shape w = a.sizes.concat(Shape{x.back() / a.groups, dy.back()});
          check_channels(name, x, w, a.groups, a.strides.rank(), false);
          check_outputs(name, a, spatial_of(x), a.sizes, spatial_of(dy));
          if (x[0] != dy[0])
            throw ShapeError(
                fmt::format("{}: batches differ, {} vs {} ({} and {}).", name, x[0], dy[0], x.str(), dy.str()));
          out.push_back({w, in[0].dtype()});
        },
    .kernel = {cpu::conv_kernel_gradient},
    .gradient = [](const Node& n, std::span<const Tensor> g) -> Tensors {
      const auto& a = n.attrs.as<ConvAttrs>();
      return {n.wants(0) ? run_input_gradient(n.in(1), g[0], a, spatial_of(n.in(0).shape())) : Tensor(),
              n.wants(1) ? run_conv(n.in(0), g[0], a) : Tensor()};
    },
    .saves = Saves::inputs,
    .needs_contiguous = true,
    .half_via_f32 = true,
    .attrs = &attrs_type<ConvAttrs>,
    .flops = [](const Call& c) { return conv_flops(c.in[0].shape(), c.out[0].shape(), c.attrs.as<ConvAttrs>()); },
};

Shape channels_last(const Shape& s, bool first) { return first ? with_ends(s[0], s.last(s.rank() - 2), s[1]) : s; }
Tensor channels_last(const Tensor& x, bool first) {
  if (!first) return x;
  Axes axes{0};
  for (int i = 2; i < x.rank(); ++i) axes.push_back(i);
  axes.push_back(1);
  return permute_dims(x, axes);
}
Tensor channels_back(const Tensor& y, bool first) {
  if (!first) return y;
  Axes axes{0, y.rank() - 1};
  for (int i = 1; i + 1 < y.rank(); ++i) axes.push_back(i);
  return permute_dims(y, axes);
}

DType kernel_dtype(DType d) { return is_half(d) ? DType::f32 : d; }

ConvAlgorithm algorithm_of(ConvAlgorithm asked) { return asked == ConvAlgorithm::automatic ? scope_algorithm : asked; }
// An algorithm named in the options must be able to; a scope is only a wish.
void check_algorithm(const char* op, ConvAlgorithm asked, const Shape& x, const Shape& kernel, const Shape& y,
                     const ConvAttrs& a, DType dtype, ConvDirection direction) {
  if (asked == ConvAlgorithm::automatic) return;
  std::string why = cpu::conv_refusal(x, kernel, y, a, kernel_dtype(dtype), direction);
  if (!why.empty()) throw UsageError(fmt::format("{}: algorithm {} cannot compute it: {}.", op, name_of(asked), why));
}

// Strides, dilations and padding of a convolution from `in` (spatial sizes).
ConvAttrs attrs_for(const char* op, const ConvOptions& o, const Shape& in, const Shape& kernel, DType dtype) {
  const int spatial = in.rank();
  check_padding(op, o.padding, spatial);
  ConvAttrs a;
  a.strides = detail::per_dimension(op, "strides", o.strides, spatial, 1);
  a.dilations = detail::per_dimension(op, "dilations", o.dilations, spatial, 1);
  for (int d = 0; d < spatial; ++d) {
    auto w = detail::window_of(op, o.padding, d, in[d], kernel[d], a.strides[d], a.dilations[d]);
    a.before.push_back(w.before);
    a.after.push_back(w.after);
    a.sizes.push_back(w.output);
  }
  a.groups = o.groups;
  a.algorithm = algorithm_of(o.algorithm);
  if (dtype == DType::f32) a.precision = o.precision.value_or(matmul_precision());
  return a;
}

// Checks everything; x and kernel may be specs.
ConvAttrs check_conv(const char* op, int spatial, const TensorSpec& x, const TensorSpec& kernel, const ConvOptions& o,
                     ConvDirection direction) {
  const bool first = o.data_format == DataFormat::channels_first;
  check_channels(op, x.shape, kernel.shape, o.groups, spatial, first);
  check_dtypes(op, x.dtype, kernel.dtype);
  Shape last = channels_last(x.shape, first);
  ConvAttrs a = attrs_for(op, o, spatial_of(last), kernel.shape.first(spatial), x.dtype);
  check_algorithm(op, o.algorithm, last, kernel.shape, with_ends(last[0], a.sizes, kernel.shape.back()), a, x.dtype,
                  direction);
  return a;
}

Tensor conv(const char* op, int spatial, const Tensor& x, const Tensor& kernel, const ConvOptions& o,
            const Where& where) {
  CallSite site(where);
  ConvAttrs a = check_conv(op, spatial, x.spec(), kernel.spec(), o, ConvDirection::forward);
  a.sizes = {};
  const bool first = o.data_format == DataFormat::channels_first;
  return channels_back(run_conv(channels_last(x, first), kernel, a), first);
}

// Keras' and TensorFlow's output size of a transposed convolution.
Shape transposed_sizes(const char* op, const ConvTransposeOptions& o, const Shape& in, const Shape& kernel,
                       const Shape& strides, const Shape& dilations) {
  const int spatial = in.rank();
  if (!o.output_size.empty()) {
    if (!o.output_padding.empty())
      throw UsageError(fmt::format("{}: give output_size or output_padding, not both.", op));
    if (o.output_size.rank() != spatial)
      throw ShapeError(fmt::format("{}: output_size needs {} values, got {}.", op, spatial, o.output_size.str()));
    return o.output_size;
  }
  const bool given = !o.output_padding.empty();
  Shape extra = detail::per_dimension(op, "output_padding", o.output_padding, spatial, 0), out;
  for (int d = 0; d < spatial; ++d) {
    const std::int64_t extent = (kernel[d] - 1) * dilations[d] + 1;
    if (given && (extra[d] < 0 || extra[d] >= strides[d]))
      throw ShapeError(fmt::format("{}: output_padding must be from 0 to stride - 1, got {} with stride {}.", op,
                                   extra[d], strides[d]));
    switch (o.padding.mode()) {
      case Padding::Mode::same:
        out.push_back(given ? (in[d] - 1) * strides[d] + extent - 2 * (extent / 2) + extra[d] : in[d] * strides[d]);
        break;
      case Padding::Mode::valid:
        out.push_back(given ? (in[d] - 1) * strides[d] + extent + extra[d]
                            : in[d] * strides[d] + std::max<std::int64_t>(extent - strides[d], 0));
        break;
      default:
        out.push_back((in[d] - 1) * strides[d] + extent - o.padding.before(d) - o.padding.after(d) + extra[d]);
    }
  }
  return out;
}

Tensor conv_transpose(const char* op, int spatial, const Tensor& x, const Tensor& kernel, const ConvTransposeOptions& o,
                      const Where& where) {
  CallSite site(where);
  const bool first = o.data_format == DataFormat::channels_first;
  const Shape& w = kernel.shape();
  if (x.rank() != spatial + 2 || w.rank() != spatial + 2)
    throw ShapeError(
        fmt::format("{}: input and kernel need rank {}, got {} and {}.", op, spatial + 2, x.shape().str(), w.str()));
  Shape in = channels_last(x.shape(), first);
  if (in.back() != w.back())
    throw ShapeError(
        fmt::format("{}: input has {} channels but kernel expects {} (input {} {}, kernel {} {}OI, groups {}).", op,
                    in.back(), w.back(), x.shape().str(), layout(spatial, first), w.str(),
                    layout(spatial, false).substr(1, std::size_t(spatial)), o.groups));
  check_dtypes(op, x.dtype(), kernel.dtype());
  check_padding(op, o.padding, spatial);
  Shape strides = detail::per_dimension(op, "strides", o.strides, spatial, 1);
  Shape dilations = detail::per_dimension(op, "dilations", o.dilations, spatial, 1);
  for (int d = 0; d < spatial; ++d)  // before sizes are computed from them
    (void)detail::window_of(op, Padding::same, d, 1, w[d], strides[d], dilations[d]);
  Shape size = transposed_sizes(op, o, spatial_of(in), w.first(spatial), strides, dilations);
  for (auto s : size)
    if (s < 0) throw ShapeError(fmt::format("{}: the padding leaves nothing of the output, {}.", op, size.str()));
  ConvOptions forward{strides, o.padding, dilations, o.groups, DataFormat::channels_last, o.algorithm, o.precision};
  Shape y = with_ends(in[0], size, w[spatial] * o.groups);
  check_channels(op, y, w, o.groups, spatial, false);
  ConvAttrs a = attrs_for(op, forward, size, w.first(spatial), x.dtype());
  check_outputs(op, a, size, w.first(spatial), spatial_of(in));
  check_algorithm(op, o.algorithm, y, w, in, a, x.dtype(), ConvDirection::input_gradient);
  return channels_back(run_input_gradient(channels_last(x, first), kernel, a, size), first);
}

Tensor depthwise(const char* op, const Tensor& x, const Tensor& kernel, ConvOptions o, const Where& where) {
  CallSite site(where);
  const Shape& w = kernel.shape();
  const bool first = o.data_format == DataFormat::channels_first;
  if (x.rank() != 4)
    throw ShapeError(fmt::format("{}: input needs rank 4 ({}), got {}.", op, layout(2, first), x.shape().str()));
  if (w.rank() != 4) throw ShapeError(fmt::format("{}: kernel needs rank 4 (HWCM), got {}.", op, w.str()));
  if (o.groups != 1)
    throw UsageError(
        fmt::format("{}: groups must be left at 1, got {}. Every channel is its own group.", op, o.groups));
  std::int64_t c = x.shape()[first ? 1 : 3];
  if (c != w[2])
    throw ShapeError(fmt::format("{}: input has {} channels but kernel expects {} (input {} {}, kernel {} HWCM).", op,
                                 c, w[2], x.shape().str(), layout(2, first), w.str()));
  o.groups = c;
  return conv(op, 2, x, reshape(kernel, {w[0], w[1], 1, w[2] * w[3]}), o, where);
}

}  // namespace

Tensor conv1d(const Tensor& x, const Tensor& kernel, const ConvOptions& options, Where where) {
  return conv("conv1d", 1, x, kernel, options, where);
}
Tensor conv2d(const Tensor& x, const Tensor& kernel, const ConvOptions& options, Where where) {
  return conv("conv2d", 2, x, kernel, options, where);
}
Tensor conv3d(const Tensor& x, const Tensor& kernel, const ConvOptions& options, Where where) {
  return conv("conv3d", 3, x, kernel, options, where);
}
Tensor conv1d_transpose(const Tensor& x, const Tensor& kernel, const ConvTransposeOptions& options, Where where) {
  return conv_transpose("conv1d_transpose", 1, x, kernel, options, where);
}
Tensor conv2d_transpose(const Tensor& x, const Tensor& kernel, const ConvTransposeOptions& options, Where where) {
  return conv_transpose("conv2d_transpose", 2, x, kernel, options, where);
}
Tensor conv3d_transpose(const Tensor& x, const Tensor& kernel, const ConvTransposeOptions& options, Where where) {
  return conv_transpose("conv3d_transpose", 3, x, kernel, options, where);
}
Tensor depthwise_conv2d(const Tensor& x, const Tensor& kernel, const ConvOptions& options, Where where) {
  return depthwise("depthwise_conv2d", x, kernel, options, where);
}
Tensor separable_conv2d(const Tensor& x, const Tensor& kernel, const Tensor& pointwise, const ConvOptions& options,
                        Where where) {
  CallSite site(where);
  const Shape &w = kernel.shape(), &p = pointwise.shape();
  if (w.rank() != 4 || p.rank() != 4 || p[0] != 1 || p[1] != 1 || p[2] != w[2] * w[3])
    throw ShapeError(
        fmt::format("separable_conv2d: pointwise kernel must be [1, 1, C * M, K], got depthwise {} and "
                    "pointwise {}.",
                    w.str(), p.str()));
  Tensor y = depthwise("separable_conv2d", x, kernel, options, where);
  return conv("separable_conv2d", 2, y, pointwise, {.data_format = options.data_format, .precision = options.precision},
              where);
}

ConvPlan conv2d_plan(const TensorSpec& x, const TensorSpec& kernel, const ConvOptions& options, ConvDirection direction,
                     Where where) {
  CallSite site(where);
  ConvAttrs a = check_conv("conv2d", 2, x, kernel, options, direction);
  Shape last = channels_last(x.shape, options.data_format == DataFormat::channels_first);
  return cpu::conv_plan(last, kernel.shape, with_ends(last[0], a.sizes, kernel.shape.back()), a, kernel_dtype(x.dtype),
                        direction);
}

void autotune_convolutions(const std::string& file) { cpu::conv_autotune(file); }

double conv_flops(const Shape& x, const Shape& kernel, const ConvAttrs& a) {
  const Shape out = outputs_of("conv", a, spatial_of(x), kernel.first(kernel.rank() - 2));
  return 2 * double(x[0]) * double(out.size()) * double(kernel.size());
}

void list_conv(std::vector<const OpDef*>& out) {
  for (auto* o : {&conv_op, &conv_input_gradient_op, &conv_kernel_gradient_op}) out.push_back(o);
}

}  // namespace tapir
