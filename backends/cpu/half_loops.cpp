// The conversions of tensor/dtype.h in loops that the compiler vectorises for each instruction set.
#include <tapir/backends/cpu/half_loops.h>

namespace tapir::cpu::TAPIR_ISA {

template <class From, class To>
static void run(const From* __restrict in, To* __restrict out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = To(in[i]);
}

constinit const HalfLoops half_loops = {run<float16, float>, run<float, float16>, run<bfloat16, float>,
                                        run<float, bfloat16>};

}  // namespace tapir::cpu::TAPIR_ISA
