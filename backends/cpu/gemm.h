// One matrix product: on one thread by Eigen, for each instruction set, and by the fastest there is.
#pragma once
#include <tapir/backends/cpu/isa.h>
#include <tapir/tensor/dtype.h>

#include <cstdint>

namespace tapir::cpu {

/// c[m, n] = op(a)[m, k] op(b)[k, n]; all row-major with rows lda, ldb, ldc apart, op transposes.
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
};

struct GemmFns {
  void (*f32)(const Gemm&);
  void (*f64)(const Gemm&);
};
namespace v2 {
extern const GemmFns gemm_fns;
}
namespace v3 {
extern const GemmFns gemm_fns;
}
namespace v4 {
extern const GemmFns gemm_fns;
}

inline const GemmFns& gemm_fns() {
  return by_isa(&v2::gemm_fns, TAPIR_TOP_ISA >= 3 ? &v3::gemm_fns : nullptr,
                TAPIR_TOP_ISA >= 4 ? &v4::gemm_fns : nullptr);
}

/// f32 or f64 by the fastest there is: on this thread, or in blocks of c on all threads. For k > 0.
void gemm_here(const Gemm& g, DType dtype);
void gemm_shared(const Gemm& g, DType dtype);

}  // namespace tapir::cpu
