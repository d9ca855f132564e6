// Dense casts, with vector code for halves from and to f32, and what bf16 leaves of f32 numbers.
#pragma once
#include <tapir/backends/cpu/isa.h>
#include <tapir/tensor/dtype.h>

namespace tapir::cpu {

struct HalfLoops {
  void (*from_f16)(const float16*, float*, std::int64_t);
  void (*to_f16)(const float*, float16*, std::int64_t);
  void (*from_bf16)(const bfloat16*, float*, std::int64_t);
  void (*to_bf16)(const float*, bfloat16*, std::int64_t);
  void (*bf16_rest)(const float*, bfloat16*, std::int64_t);  // bf16(x - bf16(x)); 0 where that is an infinity or NaN
  void (*as_bf16)(const float*, float*, std::int64_t);       // the same two, kept in f32
  void (*as_bf16_rest)(const float*, float*, std::int64_t);
};
namespace v2 {
extern const HalfLoops half_loops;
}
namespace v3 {
extern const HalfLoops half_loops;
}
namespace v4 {
extern const HalfLoops half_loops;
}

/// out[i] = cast(in[i]); the rules are in tensor/convert.h.
void convert(const void* in, DType from, void* out, DType to, std::int64_t n);

}  // namespace tapir::cpu
