// Orthogonal factorisations: QR, singular values, eigenvalues of symmetric matrices. Eigen's.
#include <tapir/backends/cpu/matrices.h>
#include <tapir/ops/kernels.h>

#include <limits>

namespace tapir::cpu {

void qr(const Call& call) {
  for_each_matrix(call, 4, [&]<class T>(std::int64_t i) {
    auto q = matrix_out<T>(call.out[0], i), r = matrix_out<T>(call.out[1], i);
    if (q.cols() == 0) return;
    const Eigen::HouseholderQR<MatrixOf<T>> qr(matrix_in<T>(call.in[0], i));
    q = qr.householderQ() * MatrixOf<T>::Identity(q.rows(), q.cols());
    r = MatrixOf<T>(qr.matrixQR().topRows(r.rows()).template triangularView<Eigen::Upper>());
  });
}

void eigh(const Call& call) {
  for_each_matrix(call, 9, [&]<class T>(std::int64_t i) {
    auto w = vector_out<T>(call.out[0], i);
    auto v = matrix_out<T>(call.out[1], i);
    if (w.size() == 0) return;
    const MatrixOf<T> m = matrix_in<T>(call.in[0], i);
    const Eigen::SelfAdjointEigenSolver<MatrixOf<T>> solver(m);
    if (solver.info() != Eigen::Success || !solver.eigenvalues().allFinite()) {  // not all of m is finite
      w.setConstant(std::numeric_limits<T>::quiet_NaN());
      v.setConstant(std::numeric_limits<T>::quiet_NaN());
      return;
    }
    w = solver.eigenvalues();
    v = solver.eigenvectors();
  });
}

// In f64, also of f32: exact beyond need, and each dtype of BDCSVD takes g++ most of a minute.
void svd(const Call& call) {
  for_each_matrix(call, 20, [&]<class T>(std::int64_t i) {
    auto u = matrix_out<T>(call.out[0], i), vh = matrix_out<T>(call.out[2], i);
    auto s = vector_out<T>(call.out[1], i);
    if (s.size() == 0) return;
    const MatrixOf<double> m = matrix_in<T>(call.in[0], i).template cast<double>();
    if (!m.allFinite()) {
      for (auto* out : {&u, &vh}) out->setConstant(std::numeric_limits<T>::quiet_NaN());
      s.setConstant(std::numeric_limits<T>::quiet_NaN());
      return;
    }
    const Eigen::BDCSVD<MatrixOf<double>> svd(m, Eigen::ComputeThinU | Eigen::ComputeThinV);
    u = svd.matrixU().template cast<T>();
    s = svd.singularValues().template cast<T>();
    vh = svd.matrixV().transpose().template cast<T>();
  });
}

}  // namespace tapir::cpu
