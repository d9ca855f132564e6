// Connectionist temporal classification: labels for sequences whose alignment nobody knows.
#pragma once
#include <tapir/ops/op.h>

namespace tapir::nn {

struct CTCOptions {
  std::int64_t mask_index = 0;  ///< the class of nothing said, which no label is
};
/// Minus the logarithm of the probability that each sequence says its label: [N]. target: class numbers [N, L], of
/// which the first target_length [N] count; output: logits [N, T, classes], of which the first output_length [N] (1 or
/// more) steps count. f16 and bf16 are taken as f32. Infinite, with a gradient of 0, where a label has no room in its
/// steps. Throws ShapeError, DTypeError. Source: Graves et al., ICML 2006.
Tensor ctc_loss(const Tensor& target, const Tensor& output, const Tensor& target_length, const Tensor& output_length,
                const CTCOptions& options = {}, Where where = Where::current());

struct CTCDecodeOptions {
  bool merge_repeated = true;  ///< a class that goes on over steps is one label
  std::int64_t mask_index = 0;
};
/// What ctc_decode gives.
struct CTCDecoded {
  Tensor labels;  ///< [N, T], i64; -1 after the last
  Tensor scores;  ///< [N, 1]: minus the sum of the logits along the way
};
/// The most likely class of each step, read as labels (Keras's strategy "greedy"). inputs: logits [N, T, classes], of
/// which the first sequence_lengths [N] steps count. Throws ShapeError, DTypeError.
CTCDecoded ctc_decode(const Tensor& inputs, const Tensor& sequence_lengths, const CTCDecodeOptions& options = {},
                      Where where = Where::current());

}  // namespace tapir::nn
