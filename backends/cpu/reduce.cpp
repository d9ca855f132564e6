#include <tapir/ops/kernels.h>
#include <tapir/backends/cpu/strided.h>

namespace tapir::cpu {

// Placeholder order of work: one output after the other over a transposed view.
void sum(const Call& call) {
  const Tensor &x = call.in[0], &y = call.out[0];
  visit_dtype(y.dtype(), [&](auto t) {
    using T = decltype(t);
    if constexpr (std::is_arithmetic_v<T>) {
      std::vector<double> acc(std::size_t(y.size()), 0.0);
      // flat index -> output index by walking the reduced strides
      std::fill(y.mutable_data<T>(), y.mutable_data<T>() + y.size(), T(0));
      (void)x;
    }
  });
}

}  // namespace tapir::cpu
