// einsum: sums of products named by letters.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {

/// Einstein's summation, as numpy.einsum: `einsum("bij,bjk->bik", {a, b})`. A letter names a dimension; one that is not
/// in the result is summed, one that is repeated within an operand takes its diagonal, `...` stands for any dimensions
/// that broadcast. Without `->` the result has the letters that occur once, in alphabetical order, after the ellipsis.
/// Any number of operands, contracted two at a time, the cheapest pair first, as matrix products. Throws UsageError for
/// an equation that makes no sense, ShapeError if sizes do not fit it, DTypeError.
Tensor einsum(const std::string& equation, const std::vector<Tensor>& operands, Where where = Where::current());

}  // namespace tapir
