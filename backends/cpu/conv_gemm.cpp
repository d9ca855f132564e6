// Eigen's blocked product without its threads: the convolutions share out their own rows.
#include <Eigen/Core>

#include <tapir/backends/cpu/conv_gemm.h>

#include <algorithm>

namespace tapir::cpu::TAPIR_ISA {
namespace {

// In column-major terms C^T[n, m] += op(B)^T op(A)^T.
template <class T, int OrderB, int OrderA>
void product(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t lda, const T* b, std::int64_t ldb,
             T* c, std::int64_t ldc) {
  using namespace Eigen;
  internal::gemm_blocking_space<ColMajor, T, T, Dynamic, Dynamic, Dynamic> blocking(n, m, k, 1, true);
  internal::general_matrix_matrix_product<Index, T, OrderB, false, T, OrderA, false, ColMajor, 1>::run(
      n, m, k, b, ldb, a, lda, c, 1, ldc, T(1), blocking, nullptr);
}

template <class T>
void gemm(bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t lda, const T* b,
          std::int64_t ldb, bool add, T* c, std::int64_t ldc) {
  using Eigen::ColMajor, Eigen::RowMajor;
  if (!add)
    for (std::int64_t i = 0; i < m; ++i) std::fill_n(c + i * ldc, n, T(0));
  auto run = ta ? (tb ? product<T, RowMajor, RowMajor> : product<T, ColMajor, RowMajor>)
                : (tb ? product<T, RowMajor, ColMajor> : product<T, ColMajor, ColMajor>);
  run(m, n, k, a, lda, b, ldb, c, ldc);
}

}  // namespace

extern const ConvGemms conv_gemms = {gemm<float>, gemm<double>};

}  // namespace tapir::cpu::TAPIR_ISA
