// Optimizer updates, compiled once for each instruction set; the compiler vectorises the loop.
#include <tapir/backends/cpu/optimizer_loops.h>
#include <tapir/ops/functors/optimizer.h>

#include <algorithm>

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

template <int N, class T, class S>
void parameters(const S step, std::span<const Updated> all, std::int64_t begin, std::int64_t end) {
  auto p = std::upper_bound(all.begin(), all.end(), begin, [](std::int64_t at, auto& u) { return at < u.begin; }) - 1;
  for (; p != all.end() && p->begin < end; ++p) {
    const std::int64_t from = std::max<std::int64_t>(begin - p->begin, 0), to = std::min(end - p->begin, p->size);
    const T* in[5] = {};
    T* out[4] = {};
    for (int k = 0; k < 2 + N; ++k) in[k] = static_cast<const T*>(p->in[k]) + from;
    for (int k = 0; k < 1 + N; ++k) out[k] = static_cast<T*>(p->out[k]) + from;
    elements<N, T>(step, to - from, in, out);
  }
}

template <class F, class T>
void loop(const void* rule, double rate, std::int64_t t, std::span<const Updated> all, std::int64_t begin,
          std::int64_t end) {
  const F& f = *static_cast<const F*>(rule);
  const auto step = f.template step<T>(rate, t);
  switch (f.states()) {
    case 0:
      return parameters<0, T>(step, all, begin, end);
    case 1:
      return parameters<1, T>(step, all, begin, end);
    case 2:
      return parameters<2, T>(step, all, begin, end);
    default:
      return parameters<3, T>(step, all, begin, end);
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
