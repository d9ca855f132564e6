// The confusion matrix of a classification.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {

struct ConfusionMatrixOptions {
  std::int64_t num_classes = -1;  ///< -1: one more than the largest label or prediction; a trace needs the number
  Tensor weights = {};            ///< [N]: what an example counts; undefined: 1
  DType dtype = DType::i32;       ///< of the result
};
/// How often each class was taken for which: [classes, classes], a row for each true label, a column for each
/// prediction. labels, predictions: class numbers from 0, integers [N]. As tf.math.confusion_matrix. Throws DTypeError,
/// ShapeError, UsageError if a number is not of a class.
Tensor confusion_matrix(const Tensor& labels, const Tensor& predictions, const ConfusionMatrixOptions& options = {},
                        Where where = Where::current());

}  // namespace tapir
