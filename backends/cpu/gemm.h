// One matrix product on one thread, by Eigen, for each instruction set.
#pragma once
#include <tapir/backends/cpu/isa.h>

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

}  // namespace tapir::cpu
