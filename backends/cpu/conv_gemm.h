// Matrix products on the calling thread for the convolutions, one set for each instruction set.
#pragma once
#include <cstdint>

namespace tapir::cpu {

/// Row-major C[m, n] = op(A) op(B) (+ C if `add`); lda and the like are the distances between rows as stored.
template <class T>
using ConvGemm = void (*)(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
                          const T* a, std::int64_t lda, const T* b, std::int64_t ldb, bool add, T* c, std::int64_t ldc);
struct ConvGemms {
  ConvGemm<float> f32;
  ConvGemm<double> f64;
};
namespace v2 {
extern const ConvGemms conv_gemms;
}
namespace v3 {
extern const ConvGemms conv_gemms;
}
namespace v4 {
extern const ConvGemms conv_gemms;
}

}  // namespace tapir::cpu
