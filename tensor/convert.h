// Reading strided memory row by row into dense memory of another dtype. Plain and portable; kernels have faster ones.
#pragma once
#include <tapir/tensor/dtype.h>
#include <tapir/tensor/shape.h>

namespace tapir::detail {

/// out[i] = cast(in[i]) for `n` elements, `in` stepping by `stride` elements. Floats to integers truncate (saturating,
/// NaN to 0); anything to bool is `!= 0`.
void convert(const void* in, DType from, std::int64_t stride, void* out, DType to, std::int64_t n);

/// All elements in row-major order, cast to `to`, densely into `out`.
void copy_strided(const std::byte* in, DType from, const Shape& shape, const Shape& strides, void* out, DType to);

}  // namespace tapir::detail
