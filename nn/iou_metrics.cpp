#include <tapir/nn/iou_metrics.h>
#include <tapir/nn/metric_impl.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/gather.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <numeric>

namespace tapir::nn::metrics {
namespace {

using Classes = std::vector<std::int64_t>;

// state: the confusion matrix, a row for each true class.
struct Overlap final : Metric::Impl {
  std::int64_t classes;
  Classes targets;
  IoUOptions options;
  std::optional<double> threshold;  // y_pred is a probability
  Overlap(const char* type, std::int64_t n, Classes wanted, const IoUOptions& o, const char* default_name,
          std::optional<double> at = {})
      : Impl(o.name.empty() ? default_name : o.name),
        classes(n),
        targets(std::move(wanted)),
        options(o),
        threshold(at) {
    if (n < 1) throw UsageError(fmt::format("{}: num_classes must be 1 or more, got {}.", type, n));
    for (auto id : targets)
      if (id < 0 || id >= n)
        throw UsageError(fmt::format("{}: target_class_ids must be in [0, {}), got {}.", type, n, id));
    add_state("total_cm", {n, n});
  }

  Tensor class_numbers(const Tensor& x, bool sparse) const {
    if (sparse) return x;
    return argmax(x.dtype() == DType::boolean ? astype(x, DType::u8) : x, {.axis = options.axis});
  }

  void update(const Tensor& y_true, const Tensor& y_pred, const Tensor& weight) override {
    Tensor p = threshold ? astype(y_pred, DType::f32) >= *threshold : class_numbers(y_pred, options.sparse_y_pred);
    p = astype(p, DType::i64);
    const Tensor t = detail::labels_like(name, class_numbers(y_true, options.sparse_y_true), p);
    if (p.size() == 0) return;
    auto known = [&](const Tensor& x) { return logical_and(x >= 0, x < classes); };
    Tensor counts = logical_and(known(t), known(p));
    if (options.ignore_class) counts = logical_and(counts, not_equal(t, *options.ignore_class));
    Tensor w = astype(counts, DType::f64);
    if (weight.defined()) w = w * detail::spread(name, weight, p.shape());
    auto flat = [&](const Tensor& x) { return reshape(where(counts, x, 0), {-1}); };
    state[0].assign_add(scatter_nd(stack({flat(t), flat(p)}, {.axis = -1}), reshape(w, {-1}), {classes, classes}));
  }

  std::vector<double> results() const override {
    const std::vector<double> matrix = numbers(0);
    double total = 0, present = 0;
    for (auto id : targets) {
      double row = 0, column = 0;
      for (std::int64_t k = 0; k < classes; ++k)
        row += matrix[std::size_t(id * classes + k)], column += matrix[std::size_t(k * classes + id)];
      const double both = matrix[std::size_t(id * classes + id)], either = row + column - both;
      if (either <= 1e-9) continue;
      total += both / (either + 1e-7);
      present += 1;
    }
    return {total / (present + 1e-7)};
  }
};

Classes all_of(std::int64_t n) {
  Classes ids(std::size_t(std::max<std::int64_t>(n, 0)));
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

IoUOptions one_hot(const OneHotIoUOptions& o) {
  return {.ignore_class = o.ignore_class,
          .sparse_y_true = false,
          .sparse_y_pred = o.sparse_y_pred,
          .axis = o.axis,
          .name = o.name};
}

template <class... Args>
std::shared_ptr<Metric::Impl> overlap(const Where& where, Args&&... args) {
  CallSite site(where);
  return std::make_shared<Overlap>(std::forward<Args>(args)...);
}

}  // namespace

IoU::IoU(std::int64_t n, const Classes& ids, const IoUOptions& o, Where where)
    : Metric(overlap(where, "IoU", n, ids, o, "io_u")) {}
MeanIoU::MeanIoU(std::int64_t n, const IoUOptions& o, Where where)
    : Metric(overlap(where, "MeanIoU", n, all_of(n), o, "mean_io_u")) {}
BinaryIoU::BinaryIoU(const BinaryIoUOptions& o, Where where)
    : Metric(
          overlap(where, "BinaryIoU", 2, o.target_class_ids, IoUOptions{.name = o.name}, "binary_io_u", o.threshold)) {}
OneHotIoU::OneHotIoU(std::int64_t n, const Classes& ids, const OneHotIoUOptions& o, Where where)
    : Metric(overlap(where, "OneHotIoU", n, ids, one_hot(o), "one_hot_io_u")) {}
OneHotMeanIoU::OneHotMeanIoU(std::int64_t n, const OneHotIoUOptions& o, Where where)
    : Metric(overlap(where, "OneHotMeanIoU", n, all_of(n), one_hot(o), "one_hot_mean_io_u")) {}

}  // namespace tapir::nn::metrics
