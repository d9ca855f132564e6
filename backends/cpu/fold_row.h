// Folding one dense row into one number, for the files that are compiled once for each instruction set: registers as
// the compiler's vector types, what a fold does to them, and the loop. f32 sums run in f32 registers over blocks of 32
// additions and join in f64, so that their error does not grow with the length. Integers wrap around in their own type.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace tapir::cpu::TAPIR_ISA {
namespace {  // each file keeps its own copy

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX2__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif

template <class T>
using Unsigned = typename std::conditional_t<std::is_integral_v<T>, std::make_unsigned<T>, std::type_identity<T>>::type;

// A fold: In is read, Lane accumulates a block, Wide joins blocks. `step` works on numbers and registers alike.
// `block` is the number of steps after which Lane moves to Wide; 0: never, Lane is as good as Wide.
template <class T>
struct SumOf {
  using In = T;
  using Lane = Unsigned<T>;
  using Wide = std::conditional_t<std::is_same_v<T, float>, double, Unsigned<T>>;
  using Out = T;
  static constexpr bool registers = true;
  static constexpr int block = std::is_same_v<T, float> ? 32 : 0;
  template <class V>
  static V step(V a, V x) {
    if constexpr (std::is_integral_v<V>) return V(a + x);
    else return a + x;
  }
};
struct CountOf {  // bool to i64
  using In = std::uint8_t;
  using Lane = std::uint8_t;
  using Wide = std::int64_t;
  using Out = std::int64_t;
  static constexpr bool registers = true;
  static constexpr int block = 60;  // four registers of counts up to 60 still fit into a byte
  template <class V>
  static V step(V a, V x) {
    if constexpr (std::is_integral_v<V>) return V(a + x);
    else return a + x;
  }
};
// One after the other, so that factors that cancel do so before anything overflows.
template <class T>
struct ProdOf {
  using In = T;
  using Lane = std::conditional_t<std::is_same_v<T, float>, double,
                                  std::conditional_t<sizeof(T) == 2, std::uint32_t, Unsigned<T>>>;
  using Wide = Lane;
  using Out = T;
  static constexpr bool registers = false;
  static constexpr int block = 0;
  template <class V>
  static V step(V a, V x) {
    return V(a * x);
  }
};
template <class T, bool largest>
struct ExtremeOf {
  using In = T;
  using Lane = T;
  using Wide = T;
  using Out = T;
  static constexpr bool registers = true;
  static constexpr int block = 0;
  template <class V>
  static V step(V a, V x) {
    if constexpr (std::is_integral_v<T>) {
      if constexpr (largest) return a > x ? a : x;
      else return a < x ? a : x;
    } else {
      if constexpr (largest) return ((a > x) | (a != a)) ? a : x;  // NaN stays
      else return ((a < x) | (a != a)) ? a : x;
    }
  }
};
template <bool every>
struct LogicOf {
  using In = std::uint8_t;
  using Lane = std::uint8_t;
  using Wide = std::uint8_t;
  using Out = bool;
  static constexpr bool registers = true;
  static constexpr int block = 0;
  template <class V>
  static V step(V a, V x) {
    if constexpr (every) return a & x;
    else return a | x;
  }
};

template <class Lane>
struct Register {
  typedef Lane V __attribute__((vector_size(kBytes)));
  static constexpr int lanes = kBytes / int(sizeof(Lane));
  static V load(const void* p) {
    V v;
    std::memcpy(&v, p, sizeof v);
    return v;
  }
};

template <class F>
typename F::Wide lanes_of(typename Register<typename F::Lane>::V v) {
  using Lane = typename F::Lane;
  using Wide = typename F::Wide;
  constexpr int n = Register<Lane>::lanes;
  Lane lane[n];
  std::memcpy(lane, &v, sizeof lane);
  if constexpr (F::block && std::is_integral_v<Lane>) {
    Wide w = 0;
    for (auto l : lane) w += l;
    return w;
  } else {
    for (int half = n / 2; half; half /= 2)
      for (int j = 0; j < half; ++j) lane[j] = F::step(lane[j], lane[j + half]);
    return Wide(lane[0]);
  }
}

// n >= 1 dense elements.
template <class F>
typename F::Wide row(const typename F::In* p, std::int64_t n) {
  using Wide = typename F::Wide;
  using Lane = typename F::Lane;
  std::int64_t i = 0;
  Wide total{};
  bool some = false;
  auto add = [&](Wide w) {
    total = some ? F::step(total, w) : w;
    some = true;
  };
  if constexpr (F::registers) {
    using R = Register<Lane>;
    constexpr int L = R::lanes, U = 4;
    while (n - i >= L * U) {
      typename R::V a = R::load(p + i), b = R::load(p + i + L), c = R::load(p + i + 2 * L), d = R::load(p + i + 3 * L);
      i += L * U;
      std::int64_t steps = (n - i) / (L * U);
      if (F::block) steps = std::min<std::int64_t>(steps, F::block - 1);
      for (; steps > 0; --steps, i += L * U) {
        a = F::step(a, R::load(p + i));
        b = F::step(b, R::load(p + i + L));
        c = F::step(c, R::load(p + i + 2 * L));
        d = F::step(d, R::load(p + i + 3 * L));
      }
      add(lanes_of<F>(F::step(F::step(a, b), F::step(c, d))));
    }
    if (n - i >= L) {
      typename R::V a = R::load(p + i);
      for (i += L; n - i >= L; i += L) a = F::step(a, R::load(p + i));
      add(lanes_of<F>(a));
    }
  }
  for (; i < n; ++i) add(Wide(p[i]));
  return total;
}

}  // namespace
}  // namespace tapir::cpu::TAPIR_ISA
