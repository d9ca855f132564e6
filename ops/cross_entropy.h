// Cross entropies of logits: stable, fused, one value per example, in TensorFlow's argument order.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {

/// -sum(labels * log_softmax(logits)) along `axis`. labels: distributions, of the shape and dtype of logits; both have
/// gradients. Labels need not sum to 1: the gradient is that of this formula, where TensorFlow's assumes that they do.
/// The result has the shape of logits without `axis`. Floating dtypes; f16 and bf16 compute in f32. Throws ShapeError
/// if the shapes differ, DTypeError.
Tensor softmax_cross_entropy_with_logits(const Tensor& labels, const Tensor& logits, std::int64_t axis = -1,
                                         Where where = Where::current());

/// -log_softmax(logits)[label] along the last axis. labels: integers [d0, ...] in [0, classes), logits
/// [d0, ..., classes] -> [d0, ...]. Throws ShapeError, DTypeError, and UsageError for a label out of range.
Tensor sparse_softmax_cross_entropy_with_logits(const Tensor& labels, const Tensor& logits,
                                                Where where = Where::current());

/// max(x, 0) - x * labels + log(1 + exp(-|x|)) of logits x, element by element: independent yes-or-no questions.
/// labels: of the shape and dtype of logits; both have gradients. Throws ShapeError if the shapes differ, DTypeError.
Tensor sigmoid_cross_entropy_with_logits(const Tensor& labels, const Tensor& logits, Where where = Where::current());

}  // namespace tapir
