// Products of row-major matrices by cuBLAS, whose own matrices are column-major.
#pragma once
#include <tapir/ops/precision.h>
#include <tapir/tensor/dtype.h>

#include <cstdint>

namespace tapir::cuda {

/// c [m, n] = a [m, k] b [k, n] + beta c, `count` times; `ld`: from row to row; a transposed operand lies as [k, m] or
/// [n, k]. f32, f64, f16 or bf16; halves are summed in f32.
struct Gemm {
  std::int64_t m, n, k;
  const void* a;
  bool transpose_a;
  std::int64_t lda;
  const void* b;
  bool transpose_b;
  std::int64_t ldb;
  void* c;
  std::int64_t ldc;
  DType dtype;
  Precision precision = Precision::highest;
  double beta = 0;
  std::int64_t count = 1, stride_a = 0, stride_b = 0, stride_c = 0;
};
/// Throws DeviceError if cuBLAS is not there, ShapeError for sizes beyond its 31 bits.
void gemm(const Gemm& g);

}  // namespace tapir::cuda
