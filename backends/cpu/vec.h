// Short vectors of the compiler (GNU vector types), for loops over channels: arithmetic, comparisons and `mask ? a : b`
// work on them lane by lane. One text for every instruction set; see pack.h for math functions.
#pragma once
#include <cstdint>
#include <cstring>

namespace tapir::cpu::TAPIR_ISA {

template <class T, int N>
struct VecOf {
  using type [[gnu::vector_size(N * sizeof(T))]] = T;
};
template <class T>
struct VecOf<T, 1> {
  using type = T;
};
template <class T, int N>
using Vec = typename VecOf<T, N>::type;

#if defined(__AVX512F__)
inline constexpr int vec_bytes = 64;
#elif defined(__AVX__)
inline constexpr int vec_bytes = 32;
#else
inline constexpr int vec_bytes = 16;
#endif

template <class V, class T>
inline __attribute__((always_inline)) void load(V& v, const T* from) {
  std::memcpy(&v, from, sizeof(V));
}
template <class V, class T>
inline __attribute__((always_inline)) void store(const V& v, T* to) {
  std::memcpy(to, &v, sizeof(V));
}
/// Lane by lane to another type.
template <class To, class From>
inline __attribute__((always_inline)) void convert(To& to, const From& from) {
  if constexpr (requires { from[0]; }) to = __builtin_convertvector(from, To);
  else to = To(from);
}

/// f.template operator()<L>(c) on runs of L channels: whole registers first, then fours, then ones.
template <class T, class F>
inline __attribute__((always_inline)) void by_lanes(std::int64_t channels, F&& f) {
  constexpr int L = vec_bytes / int(sizeof(T));
  std::int64_t c = 0;
  for (; c + L <= channels; c += L) f.template operator()<L>(c);
  if constexpr (L > 4)
    for (; c + 4 <= channels; c += 4) f.template operator()<4>(c);
  for (; c < channels; ++c) f.template operator()<1>(c);
}

}  // namespace tapir::cpu::TAPIR_ISA
