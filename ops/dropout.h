// Dropout.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {

struct DropoutOptions {
  std::int64_t seed = -1;  ///< -1: from the global generator
  Tensor key = {};         ///< instead of a seed: i64 [2], as random::key gives it; may be a Variable's value
};
/// Inverted dropout: each element is 0 with probability `rate`, else divided by 1 - rate. The gradient uses the same
/// mask. Throws UsageError unless 0 <= rate < 1, DTypeError unless x is floating. Source: Srivastava et al., JMLR 2014.
Tensor dropout(const Tensor& x, double rate, DropoutOptions options = {}, Where where = Where::current());

}  // namespace tapir
