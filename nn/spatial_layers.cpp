#include <tapir/nn/spatial_layers.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/padding.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

namespace tapir::nn {

SidesOf::SidesOf(std::initializer_list<std::initializer_list<std::int64_t>> amounts) : kind_(2) {
  for (auto& pair : amounts) {
    if (pair.size() != 2) kind_ = 3;  // told by sides(), which knows the layer
    list_.insert(list_.end(), pair.begin(), pair.end());
  }
}

std::vector<std::pair<std::int64_t, std::int64_t>> SidesOf::sides(const char* layer, int rank) const {
  std::vector<std::pair<std::int64_t, std::int64_t>> out;
  if (kind_ == 0) out.assign(std::size_t(rank), {one_, one_});
  else if (kind_ == 1 && rank == 1 && list_.size() == 2) out = {{list_[0], list_[1]}};
  else if (kind_ == 1)
    for (auto n : list_) out.emplace_back(n, n);
  else if (kind_ == 2)
    for (std::size_t i = 0; i < list_.size(); i += 2) out.emplace_back(list_[i], list_[i + 1]);
  bool good = int(out.size()) == rank;
  for (auto& [before, after] : out) good &= before >= 0 && after >= 0;
  if (!good)
    throw UsageError(fmt::format(
        "{}: needs one amount, or one (or a pair, before and after) for each of {} dimensions, each 0 or more.", layer,
        rank));
  return out;
}

SidesLayer::SidesLayer(const char* type, bool crops, int rank, const SidesOf& amounts, const LayerName& options,
                       const Where& where)
    : LayerOf(options.name), type_(type), crops_(crops) {
  CallSite site(where);
  sides_ = amounts.sides(type, rank);
  needs_no_build();
}

Tensor SidesLayer::call(const Tensor& x, bool) {
  detail::check_rank(type_, x, int(sides_.size()) + 2);
  if (!crops_) {
    Paddings all{{0, 0}};
    all.insert(all.end(), sides_.begin(), sides_.end());
    all.emplace_back(0, 0);
    return pad(x, all);
  }
  Tensor y = x;
  for (std::size_t i = 0; i < sides_.size(); ++i) {
    const auto [before, after] = sides_[i];
    const std::int64_t size = x.shape()[int(i) + 1], left = size - before - after;
    if (left < 1)
      throw ShapeError(
          fmt::format("{}: {} and {} leave nothing of {} ({}).", type_, before, after, size, x.shape().str()));
    y = narrow(y, std::int64_t(i) + 1, before, left);
  }
  return y;
}

RepeatLayer::RepeatLayer(const char* type, int rank, const Sizes& size, const LayerName& options, const Where& where)
    : LayerOf(options.name), type_(type) {
  CallSite site(where);
  size_ = detail::checked_sizes(type, "size", size, rank);
  needs_no_build();
}

Tensor RepeatLayer::call(const Tensor& x, bool) {
  detail::check_rank(type_, x, size_.rank() + 2);
  Tensor y = x;
  for (int i = 0; i < size_.rank(); ++i) y = repeat(y, size_[i], {.axis = i + 1});
  return y;
}

RepeatVector::RepeatVector(std::int64_t n, const LayerName& options, Where where) : LayerOf(options.name), n_(n) {
  CallSite site(where);
  detail::check_positive("RepeatVector", "n", n);
  needs_no_build();
}

Tensor RepeatVector::call(const Tensor& x, bool) {
  detail::check_rank("RepeatVector", x, 2);
  return repeat(expand_dims(x, 1), n_, {.axis = 1});
}

}  // namespace tapir::nn
