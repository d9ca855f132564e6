// Linear algebra on the last two dimensions of f32 and f64 tensors; leading dimensions are a batch. f16 and bf16
// compute in f32. Products are in ops/matmul.h, the diagonal and triangles in ops/rearrange.h.
#pragma once
#include <tapir/ops/op.h>

namespace tapir::linalg {

struct CholeskyOptions {
  bool upper = false;  ///< give the upper factor, x = U^T U
};
/// The lower triangular L with x = L L^T, of symmetric positive definite x [..., n, n]; only its lower triangle is
/// read. Throws ShapeError unless the matrices are square, UsageError if one is not positive definite.
Tensor cholesky(const Tensor& x, CholeskyOptions options = {}, Where where = Where::current());

struct TriangularOptions {
  bool upper = false;          ///< the upper triangle of a is used, the other one not read
  bool transpose = false;      ///< solve a^T x = b
  bool unit_diagonal = false;  ///< the diagonal counts as ones and is not read
};
/// x [..., n, k] with a x = b for triangular a [..., n, n] and b [..., n, k]; leading dimensions broadcast. A zero on
/// the diagonal gives infinities. Throws ShapeError, DTypeError if the dtypes differ.
Tensor solve_triangular(const Tensor& a, const Tensor& b, TriangularOptions options = {},
                        Where where = Where::current());

/// x with a x = b, a [..., n, n] and b [..., n, k] or [n], by LU with pivots; leading dimensions broadcast. Throws
/// ShapeError, DTypeError, UsageError if a matrix is singular.
Tensor solve(const Tensor& a, const Tensor& b, Where where = Where::current());
/// The inverse of x [..., n, n]. Prefer `solve(a, b)` to `matmul(inv(a), b)`: it is faster and more exact. Throws
/// ShapeError, UsageError if a matrix is singular.
Tensor inv(const Tensor& x, Where where = Where::current());
/// The determinants of x [..., n, n]: [...]. The gradient needs the inverse, so it is not finite for singular x.
Tensor det(const Tensor& x, Where where = Where::current());

struct Slogdet {
  Tensor sign;       ///< [...]: -1, 0 or 1
  Tensor logabsdet;  ///< [...]: minus infinity where the determinant is 0
};
/// Sign and logarithm of the size of the determinants of x [..., n, n], where the determinant itself would overflow.
Slogdet slogdet(const Tensor& x, Where where = Where::current());

struct QR {
  Tensor Q;  ///< [..., m, k], orthonormal columns; k = min(m, n)
  Tensor R;  ///< [..., k, n], upper triangular
};
/// x = Q R of x [..., m, n] by Householder reflections, in reduced form. Differentiable for m >= n (the rule of Walter
/// and Lehmann, Optimization Methods and Software 2018); the gradient of others throws UsageError.
QR qr(const Tensor& x, Where where = Where::current());

struct SVD {
  Tensor U;   ///< [..., m, k], orthonormal columns; k = min(m, n)
  Tensor S;   ///< [..., k], largest first
  Tensor Vh;  ///< [..., k, n], orthonormal rows
};
/// x = U diag(S) Vh of x [..., m, n], in reduced form, by divide and conquer. Gradients (Townsend, "Differentiating the
/// singular value decomposition", 2016) that flow through U or Vh are finite where the singular values differ.
SVD svd(const Tensor& x, Where where = Where::current());
/// The singular values of x [..., m, n], largest first: [..., k].
Tensor svdvals(const Tensor& x, Where where = Where::current());

struct Eigh {
  Tensor eigenvalues;   ///< [..., n], smallest first
  Tensor eigenvectors;  ///< [..., n, n], in columns, orthonormal
};
/// Eigenvalues and eigenvectors of symmetric x [..., n, n]; only the lower triangle is read. Gradients that flow
/// through the vectors are finite where the eigenvalues differ. Throws ShapeError.
Eigh eigh(const Tensor& x, Where where = Where::current());
/// The eigenvalues of symmetric x, smallest first: [..., n].
Tensor eigvalsh(const Tensor& x, Where where = Where::current());

struct RankOptions {
  double rtol =
      -1;  ///< singular values below rtol * the largest count as 0; negative: max(m, n) * epsilon of the dtype
};
/// The pseudoinverse of Moore and Penrose of x [..., m, n]: [..., n, m].
Tensor pinv(const Tensor& x, RankOptions options = {}, Where where = Where::current());
/// How many singular values of x [..., m, n] are not 0: i64 [...]. No gradient.
Tensor matrix_rank(const Tensor& x, RankOptions options = {}, Where where = Where::current());
/// x with the smallest norm of a x - b, for a [..., m, n] of full column rank, m >= n, and b [..., m, k], by QR. Throws
/// ShapeError.
Tensor lstsq(const Tensor& a, const Tensor& b, Where where = Where::current());

/// x [..., n, n] multiplied by itself n times; of the inverse if n is negative. Throws ShapeError, UsageError if a
/// matrix must be inverted and is singular.
Tensor matrix_power(const Tensor& x, std::int64_t n, Where where = Where::current());
/// The sum of the k-th diagonal of x [..., m, n]: [...].
Tensor trace(const Tensor& x, std::int64_t k = 0, Where where = Where::current());
/// The vector product along the last dimension, of size 3; the others broadcast. Throws ShapeError.
Tensor cross(const Tensor& a, const Tensor& b, Where where = Where::current());

struct MatrixNormOptions {
  const char* ord = "fro";  ///< "fro" (Frobenius), "nuc" (sum of singular values), "2", "-2" (largest, smallest one),
                            ///< "1", "-1" (largest, smallest sum of a column's sizes), "inf", "-inf" (of a row's)
  bool keepdims = false;
};
/// Norms of the matrices of x [..., m, n]: [...]. Of vectors: `norm`. Throws ShapeError, UsageError for another `ord`.
Tensor matrix_norm(const Tensor& x, MatrixNormOptions options = {}, Where where = Where::current());

}  // namespace tapir::linalg
