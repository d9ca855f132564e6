// The conversions of tensor/dtype.h in loops that the compiler vectorises for each instruction set.
#include <tapir/backends/cpu/half_loops.h>

namespace tapir::cpu::TAPIR_ISA {

template <class From, class To>
static void run(const From* __restrict in, To* __restrict out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = To(in[i]);
}

static float rest(float x) {
  const float high = bfloat16(x);
  return high - high == 0 ? x - high : 0.0f;
}
template <class To>
static void bf16_rest(const float* __restrict in, To* __restrict out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = To(bfloat16(rest(in[i])));
}
static void as_bf16(const float* __restrict in, float* __restrict out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = bfloat16(in[i]);
}

constinit const HalfLoops half_loops = {run<float16, float>,  run<float, float16>, run<bfloat16, float>,
                                        run<float, bfloat16>, bf16_rest<bfloat16>, as_bf16,
                                        bf16_rest<float>};

}  // namespace tapir::cpu::TAPIR_ISA
