#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/normalization.h>
#include <tapir/ops/normalization_attrs.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/reduce_attrs.h>
#include <tapir/ops/shaping.h>
#include <tapir/ops/tile.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace tapir {
namespace {

DType wide(DType d) { return is_half(d) ? DType::f32 : d; }
Tensor as(const Tensor& t, DType d) { return t.dtype() == d && !t.is_weak() ? t : astype(t, d); }
Tensor widened(const Tensor& t) { return as(t, wide(t.dtype())); }

// Gradient rows have several results, each with a text of public ops that is differentiated in its turn.
enum class Part { dx, dscale, doffset };
using Text = Tensor (*)(Inputs in, const void* attrs);

template <std::size_t parts>
Tensors pullback_of_parts(const Text (&texts)[parts], const Node& n, std::span<const Tensor> dy) {
  Tensors total(n.inputs.size());
  for (std::size_t k = 0; k < parts; ++k) {
    if (!dy[k].defined()) continue;
    Tensors dx = pullback(texts[k], n, dy[k]);
    for (std::size_t i = 0; i < dx.size(); ++i)
      if (dx[i].defined()) total[i] = total[i].defined() ? total[i] + dx[i] : dx[i];
  }
  return total;
}

double epsilon_of(const void* attrs) { return static_cast<const NormAttrs*>(attrs)->epsilon; }

template <class A = NormAttrs>
constexpr OpDef row(const char* name, Infer infer, Kernel kernel, Gradient gradient, Saves saves = Saves::inputs) {
  return dense_row(name, infer, kernel, gradient, saves, &attrs_type<A>);
}

void infer_like_x(Inputs in, Attrs, Specs& out) { out.push_back({in[0].shape(), in[0].dtype()}); }

// Batch and group norms are x, mean, variance, scale, offset -> y; their gradient rows x, scale, mean, variance, dy ->
// dx, dscale, doffset. Statistics are inputs even where they are those of x, so that a tape need not keep y for their
// sake.

// x as its statistics need it, and shapes to go with that.
struct Apart : NormGroups {
  Shape x, statistics, channels;
  Apart(const Shape& s, const Shape& of)
      : NormGroups(s, of),
        x{examples, positions, groups, each},
        statistics{examples, 1, groups, 1},
        channels{groups, each} {}
};

template <Part part, bool training>
Tensor batch_grad_text(Inputs in, const void* attrs) {
  const Apart apart(in[0].shape(), in[2].shape());
  const Tensor dy = reshape(widened(in[4]), apart.x);
  if (part == Part::doffset) return reshape(sum(dy, {{0, 1}}), in[1].shape());
  const Tensor inverse = reshape(rsqrt(in[3] + epsilon_of(attrs)), apart.statistics);
  const Tensor normed = (reshape(widened(in[0]), apart.x) - reshape(in[2], apart.statistics)) * inverse;
  if (part == Part::dscale) return reshape(sum(dy * normed, {{0, 1}}), in[1].shape());
  Tensor d = dy * reshape(in[1], apart.channels);
  if (training) d = d - mean(d, {{1, 3}, true}) - normed * mean(d * normed, {{1, 3}, true});
  return as(reshape(d * inverse, in[0].shape()), in[0].dtype());
}

void infer_like_scale_twice(Inputs in, Attrs, Specs& out) {
  for (int i = 0; i < 2; ++i) out.push_back({in[1].shape(), in[1].dtype()});
}
void infer_batch_grad(Inputs in, Attrs, Specs& out) {
  infer_like_x(in, {}, out);
  infer_like_scale_twice(in, {}, out);
}

template <bool training>
constexpr OpDef batch_grad_row(const char* name) {
  return row(name, infer_batch_grad, training ? cpu::batch_norm_training_grad : cpu::batch_norm_grad,
             [](const Node& n, std::span<const Tensor> dy) {
               return pullback_of_parts({batch_grad_text<Part::dx, training>, batch_grad_text<Part::dscale, training>,
                                         batch_grad_text<Part::doffset, training>},
                                        n, dy);
             });
}
constinit const OpDef batch_norm_grad_op = batch_grad_row<false>("batch_norm_grad");
constinit const OpDef batch_norm_training_grad_op = batch_grad_row<true>("batch_norm_training_grad");
constinit const OpDef group_norm_grad_op = batch_grad_row<true>("group_norm_grad");
// dscale and doffset alone, which are the same for all of these: for an x that is data.
constinit const OpDef norm_parameters_grad_op =
    row("norm_parameters_grad", infer_like_scale_twice, cpu::norm_parameters_grad,
        [](const Node& n, std::span<const Tensor> dy) {
          return pullback_of_parts({batch_grad_text<Part::dscale, true>, batch_grad_text<Part::doffset, true>}, n, dy);
        });

// dx, dscale and doffset; an undefined dx if nobody wants it. n: x, mean, variance, scale, offset
Tensors gradient_parts(const OpDef& grad, const Node& n, const Tensor& dy) {
  const bool whole = n.wants(0);
  const Tensor &x = n.in(0), &mean = n.in(1), &variance = n.in(2), &scale = n.in(3);
  Tensors parts =
      apply_all(whole ? grad : norm_parameters_grad_op, {x, scale, mean, variance, dy}, n.attrs, Where::current());
  return whole ? parts : Tensors{Tensor(), parts[0], parts[1]};
}

// With statistics of anything.
Tensors batch_norm_gradient(const Node& n, std::span<const Tensor> dy) {
  const Tensor &x = n.in(0), &variance = n.in(2), &scale = n.in(3);
  const double epsilon = epsilon_of(n.attrs.data());
  Tensors dx(5);
  if (!n.wants(1) && !n.wants(2) && !n.wants(3) && !n.wants(4)) {  // frozen: one pass over dy
    dx[0] = as(dy[0] * (scale * rsqrt(variance + epsilon)), x.dtype());
    return dx;
  }
  const Tensors all = gradient_parts(batch_norm_grad_op, n, dy[0]);
  dx[0] = all[0], dx[3] = all[1], dx[4] = all[2];
  const Tensor factor = scale * rsqrt(variance + epsilon);
  if (n.wants(1)) dx[1] = -(all[2] * factor);
  if (n.wants(2)) dx[2] = all[1] * factor * rsqrt(variance + epsilon) * -0.5;
  return dx;
}

// Mean and variance are those of x: its gradient goes through them at once, and nothing is left for theirs.
template <const OpDef& grad>
Tensors own_statistics_gradient(const Node& n, std::span<const Tensor> dy) {
  const Tensors all = gradient_parts(grad, n, dy[0]);
  Tensors dx(5);
  dx[0] = all[0], dx[3] = all[1], dx[4] = all[2];
  return dx;
}

constinit const OpDef batch_norm_op = row("batch_norm", infer_like_x, cpu::batch_norm, batch_norm_gradient);
constinit const OpDef batch_norm_training_op =
    row("batch_norm_training", infer_like_x, cpu::batch_norm, own_statistics_gradient<batch_norm_training_grad_op>);
constinit const OpDef group_norm_op =
    row("group_norm", infer_like_x, cpu::batch_norm, own_statistics_gradient<group_norm_grad_op>);

// x -> mean, variance
constinit const OpDef moments_op = [] {
  OpDef d = row<MomentsAttrs>(
      "moments",
      [](Inputs in, Attrs attrs, Specs& out) {
        const Shape& x = in[0].shape();
        const std::int64_t groups = attrs.as<MomentsAttrs>().groups;
        for (int i = 0; i < 2; ++i)
          out.push_back({groups ? Shape{x[0], groups} : Shape{x.back()}, wide(in[0].dtype())});
      },
      cpu::moments,
      [](const Node& n, std::span<const Tensor> dy) -> Tensors {
        const Apart apart(n.in(0).shape(), n.out(0).shape());
        Tensor dx;
        if (dy[1].defined()) {
          Tensor away = reshape(widened(n.in(0)), apart.x) - reshape(n.out(0), apart.statistics);
          dx = away * (2.0 * reshape(dy[1], apart.statistics));
        }
        if (dy[0].defined()) {
          Tensor dmean = reshape(dy[0], apart.statistics);
          dx = dx.defined() ? dx + dmean : broadcast_to(dmean, apart.x);
        }
        return {as(reshape(dx / double(apart.positions * apart.each), n.in(0).shape()), n.in(0).dtype())};
      },
      Saves::both);
  return d;
}();

// Layer and rms norms are x [..., n], scale [n], offset [n] -> y, where n stands for the last axes, of which `groups`
// equal parts are normalised apart; their gradient rows x, scale, dy -> dx, dscale, doffset. Statistics are cheap where
// a row is in cache: they are computed again.

template <Part part, bool centred>
Tensor layer_grad_text(Inputs in, const void* attrs) {
  const Shape& s = in[0].shape();
  const auto& a = *static_cast<const LayerNormAttrs*>(attrs);
  const Shape apart = {s.first(s.rank() - in[1].rank()).size(), a.groups, in[1].size() / a.groups};
  const Tensor dy = reshape(widened(in[2]), apart);
  if (part == Part::doffset) return reshape(sum(dy, {0}), in[1].shape());
  auto row_mean = [](const Tensor& t) { return mean(t, {2, true}); };
  Tensor x = reshape(widened(in[0]), apart);
  if (centred) x = x - row_mean(x);
  const Tensor inverse = rsqrt(row_mean(square(x)) + a.epsilon), normed = x * inverse;
  if (part == Part::dscale) return reshape(sum(dy * normed, {0}), in[1].shape());
  const Tensor d = dy * reshape(in[1], apart.last(2));
  Tensor dx = d - normed * row_mean(d * normed);
  if (centred) dx = dx - row_mean(d);
  return as(reshape(dx * inverse, s), in[0].dtype());
}

void check_groups(Inputs in, Attrs attrs) {
  const std::int64_t groups = attrs.as<LayerNormAttrs>().groups;
  if (groups < 1 || in[1].size() % groups)
    throw ShapeError(fmt::format("layer_norm: {} groups do not divide {} channels.", groups, in[1].size()));
}
void infer_layer(Inputs in, Attrs attrs, Specs& out) {
  check_groups(in, attrs);
  infer_like_x(in, attrs, out);
}
void infer_layer_grad(Inputs in, Attrs attrs, Specs& out) {
  check_groups(in, attrs);
  infer_batch_grad(in, attrs, out);
}

constinit const OpDef layer_norm_grad_op = row<LayerNormAttrs>(
    "layer_norm_grad", infer_layer_grad, cpu::layer_norm_grad, [](const Node& n, std::span<const Tensor> dy) {
      return pullback_of_parts(
          {layer_grad_text<Part::dx, true>, layer_grad_text<Part::dscale, true>, layer_grad_text<Part::doffset, true>},
          n, dy);
    });
constinit const OpDef layer_norm_op =
    row<LayerNormAttrs>("layer_norm", infer_layer, cpu::layer_norm, [](const Node& n, std::span<const Tensor> dy) {
      return apply_all(layer_norm_grad_op, {n.in(0), n.in(1), dy[0]}, n.attrs, Where::current());
    });

constinit const OpDef rms_norm_grad_op = row<LayerNormAttrs>(
    "rms_norm_grad",
    [](Inputs in, Attrs attrs, Specs& out) {
      infer_layer(in, attrs, out);
      out.push_back({in[1].shape(), in[1].dtype()});
    },
    cpu::rms_norm_grad,
    [](const Node& n, std::span<const Tensor> dy) {
      return pullback_of_parts({layer_grad_text<Part::dx, false>, layer_grad_text<Part::dscale, false>}, n, dy);
    });
constinit const OpDef rms_norm_op =
    row<LayerNormAttrs>("rms_norm", infer_layer, cpu::rms_norm, [](const Node& n, std::span<const Tensor> dy) {
      return apply_all(rms_norm_grad_op, {n.in(0), n.in(1), dy[0]}, n.attrs, Where::current());
    });

void check_floating(const char* op, const Tensor& x) {
  if (!is_floating(x.dtype()))
    throw DTypeError(fmt::format("{}: needs a floating dtype, got {}. Cast it first: x.astype(DType::f32).", op,
                                 name_of(x.dtype())));
}

void check_epsilon(const char* op, double epsilon) {
  if (!(epsilon >= 0)) throw UsageError(fmt::format("{}: epsilon must be 0 or more, got {}.", op, epsilon));
}

void check_channels(const char* op, const char* axes, const Tensor& x) {
  if (x.rank() < 2)
    throw ShapeError(fmt::format("{}: input needs a batch and channels, {}, got {}.", op, axes, x.shape().str()));
}

// Takes the place of a scale or offset that is not there. A broadcast: unlike a constant it can be of unknown size.
Tensor everywhere(double value, const Shape& shape, DType d) { return broadcast_to(full({}, value, d), shape); }

// A scale or offset of exactly `shape`, in the dtype that x is computed in; all `neutral` if there is none.
Tensor parameter(const char* op, const char* what, const Tensor& t, const Shape& shape, const Tensor& x,
                 double neutral) {
  if (!t.defined()) return everywhere(neutral, shape, wide(x.dtype()));
  if (!(t.shape() == shape))
    throw ShapeError(fmt::format("{}: {} must have shape {}, got {}.", op, what, shape.str(), t.shape().str()));
  return as(t, wide(x.dtype()));
}

// Runs a row over `axes` of x, which it wants last; `parameters` have their sizes.
template <class F>
Tensor over_last(const Tensor& x, const AxesLast& last, F&& run) {
  if (std::is_sorted(last.order.begin(), last.order.end())) return run(x);
  return permute_dims(run(permute_dims(x, last.order)), last.back);
}

// One number for each channel, or an undefined tensor if `t` is not of that form.
Tensor by_channel(const Tensor& t, std::int64_t channels) {
  if (t.size() == 1) return broadcast_to(reshape(t, {1}), {channels});
  return t.size() == channels && t.shape().back() == channels ? reshape(t, {channels}) : Tensor();
}

}  // namespace

Tensor batch_norm(const Tensor& x, const Tensor& m, const Tensor& variance, const Tensor& offset, const Tensor& scale,
                  double epsilon, Where w) {
  CallSite site(w);
  check_floating("batch_norm", x);
  check_epsilon("batch_norm", epsilon);
  const DType d = wide(x.dtype());
  const std::int64_t channels = x.rank() ? x.shape().back() : 1;
  Tensor given[4], by[4];  // mean, variance, scale, offset
  bool simple = x.rank() > 0;
  for (int i = 0; i < 4; ++i) {
    const Tensor& t = *std::array{&m, &variance, &scale, &offset}[std::size_t(i)];
    if (i >= 2 && !t.defined()) {
      by[i] = everywhere(i == 2 ? 1.0 : 0.0, {channels}, d);
      continue;
    }
    Shape both;
    if (!broadcast_shapes(x.shape(), t.shape(), both) || !(both == x.shape()))
      throw ShapeError(fmt::format("batch_norm: {} of shape {} does not broadcast to x {}.",
                                   std::array{"mean", "variance", "scale", "offset"}[std::size_t(i)], t.shape().str(),
                                   x.shape().str()));
    given[i] = as(t, d), by[i] = by_channel(given[i], channels);
    simple &= by[i].defined();
  }
  if (simple) return apply(batch_norm_op, {x, by[0], by[1], by[2], by[3]}, NormAttrs{epsilon}, w);
  Tensor factor = rsqrt(given[1] + epsilon);
  if (given[2].defined()) factor = factor * given[2];
  Tensor y = (widened(x) - given[0]) * factor;
  return as(given[3].defined() ? y + given[3] : y, x.dtype());
}

BatchNormResult batch_norm_training(const Tensor& x, const Tensor& scale, const Tensor& offset, double epsilon,
                                    Where w) {
  CallSite site(w);
  const char* op = batch_norm_training_op.name;
  check_floating(op, x);
  check_epsilon(op, epsilon);
  check_channels(op, "[..., C]", x);
  const Shape channels = {x.shape().back()};
  const Tensor s = parameter(op, "scale", scale, channels, x, 1), o = parameter(op, "offset", offset, channels, x, 0);
  Tensors m = apply_all(moments_op, {x}, MomentsAttrs{}, w);
  return {apply(batch_norm_training_op, {x, m[0], m[1], s, o}, NormAttrs{epsilon}, w), m[0], m[1]};
}

Tensor group_norm(const Tensor& x, std::int64_t groups, const Tensor& scale, const Tensor& offset,
                  const GroupNormOptions& o, Where w) {
  CallSite site(w);
  const char* op = group_norm_op.name;
  check_floating(op, x);
  check_epsilon(op, o.epsilon);
  check_channels(op, "[N, ..., C]", x);
  const std::int64_t c = x.shape().back();
  if (groups < 1 || c % groups)
    throw ShapeError(fmt::format("group_norm: {} groups do not divide {} channels.", groups, c));
  const Tensor s = parameter(op, "scale", scale, {c}, x, 1), b = parameter(op, "offset", offset, {c}, x, 0);
  if (x.rank() == 2)  // a group is a piece of a row
    return apply(layer_norm_op, {x, s, b}, LayerNormAttrs{o.epsilon, groups}, w);
  Tensors m = apply_all(moments_op, {x}, MomentsAttrs{groups}, w);
  return apply(group_norm_op, {x, m[0], m[1], s, b}, NormAttrs{o.epsilon}, w);
}

Tensor layer_norm(const Tensor& x, const Tensor& scale, const Tensor& offset, const LayerNormOptions& o, Where w) {
  CallSite site(w);
  const char* op = layer_norm_op.name;
  check_floating(op, x);
  check_epsilon(op, o.epsilon);
  const Axes axes = check_axes(op, o.axis, x.shape());
  const AxesLast last(x.shape(), axes);
  const Shape sizes = last.apart.last(axes.rank());
  const Tensor s = parameter(op, "scale", scale, sizes, x, 1), b = parameter(op, "offset", offset, sizes, x, 0);
  return over_last(x, last, [&](const Tensor& t) {
    return apply(layer_norm_op, {t, s, b}, LayerNormAttrs{o.epsilon}, w);
  });
}

Tensor rms_norm(const Tensor& x, const Tensor& scale, const RmsNormOptions& o, Where w) {
  CallSite site(w);
  const char* op = rms_norm_op.name;
  check_floating(op, x);
  check_epsilon(op, o.epsilon);
  const Axes axes = check_axes(op, o.axis, x.shape());
  const AxesLast last(x.shape(), axes);
  const Tensor s = parameter(op, "scale", scale, last.apart.last(axes.rank()), x, 1);
  return over_last(x, last, [&](const Tensor& t) { return apply(rms_norm_op, {t, s}, LayerNormAttrs{o.epsilon}, w); });
}

void list_normalization(std::vector<const OpDef*>& out) {
  for (auto* o : {&moments_op, &batch_norm_op, &batch_norm_grad_op, &batch_norm_training_op,
                  &batch_norm_training_grad_op, &group_norm_op, &group_norm_grad_op, &norm_parameters_grad_op,
                  &layer_norm_op, &layer_norm_grad_op, &rms_norm_op, &rms_norm_grad_op})
    out.push_back(o);
}

}  // namespace tapir
