#include <tapir/ops/kernels.h>
#include <tapir/ops/pool.h>
#include <tapir/ops/pool_attrs.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

namespace tapir {
namespace {

Shape with_spatial(const Tensor& x, const Shape& spatial) {
  return {x.shape()[0], spatial[0], spatial[1], spatial[2], x.shape()[4]};
}
const PoolAttrs& attrs_of(const Node& n) { return n.attrs.as<PoolAttrs>(); }

extern const OpDef max_pool_grad_op, avg_pool_grad_op;

// What `pooled` sees to, and a file may not have seen to: x is [N, input..., C] or, of what was pooled, [N, output...,
// C].
void check_pool(const char* op, const PoolAttrs& a, const Tensor& x, const Shape& spatial) {
  constexpr std::int64_t most = std::int64_t(1) << 40;
  bool fine = x.rank() == 5;
  for (const Shape* s : {&a.input, &a.size, &a.strides, &a.before, &a.output}) fine &= s->rank() == 3;
  for (int d = 0; fine && d < 3; ++d) {
    fine = x.shape()[d + 1] == spatial[d] && a.input[d] >= 0 && a.input[d] <= most && a.size[d] >= 1 &&
           a.size[d] <= most && a.strides[d] >= 1 && a.strides[d] <= most && a.before[d] >= 0 &&
           a.before[d] < a.size[d] && a.output[d] >= 0 && a.output[d] <= a.input[d] + a.before[d];
    // The last window begins within the input.
    fine = fine && a.output[d] - 1 <= (a.input[d] + a.before[d] - 1) / a.strides[d];
  }
  if (!fine) throw ShapeError(fmt::format("{}: its sizes are those of no pooling of {}.", op, x.shape().str()));
}

// x at the winners: what max_pool_grad is the transpose of.
const OpDef max_pool_pick_op = {
    .name = "max_pool_pick",
    .infer =
        [](Inputs in, Attrs a, Specs& out) {
          check_pool("max_pool_pick", a.as<PoolAttrs>(), in[0], a.as<PoolAttrs>().input);
          out.push_back({with_spatial(in[0], a.as<PoolAttrs>().output), in[0].dtype()});
        },
    .kernel = {cpu::max_pool_pick},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {apply(max_pool_grad_op, {dy[0], n.in(1)}, attrs_of(n), Where::current()), Tensor()};
    },
    .saves = Saves::inputs,
    .needs_contiguous = true,
    .half_via_f32 = true,
    .attrs = &attrs_type<PoolAttrs>,
};

// (dy, winners) -> dx
const OpDef max_pool_grad_op = {
    .name = "max_pool_grad",
    .infer =
        [](Inputs in, Attrs a, Specs& out) {
          check_pool("max_pool_grad", a.as<PoolAttrs>(), in[0], a.as<PoolAttrs>().output);
          out.push_back({with_spatial(in[0], a.as<PoolAttrs>().input), in[0].dtype()});
        },
    .kernel = {cpu::max_pool_grad},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {apply(max_pool_pick_op, {dy[0], n.in(1)}, attrs_of(n), Where::current()), Tensor()};
    },
    .saves = Saves::inputs,
    .needs_contiguous = true,
    .half_via_f32 = true,
    .attrs = &attrs_type<PoolAttrs>,
};

// x -> y, and with `winners` the place of each maximum in its window: u8 where that is enough.
const OpDef max_pool_op = {
    .name = "max_pool",
    .infer =
        [](Inputs in, Attrs attrs, Specs& out) {
          const auto& a = attrs.as<PoolAttrs>();
          check_pool("max_pool", a, in[0], a.input);
          Shape s = with_spatial(in[0], a.output);
          out.push_back({s, in[0].dtype()});
          if (a.winners) out.push_back({s, a.size.size() <= 256 ? DType::u8 : DType::i32});
        },
    .kernel = {cpu::max_pool},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      if (!dy[0].defined()) return {Tensor()};
      return {apply(max_pool_grad_op, {dy[0], n.out(1)}, attrs_of(n), Where::current())};
    },
    .saves = Saves::output,
    .needs_contiguous = true,
    .half_via_f32 = true,
    .attrs = &attrs_type<PoolAttrs>,
};

const OpDef avg_pool_op = {
    .name = "avg_pool",
    .infer =
        [](Inputs in, Attrs a, Specs& out) {
          check_pool("avg_pool", a.as<PoolAttrs>(), in[0], a.as<PoolAttrs>().input);
          out.push_back({with_spatial(in[0], a.as<PoolAttrs>().output), in[0].dtype()});
        },
    .kernel = {cpu::avg_pool},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {apply(avg_pool_grad_op, {dy[0]}, attrs_of(n), Where::current())};
    },
    .needs_contiguous = true,
    .half_via_f32 = true,
    .attrs = &attrs_type<PoolAttrs>,
};

const OpDef avg_pool_grad_op = {
    .name = "avg_pool_grad",
    .infer =
        [](Inputs in, Attrs a, Specs& out) {
          check_pool("avg_pool_grad", a.as<PoolAttrs>(), in[0], a.as<PoolAttrs>().output);
          out.push_back({with_spatial(in[0], a.as<PoolAttrs>().input), in[0].dtype()});
        },
    .kernel = {cpu::avg_pool_grad},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {apply(avg_pool_op, {dy[0]}, attrs_of(n), Where::current())};
    },
    .needs_contiguous = true,
    .half_via_f32 = true,
    .attrs = &attrs_type<PoolAttrs>,
};

const char* axes_of(int spatial, bool first) {
  constexpr const char* names[2][3] = {{"[N, W, C]", "[N, H, W, C]", "[N, D, H, W, C]"},
                                       {"[N, C, W]", "[N, C, H, W]", "[N, C, D, H, W]"}};
  return names[first][spatial - 1];
}

void check_floating(const char* op, const Tensor& x) {
  if (!is_floating(x.dtype()))
    throw DTypeError(fmt::format("{}: needs a floating dtype, got {}. Cast it first: x.astype(DType::f32).", op,
                                 name_of(x.dtype())));
}

// [N, C, ...] -> [N, ..., C] and back.
Tensor channels_to(const Tensor& x, int from, int to) {
  Axes axes;
  for (int i = 0; i < x.rank(); ++i)
    if (i != from) axes.push_back(i);
  Axes out;
  for (int i = 0, k = 0; i < x.rank(); ++i) out.push_back(i == to ? std::int64_t(from) : axes[k++]);
  return permute_dims(x, out);
}

Tensor pooled(const char* name, const OpDef& row, const Tensor& x, const Shape& size, const PoolOptions& o,
              int spatial) {
  const bool first = o.data_format == DataFormat::channels_first;
  if (x.rank() != spatial + 2)
    throw ShapeError(fmt::format("{}: input must have rank {} {}, got {}.", name, spatial + 2, axes_of(spatial, first),
                                 x.shape().str()));
  check_floating(name, x);
  if (size.empty()) throw ShapeError(fmt::format("{}: the window needs a size.", name));
  if (o.padding.mode() == Padding::Mode::explicit_amounts && o.padding.rank() != spatial)
    throw ShapeError(fmt::format("{}: padding needs {} pairs, got {}.", name, spatial, o.padding.rank()));
  Shape window = detail::per_dimension(name, "the window", size, spatial, 1);
  Shape strides = o.strides.empty() ? window : detail::per_dimension(name, "strides", o.strides, spatial, 1);
  Tensor last = first ? channels_to(x, 1, spatial + 1) : x;
  PoolAttrs a;
  a.winners = &row == &max_pool_op && recorder() != nullptr;
  Shape five = {last.shape()[0]}, result = five;
  for (int d = 0; d < 3; ++d) {
    const int i = d - (3 - spatial);
    detail::Window w{1, 1, 1, 1, 0, 0, 1};
    if (i >= 0) w = detail::window_of(name, o.padding, i, last.shape()[i + 1], window[i], strides[i], 1);
    if (w.before >= w.kernel || w.after >= w.kernel)
      throw ShapeError(fmt::format("{}: padding of {} and {} leaves windows of {} without any element.", name, w.before,
                                   w.after, w.kernel));
    a.input.push_back(w.input), a.size.push_back(w.kernel), a.strides.push_back(w.stride);
    a.before.push_back(w.before), a.output.push_back(w.output);
    five.push_back(w.input);
    if (i >= 0) result.push_back(w.output);
  }
  five.push_back(last.shape().back());
  result.push_back(last.shape().back());
  Tensor y = apply_all(row, {spatial == 3 ? last : reshape(last, five)}, a, Where::current())[0];
  if (spatial < 3) y = reshape(y, result);
  return first ? channels_to(y, spatial + 1, 1) : y;
}

Axes spatial_axes(const char* name, const Tensor& x, DataFormat format) {
  if (x.rank() < 3)
    throw ShapeError(fmt::format("{}: input needs spatial dimensions, [N, ..., C], got {}.", name, x.shape().str()));
  Axes axes;
  const int from = format == DataFormat::channels_first ? 2 : 1;
  for (int i = 0; i < x.rank() - 2; ++i) axes.push_back(from + i);
  return axes;
}

}  // namespace

Tensor max_pool1d(const Tensor& x, const Shape& size, const PoolOptions& o, Where w) {
  CallSite site(w);
  return pooled("max_pool1d", max_pool_op, x, size, o, 1);
}
Tensor max_pool2d(const Tensor& x, const Shape& size, const PoolOptions& o, Where w) {
  CallSite site(w);
  return pooled("max_pool2d", max_pool_op, x, size, o, 2);
}
Tensor max_pool3d(const Tensor& x, const Shape& size, const PoolOptions& o, Where w) {
  CallSite site(w);
  return pooled("max_pool3d", max_pool_op, x, size, o, 3);
}
Tensor avg_pool1d(const Tensor& x, const Shape& size, const PoolOptions& o, Where w) {
  CallSite site(w);
  return pooled("avg_pool1d", avg_pool_op, x, size, o, 1);
}
Tensor avg_pool2d(const Tensor& x, const Shape& size, const PoolOptions& o, Where w) {
  CallSite site(w);
  return pooled("avg_pool2d", avg_pool_op, x, size, o, 2);
}
Tensor avg_pool3d(const Tensor& x, const Shape& size, const PoolOptions& o, Where w) {
  CallSite site(w);
  return pooled("avg_pool3d", avg_pool_op, x, size, o, 3);
}

Tensor global_max_pool(const Tensor& x, GlobalPoolOptions o, Where w) {
  CallSite site(w);
  return max(x, {spatial_axes("global_max_pool", x, o.data_format), o.keepdims});
}
Tensor global_avg_pool(const Tensor& x, GlobalPoolOptions o, Where w) {
  CallSite site(w);
  Axes axes = spatial_axes("global_avg_pool", x, o.data_format);
  check_floating("global_avg_pool", x);
  return mean(x, {axes, o.keepdims});
}

void list_pool(std::vector<const OpDef*>& out) {
  for (auto* o : {&max_pool_op, &max_pool_grad_op, &max_pool_pick_op, &avg_pool_op, &avg_pool_grad_op})
    out.push_back(o);
}

}  // namespace tapir
