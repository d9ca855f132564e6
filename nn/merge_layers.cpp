#include <tapir/nn/merge_layers.h>
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
  return {kind_ == Kind::average ? y / double(xs.size()) : y};
}

Tensor Concatenate::call(const Tensor& x, bool training) { return call_list({x}, training)[0]; }
std::vector<Tensor> Concatenate::call_list(const std::vector<Tensor>& xs, bool) {
  return {concat(xs, {.axis = axis_})};
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
