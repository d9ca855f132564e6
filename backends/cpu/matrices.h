// Batches of matrices as Eigen sees them: row-major maps of the last two dimensions.
#pragma once
#include <tapir/backends/cpu/parallel.h>
#include <tapir/ops/op.h>

#include <Eigen/Dense>

namespace tapir::cpu {

template <class T>
using MatrixOf = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
template <class T>
using RowMajor = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Matrix `i` of a dense tensor [..., m, n].
template <class T>
Eigen::Map<const RowMajor<T>> matrix_in(const Tensor& x, std::int64_t i) {
  const std::int64_t m = x.shape().dim(-2), n = x.shape().dim(-1);
  return {x.data<T>() + i * m * n, m, n};
}
template <class T>
Eigen::Map<RowMajor<T>> matrix_out(const Tensor& x, std::int64_t i) {
  const std::int64_t m = x.shape().dim(-2), n = x.shape().dim(-1);
  return {x.mutable_data<T>() + i * m * n, m, n};
}
/// Vector `i` of a dense tensor [..., n].
template <class T>
Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, 1>> vector_out(const Tensor& x, std::int64_t i) {
  const std::int64_t n = x.shape().dim(-1);
  return {x.mutable_data<T>() + i * n, n};
}

/// f.template operator()<T>(i) for each matrix of input 0, T its dtype, on several threads if they are many. A matrix
/// of m by n takes about m * n * min(m, n) * `factor` operations.
template <class F>
void for_each_matrix(const Call& call, double factor, const F& f) {
  const Shape& s = call.in[0].shape();
  const double m = double(s.dim(-2)), n = double(s.dim(-1));
  const std::int64_t count = s.first(s.rank() - 2).size();
  const auto grain = std::int64_t(1e5 / (m * n * std::min(m, n) * factor + 100)) + 1;
  parallel_for(count, grain, [&](std::int64_t i, std::int64_t end) {
    for (; i < end; ++i) {
      if (call.in[0].dtype() == DType::f64) f.template operator()<double>(i);
      else f.template operator()<float>(i);
    }
  });
}

}  // namespace tapir::cpu
