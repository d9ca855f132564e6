#include <tapir/nn/names.h>
#include <tapir/nn/preprocessing_layers.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/gather.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/resize.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <algorithm>

namespace tapir::nn {

void Normalization::adapt(const Tensor& given, Where where) {
  CallSite site(where);
  const Tensor data = is_floating(given.dtype()) ? given : astype(given, DType::f32);
  const Axes kept = options_.axis.empty() ? Axes() : check_axes("Normalization", options_.axis, data.rank());
  Axes pooled;
  for (int i = 0; i < data.rank(); ++i)
    if (std::find(kept.begin(), kept.end(), i) == kept.end()) pooled.push_back(i);
  options_.mean = mean(data, {.axis = pooled});
  options_.variance = var(data, {.axis = pooled});
}

Tensor Normalization::call(const Tensor& input, bool) {
  const Tensor x = is_floating(input.dtype()) ? input : astype(input, DType::f32);
  if (!options_.mean.defined() || !options_.variance.defined())
    throw UsageError(fmt::format("{}: has no mean and variance. Call adapt(data) first, or give them.", name()));
  // As broad as x along the named axes.
  Shape sizes = Shape::filled(x.rank(), 1);
  if (options_.mean.rank() > 0 && options_.mean.size() > 1)
    for (auto a : check_axes("Normalization", options_.axis, x.rank())) sizes[int(a)] = x.shape()[int(a)];
  auto spread = [&](const Tensor& t) { return reshape(astype(t, x.dtype()), sizes); };
  const Tensor middle = spread(options_.mean), scale = maximum(sqrt(spread(options_.variance)), 1e-7);
  return options_.invert ? middle + x * scale : (x - middle) / scale;
}

Resizing::Resizing(std::int64_t height, std::int64_t width, const ResizingOptions& options, Where where)
    : LayerOf(options.name), height_(height), width_(width), bilinear_(options.interpolation == "bilinear") {
  CallSite site(where);
  detail::check_positive("Resizing", "height", height);
  detail::check_positive("Resizing", "width", width);
  if (!bilinear_ && options.interpolation != "nearest")
    detail::unknown_name("interpolation", options.interpolation, {"bilinear", "nearest"});
  needs_no_build();
}

Tensor Resizing::call(const Tensor& x, bool) {
  detail::check_rank("Resizing", x, 4);
  return resize(is_floating(x.dtype()) ? x : astype(x, DType::f32), {height_, width_},
                {.method = bilinear_ ? ResizeMethod::bilinear : ResizeMethod::nearest});
}

CenterCrop::CenterCrop(std::int64_t height, std::int64_t width, const LayerName& options, Where where)
    : LayerOf(options.name), height_(height), width_(width) {
  CallSite site(where);
  detail::check_positive("CenterCrop", "height", height);
  detail::check_positive("CenterCrop", "width", width);
  needs_no_build();
}

Tensor CenterCrop::call(const Tensor& x, bool) {
  detail::check_rank("CenterCrop", x, 4);
  const std::int64_t h = x.shape()[1], w = x.shape()[2];
  if (h < height_ || w < width_)
    throw ShapeError(fmt::format("CenterCrop: {} x {} pixels do not fit into {}. Resizing comes first.", height_,
                                 width_, x.shape().str()));
  return contiguous(narrow(narrow(x, 1, (h - height_) / 2, height_), 2, (w - width_) / 2, width_));
}

CategoryEncoding::CategoryEncoding(std::int64_t num_tokens, const CategoryEncodingOptions& options, Where where)
    : LayerOf(options.name), num_tokens_(num_tokens), mode_(options.output_mode) {
  CallSite site(where);
  detail::check_positive("CategoryEncoding", "num_tokens", num_tokens);
  if (mode_ != "multi_hot" && mode_ != "one_hot" && mode_ != "count")
    detail::unknown_name("output_mode", mode_, {"count", "multi_hot", "one_hot"});
  needs_no_build();
}

Tensor CategoryEncoding::call(const Tensor& x, bool) {
  const Tensor each = one_hot(is_integer(x.dtype()) ? x : astype(x, DType::i64), num_tokens_);
  if (mode_ == "one_hot") return each;
  if (x.rank() < 2) return each;
  return mode_ == "count" ? sum(each, {.axis = -2}) : max(each, {.axis = -2});
}

Discretization::Discretization(const std::vector<double>& bin_boundaries, const LayerName& options, Where where)
    : LayerOf(options.name), boundaries_(bin_boundaries) {
  CallSite site(where);
  if (boundaries_.empty() || !std::is_sorted(boundaries_.begin(), boundaries_.end()))
    throw UsageError("Discretization: needs boundaries that ascend.");
  needs_no_build();
}

Tensor Discretization::call(const Tensor& x, bool) {
  Tensor bin = zeros(x.shape(), DType::i64);
  for (double b : boundaries_) bin = bin + astype(x >= b, DType::i64);
  return bin;
}

}  // namespace tapir::nn
