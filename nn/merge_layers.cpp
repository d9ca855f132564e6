#include <tapir/nn/masks.h>
#include <tapir/nn/merge_layers.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/matmul.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <algorithm>

namespace tapir::nn {
namespace {

void check_count(const char* type, const std::vector<Tensor>& xs, std::size_t least, std::size_t most) {
  if (xs.size() < least || xs.size() > most)
    throw UsageError(fmt::format("{}: needs {} inputs{}, got {}. Write {}()({{a, b}}).", type, least,
                                 most > least ? " or more" : "", xs.size(), type));
}

// With dimensions of 1 until it has as many as x.
Tensor as_wide(Tensor mask, const Tensor& x) {
  while (mask.rank() < x.rank()) mask = expand_dims(mask, -1);
  return mask;
}

// What any of the inputs counts for; none if an input has no mask.
Tensor any_mask(const std::vector<Tensor>& xs) {
  Tensor joined;
  for (auto& x : xs) {
    const Tensor mask = MaskScope::of(x);
    if (!mask.defined()) return {};
    joined = joined.defined() ? logical_or(joined, mask) : mask;
  }
  return joined;
}

// Along `axis`, as Keras joins them: a step counts if one of its features does.
Tensor concatenated_mask(const std::vector<Tensor>& xs, std::int64_t axis) {
  std::vector<Tensor> masks;
  bool one = false;
  for (auto& x : xs) {
    Tensor mask = MaskScope::of(x);
    one |= mask.defined();
    if (!mask.defined()) mask = ones(x.shape(), DType::boolean);
    masks.push_back(broadcast_to(as_wide(mask, x), x.shape()));
  }
  return one ? any(concat(masks, {.axis = axis}), {.axis = -1}) : Tensor();
}

}  // namespace

Lambda::Lambda(Function f, const LayerName& options) : LayerOf(options.name), function_(std::move(f)) {
  needs_no_build();
}
Tensor Lambda::call(const Tensor& x, bool) { return function_({x}); }
std::vector<Tensor> Lambda::call_list(const std::vector<Tensor>& xs, bool) { return {function_(xs)}; }

MergeLayer::MergeLayer(const char* type, Kind kind, const LayerName& options)
    : LayerOf(options.name), type_(type), kind_(kind) {
  needs_no_build();
}

Tensor MergeLayer::call(const Tensor& x, bool training) { return call_list({x}, training)[0]; }

std::vector<Tensor> MergeLayer::call_list(const std::vector<Tensor>& given, bool) {
  check_count(type_, given, 2, kind_ == Kind::subtract ? 2 : 1 << 30);
  std::vector<Tensor> xs = given;
  const Tensor joined = any_mask(given);
  if (kind_ == Kind::multiply)  // a step that does not count is a factor of 1
    for (auto& x : xs)
      if (const Tensor mask = MaskScope::of(x); mask.defined()) x = where(as_wide(mask, x), x, 1);
  int rank = 0;
  for (auto& x : xs) rank = std::max(rank, x.rank());
  for (auto& x : xs)
    while (x.rank() < rank) x = expand_dims(x, 1);
  Tensor y = xs[0];
  for (std::size_t i = 1; i < xs.size(); ++i) switch (kind_) {
      case Kind::add:
      case Kind::average:
        y = y + xs[i];
        break;
      case Kind::subtract:
        y = y - xs[i];
        break;
      case Kind::multiply:
        y = y * xs[i];
        break;
      case Kind::maximum:
        y = maximum(y, xs[i]);
        break;
      case Kind::minimum:
        y = minimum(y, xs[i]);
        break;
    }
  if (kind_ == Kind::average) y = y / double(xs.size());
  if (kind_ == Kind::multiply && joined.defined()) y = where(as_wide(joined, y), y, 0);
  MaskScope::set(y, joined);
  return {y};
}

Tensor Concatenate::call(const Tensor& x, bool training) { return call_list({x}, training)[0]; }
std::vector<Tensor> Concatenate::call_list(const std::vector<Tensor>& xs, bool) {
  const Tensor y = concat(xs, {.axis = axis_});
  MaskScope::set(y, concatenated_mask(xs, axis_));
  return {y};
}

Dot::Dot(int first_axis, int second_axis, const DotOptions& options)
    : LayerOf(options.name), first_(first_axis), second_(second_axis), normalize_(options.normalize) {
  needs_no_build();
}

Tensor Dot::call(const Tensor& x, bool training) { return call_list({x}, training)[0]; }

std::vector<Tensor> Dot::call_list(const std::vector<Tensor>& xs, bool) {
  check_count("Dot", xs, 2, 2);
  // The axis last, all between it and the batch as one: [N, rows, k].
  auto rows = [this](const Tensor& x, int given) {
    const int axis = check_axis("Dot", given, x.rank());
    if (axis == 0) throw ShapeError("Dot: axis 0 is the batch.");
    Tensor t = moveaxis(x, axis, -1);
    if (normalize_) t = t / maximum(sqrt(sum(t * t, {.axis = -1, .keepdims = true})), 1e-12);
    const std::int64_t k = t.shape().back(), n = t.shape()[0];
    return std::pair(reshape(t, {n, k == 0 || n == 0 ? 0 : t.size() / (n * k), k}), t.shape().first(t.rank() - 1));
  };
  const auto [a, a_shape] = rows(xs[0], first_);
  const auto [b, b_shape] = rows(xs[1], second_);
  Shape to = a_shape.concat(b_shape.last(b_shape.rank() - 1));
  if (to.rank() == 1) to.push_back(1);
  return {reshape(matmul(a, b, {.transpose_b = true}), to)};
}

}  // namespace tapir::nn
