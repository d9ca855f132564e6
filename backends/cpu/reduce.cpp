#include <tapir/ops/kernels.h>

namespace tapir::cpu {

// Element by element into f64 (or i64) accumulators; to be replaced by blocked rows per instruction set.
void sum(const Call& call) {
  const Tensor &x = call.in[0], &y = call.out[0];
  const Shape& axes = call.attrs.as<Shape>();  // the first field of ReduceAttrs
  Shape steps = Shape::filled(x.rank(), 0), at = steps;
  bool gone[Shape::max_rank] = {};
  for (auto a : axes) gone[a] = true;
  std::int64_t step = 1;
  for (int i = x.rank() - 1; i >= 0; --i)
    if (!gone[i]) steps[i] = step, step *= x.shape()[i];
  visit_dtype(x.dtype(), [&](auto from) {
    visit_dtype(y.dtype(), [&](auto to) {
      using From = decltype(from);
      using To = decltype(to);
      using Acc = std::conditional_t<std::is_integral_v<To>, std::int64_t, double>;
      std::vector<Acc> acc(std::size_t(y.size()), Acc(0));
      std::int64_t o = 0;
      for (std::int64_t i = 0; i < x.size(); ++i) {
        acc[std::size_t(o)] += Acc(x.data<From>()[i]);
        for (int d = x.rank() - 1; d >= 0; --d) {
          o += steps[d];
          if (++at[d] < x.shape()[d]) break;
          o -= steps[d] * x.shape()[d];
          at[d] = 0;
        }
      }
      for (std::size_t i = 0; i < acc.size(); ++i) y.mutable_data<To>()[i] = To(acc[i]);
    });
  });
}

}  // namespace tapir::cpu
