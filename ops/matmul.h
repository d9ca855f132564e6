// Products of matrices and vectors: matmul, vecdot, outer, tensordot. einsum is a file of its own.
#pragma once
#include <tapir/ops/op.h>
#include <tapir/ops/precision.h>

#include <optional>

namespace tapir {

struct MatmulOptions {
  bool transpose_a = false;  ///< use the transpose of the last two dimensions of a
  bool transpose_b = false;
  std::optional<Precision> precision = {};  ///< of f32 products; none: matmul_precision()
};

/// The matrix product over the last two dimensions: a [..., m, k], b [..., k, n] -> [..., m, n]; leading dimensions
/// broadcast. A rank-1 operand is a row (a) or a column (b) whose dimension is dropped from the result, as in the
/// Python array API. Transposed and strided views are used where they lie. Accumulates f16 and bf16 in f32; integers
/// wrap around. Throws ShapeError if inner or batch dimensions do not fit, DTypeError for bool and for dtypes that do
/// not mix.
Tensor matmul(const Tensor& a, const Tensor& b, MatmulOptions options = {}, Where where = Where::current());

/// Sum of a * b over `axis`, which both must have with the same size; the other dimensions broadcast. Negative axes
/// count from the end. Throws ShapeError, DTypeError.
Tensor vecdot(const Tensor& a, const Tensor& b, int axis = -1, Where where = Where::current());

/// a [n], b [m] -> [n, m]. Operands of higher rank are flattened, as in NumPy. Throws DTypeError.
Tensor outer(const Tensor& a, const Tensor& b, Where where = Where::current());

/// Contracts the last `axes` dimensions of a with the first `axes` of b, in order; axes = 0 is the outer product.
/// Throws ShapeError if their sizes differ.
Tensor tensordot(const Tensor& a, const Tensor& b, int axes = 2, Where where = Where::current());
/// Contracts dimension a_axes[i] of a with b_axes[i] of b; the result has the other dimensions of a, then those of b.
/// Throws ShapeError if the lists differ in length, sizes differ, or an axis is out of range or named twice.
Tensor tensordot(const Tensor& a, const Tensor& b, const std::vector<int>& a_axes, const std::vector<int>& b_axes,
                 Where where = Where::current());

}  // namespace tapir
