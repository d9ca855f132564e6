#define EIGEN_DONT_PARALLELIZE  // threads are the caller's business
#include <tapir/backends/cpu/gemm.h>

#include <Eigen/Core>

namespace tapir::cpu::TAPIR_ISA {
namespace {

template <class T, int Order>
using View = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Order>, 0, Eigen::OuterStride<>>;

template <class T, int A, int B>
void product(const Gemm& g) {
  View<T, A> a(static_cast<const T*>(g.a), g.m, g.k, Eigen::OuterStride<>(g.lda));
  View<T, B> b(static_cast<const T*>(g.b), g.k, g.n, Eigen::OuterStride<>(g.ldb));
  Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>, 0, Eigen::OuterStride<>> c(
      static_cast<T*>(g.c), g.m, g.n, Eigen::OuterStride<>(g.ldc));
  c.noalias() = a * b;
}

template <class T>
void gemm(const Gemm& g) {
  constexpr int row = Eigen::RowMajor, column = Eigen::ColMajor;
  if (g.transpose_a) return g.transpose_b ? product<T, column, column>(g) : product<T, column, row>(g);
  return g.transpose_b ? product<T, row, column>(g) : product<T, row, row>(g);
}

}  // namespace

constinit const GemmFns gemm_fns = {gemm<float>, gemm<double>};

}  // namespace tapir::cpu::TAPIR_ISA
