// Optimizer updates, compiled once for each instruction set; the compiler vectorises the loop.
#include <tapir/backends/cpu/optimizer_loops.h>
#include <tapir/ops/functors/optimizer.h>

namespace tapir::cpu::TAPIR_ISA {
namespace {

template <int N, class T, class S>
void elements(const S step, std::int64_t n, const T* const* in, T* const* out) {
  const T *p = in[0], *a = in[N > 0 ? 1 : 0], *b = in[N > 1 ? 2 : 0], *c = in[N > 2 ? 3 : 0], *g = in[N + 1];
  T *out_p = out[0], *out_a = out[N > 0 ? 1 : 0], *out_b = out[N > 1 ? 2 : 0], *out_c = out[N > 2 ? 3 : 0];
#ifdef __clang__
#pragma clang loop vectorize(assume_safety)
#else
#pragma GCC ivdep
#endif
  for (std::int64_t i = 0; i < n; ++i) {
    T value = p[i], s0{}, s1{}, s2{};
    if constexpr (N > 0) s0 = a[i];
    if constexpr (N > 1) s1 = b[i];
    if constexpr (N > 2) s2 = c[i];
    step.template run<N>(value, g[i], s0, s1, s2);
    out_p[i] = value;
    if constexpr (N > 0) out_a[i] = s0;
    if constexpr (N > 1) out_b[i] = s1;
    if constexpr (N > 2) out_c[i] = s2;
  }
}

template <class F, class T>
void loop(const void* rule, double rate, std::int64_t t, const void* const* in, void* const* out, std::int64_t begin,
          std::int64_t end) {
  const F& f = *static_cast<const F*>(rule);
  const auto step = f.template step<T>(rate, t);
  const int n = f.states();
  const T* i[5] = {};
  T* o[4] = {};
  for (int k = 0; k < 2 + n; ++k) i[k] = static_cast<const T*>(in[k]) + begin;
  for (int k = 0; k < 1 + n; ++k) o[k] = static_cast<T*>(out[k]) + begin;
  auto run = [&](auto run_n) { elements<decltype(run_n)::value, T>(step, end - begin, i, o); };
  switch (n) {
    case 0:
      return run(std::integral_constant<int, 0>());
    case 1:
      return run(std::integral_constant<int, 1>());
    case 2:
      return run(std::integral_constant<int, 2>());
    default:
      return run(std::integral_constant<int, 3>());
  }
}

}  // namespace

template <class F>
const UpdateLoops Updates<F>::loops = {loop<F, float>, loop<F, double>};

template struct Updates<vmath::fn::SGDUpdate>;
template struct Updates<vmath::fn::AdamUpdate>;
template struct Updates<vmath::fn::RMSpropUpdate>;
template struct Updates<vmath::fn::AdagradUpdate>;

}  // namespace tapir::cpu::TAPIR_ISA
