// Factorisations for solving: Cholesky, LU, triangles. Eigen's.
#include <tapir/backends/cpu/matrices.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/linalg_attrs.h>

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace tapir::cpu {
namespace {

template <class T>
using Lu = Eigen::PartialPivLU<MatrixOf<T>>;

template <class T, unsigned mode, class A, class B>
void solve_with(const A& a, bool unit, B&& b) {
  if (unit) a.template triangularView<mode | Eigen::UnitDiag>().solveInPlace(b);
  else a.template triangularView<mode>().solveInPlace(b);
}

}  // namespace

void cholesky(const Call& call) {
  for_each_matrix(call, 0.33, [&]<class T>(std::int64_t i) {
    const Eigen::LLT<MatrixOf<T>, Eigen::Lower> llt(matrix_in<T>(call.in[0], i));
    // NaN is not told by Eigen, whose test is `x <= 0`
    if (llt.info() != Eigen::Success || !llt.matrixLLT().diagonal().allFinite())
      throw UsageError(fmt::format("cholesky: matrix {} is not positive definite.", i));
    matrix_out<T>(call.out[0], i) = MatrixOf<T>(llt.matrixL());
  });
}

void solve_triangular(const Call& call) {
  const auto& a = call.attrs.as<TriangularAttrs>();
  for_each_matrix(call, double(call.in[1].shape().dim(-1)) / double(call.in[1].shape().dim(-2) + 1),
                  [&]<class T>(std::int64_t i) {
                    const auto m = matrix_in<T>(call.in[0], i);
                    auto x = matrix_out<T>(call.out[0], i);
                    x = matrix_in<T>(call.in[1], i);
                    if (a.transpose) {
                      if (a.upper) solve_with<T, Eigen::Lower>(m.transpose(), a.unit_diagonal, x);
                      else solve_with<T, Eigen::Upper>(m.transpose(), a.unit_diagonal, x);
                    } else {
                      if (a.upper) solve_with<T, Eigen::Upper>(m, a.unit_diagonal, x);
                      else solve_with<T, Eigen::Lower>(m, a.unit_diagonal, x);
                    }
                  });
}

void solve(const Call& call) {
  const bool transpose = call.attrs.as<SolveAttrs>().transpose;
  for_each_matrix(call, 1, [&]<class T>(std::int64_t i) {
    const auto m = matrix_in<T>(call.in[0], i);
    if (m.rows() == 0) return;
    const Lu<T> lu(transpose ? MatrixOf<T>(m.transpose()) : MatrixOf<T>(m));
    if ((lu.matrixLU().diagonal().array() == T(0)).any())
      throw UsageError(fmt::format("solve: matrix {} is singular. pinv() and lstsq() take such matrices.", i));
    matrix_out<T>(call.out[0], i) = lu.solve(matrix_in<T>(call.in[1], i));
  });
}

void det(const Call& call) {
  for_each_matrix(call, 0.66, [&]<class T>(std::int64_t i) {
    const auto m = matrix_in<T>(call.in[0], i);
    call.out[0].mutable_data<T>()[i] = m.rows() == 0 ? T(1) : Lu<T>(MatrixOf<T>(m)).determinant();
  });
}

void slogdet(const Call& call) {
  for_each_matrix(call, 0.66, [&]<class T>(std::int64_t i) {
    const auto m = matrix_in<T>(call.in[0], i);
    T sign(1), log(0);
    if (m.rows() > 0) {
      const Lu<T> lu{MatrixOf<T>(m)};
      sign = T(lu.permutationP().determinant());
      for (const T d : lu.matrixLU().diagonal()) {
        sign *= std::isnan(d) ? d : T((d > 0) - (d < 0));
        log += std::log(std::abs(d));
      }
    }
    call.out[0].mutable_data<T>()[i] = sign;
    call.out[1].mutable_data<T>()[i] = log;
  });
}

}  // namespace tapir::cpu
