// softmax and its logarithm, fused a row at a time. Floating dtypes; halves are computed in f32.
#pragma once
#include <tapir/ops/reduce.h>

namespace tapir {

/// exp(x) / sum(exp(x)) along `axis`, without overflow. -inf gives 0; a row with NaN, inf or nothing but -inf gives
/// NaN. Throws ShapeError if the axis is out of range, DTypeError unless floating.
Tensor softmax(const Tensor& x, std::int64_t axis = -1, Where where = Where::current());
/// log(softmax(x)) along `axis`, exact where softmax is small.
Tensor log_softmax(const Tensor& x, std::int64_t axis = -1, Where where = Where::current());
/// log(sum(exp(x))) over `axis`, without overflow; -inf where there is nothing, or nothing but -inf (its gradient is 0
/// there).
Tensor logsumexp(const Tensor& x, ReduceOptions options = {}, Where where = Where::current());

}  // namespace tapir
