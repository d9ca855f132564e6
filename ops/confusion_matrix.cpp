#include <tapir/ops/confusion_matrix.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/gather.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <algorithm>

namespace tapir {
namespace {

void check_numbers(const char* what, const Tensor& x) {
  if (!is_integer(x.dtype()))
    throw DTypeError(
        fmt::format("confusion_matrix: {} must be integers, got {}. Of probabilities take argmax(x, {{.axis = -1}}).",
                    what, name_of(x.dtype())));
  if (x.rank() != 1)
    throw ShapeError(fmt::format("confusion_matrix: {} must have shape [N], got {}.", what, x.shape().str()));
}

// The largest number + 1. Checks that none is negative, or not below `classes` if that is given.
std::int64_t classes_in(const char* what, const Tensor& x, std::int64_t classes) {
  if (x.size() == 0) return 0;
  const auto least = min(x).item<std::int64_t>(), most = max(x).item<std::int64_t>();
  if (least < 0) throw UsageError(fmt::format("confusion_matrix: {} hold {}, which is no class number.", what, least));
  if (classes >= 0 && most >= classes)
    throw UsageError(fmt::format("confusion_matrix: {} hold {}, but there are {} classes.", what, most, classes));
  return most + 1;
}

}  // namespace

Tensor confusion_matrix(const Tensor& labels, const Tensor& predictions, const ConfusionMatrixOptions& o, Where where) {
  CallSite site(where);
  check_numbers("labels", labels);
  check_numbers("predictions", predictions);
  if (!(labels.shape() == predictions.shape()))
    throw ShapeError(fmt::format("confusion_matrix: labels {} and predictions {} differ in number.",
                                 labels.shape().str(), predictions.shape().str()));
  if (o.weights.defined() && !(o.weights.shape() == labels.shape()))
    throw ShapeError(fmt::format("confusion_matrix: weights must have shape {}, got {}.", labels.shape().str(),
                                 o.weights.shape().str()));
  std::int64_t classes = o.num_classes;
  Tensor rows = astype(labels, DType::i64), columns = astype(predictions, DType::i64);
  if (labels.has_data() && predictions.has_data()) {
    const std::int64_t first = classes_in("labels", labels, classes);
    const std::int64_t second = classes_in("predictions", predictions, classes);
    if (classes < 0) classes = std::max(first, second);
  } else if (classes < 0) {
    throw UsageError("confusion_matrix: in a trace it needs num_classes.");
  } else {  // scatter_nd counts negative ones from the end; these are to be out of range
    rows = tapir::where(rows < 0, classes, rows), columns = tapir::where(columns < 0, classes, columns);
  }
  const Tensor counts = o.weights.defined() ? astype(o.weights, o.dtype) : ones(labels.shape(), o.dtype);
  return scatter_nd(stack({rows, columns}, {.axis = -1}), counts, {classes, classes});
}

}  // namespace tapir
