// Rows of softmax and its relatives, which each instruction set provides.
#pragma once
#include <cstdint>

namespace tapir::cpu {

/// One dense row of n elements, f32 or f64. Forward: a is x, b is not read. Backward: a is y, b is dy. logsumexp writes
/// one number. The result may take the place of a.
using SoftmaxRow = void (*)(const void* a, const void* b, void* out, std::int64_t n);

struct SoftmaxRows {
  SoftmaxRow softmax, softmax_grad, log_softmax, log_softmax_grad, logsumexp;
};

namespace v2 {
extern const SoftmaxRows softmax_rows[2];
}  // namespace v2
namespace v3 {
extern const SoftmaxRows softmax_rows[2];
}
namespace v4 {
extern const SoftmaxRows softmax_rows[2];
}

}  // namespace tapir::cpu
