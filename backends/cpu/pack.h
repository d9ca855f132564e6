// What functor texts compute on: Pack<T>, a SIMD register of floats (Eigen's packets), and Lane<T>, one number of any
// type that the compiler vectorises. Compiled once per instruction set, in a namespace of its own (TAPIR_ISA is v2, v3
// or v4; Eigen's namespace is renamed alike), so that no inline function leaks from one level into another.
#pragma once
#include <Eigen/Core>
#include <bit>
#include <limits>

#include <tapir/tensor/dtype.h>

namespace tapir::cpu::TAPIR_ISA {

namespace ei = Eigen::internal;

template <class T>
struct Pack {
  using P = typename ei::packet_traits<T>::type;
  static constexpr int width = ei::unpacket_traits<P>::size;
  P p;
  Pack() = default;
  explicit Pack(double c) : p(ei::pset1<P>(T(c))) {}
  explicit Pack(const P& q) : p(q) {}
  static Pack load(const T* from) { return Pack(ei::ploadu<P>(from)); }
  void store(T* to) const { ei::pstoreu(to, p); }
};

// All ones or all zeros in each lane.
template <class T>
struct Mask {
  typename Pack<T>::P p;
};

// One function a line.
// clang-format off
#define PACK_FN template <class T> inline Pack<T>
PACK_FN operator+(Pack<T> a, Pack<T> b) { return Pack<T>(ei::padd(a.p, b.p)); }
PACK_FN operator-(Pack<T> a, Pack<T> b) { return Pack<T>(ei::psub(a.p, b.p)); }
PACK_FN operator*(Pack<T> a, Pack<T> b) { return Pack<T>(ei::pmul(a.p, b.p)); }
PACK_FN operator/(Pack<T> a, Pack<T> b) { return Pack<T>(ei::pdiv(a.p, b.p)); }
PACK_FN operator-(Pack<T> a) { return Pack<T>(ei::pxor(a.p, ei::pset1<typename Pack<T>::P>(T(-0.0)))); }  // -0 of 0 too
PACK_FN fma(Pack<T> a, Pack<T> b, Pack<T> c) { return Pack<T>(ei::pmadd(a.p, b.p, c.p)); }
PACK_FN maximum(Pack<T> a, Pack<T> b) { return Pack<T>(ei::pmax<Eigen::PropagateNaN>(a.p, b.p)); }
PACK_FN minimum(Pack<T> a, Pack<T> b) { return Pack<T>(ei::pmin<Eigen::PropagateNaN>(a.p, b.p)); }
PACK_FN abs(Pack<T> a) { return Pack<T>(ei::pabs(a.p)); }
PACK_FN sqrt(Pack<T> a) { return Pack<T>(ei::psqrt(a.p)); }
PACK_FN floor(Pack<T> a) { return Pack<T>(ei::pfloor(a.p)); }
PACK_FN ceil(Pack<T> a) { return Pack<T>(ei::pceil(a.p)); }
PACK_FN round(Pack<T> a) { return Pack<T>(ei::print(a.p)); }  // half to even
PACK_FN reciprocal(Pack<T> a) { return Pack<T>(1) / a; }
PACK_FN rsqrt(Pack<T> a) { return Pack<T>(1) / sqrt(a); }

template <class T> inline Mask<T> operator<(Pack<T> a, Pack<T> b) { return {ei::pcmp_lt(a.p, b.p)}; }
template <class T> inline Mask<T> operator<=(Pack<T> a, Pack<T> b) { return {ei::pcmp_le(a.p, b.p)}; }
template <class T> inline Mask<T> operator>(Pack<T> a, Pack<T> b) { return {ei::pcmp_lt(b.p, a.p)}; }
template <class T> inline Mask<T> operator>=(Pack<T> a, Pack<T> b) { return {ei::pcmp_le(b.p, a.p)}; }
template <class T> inline Mask<T> operator==(Pack<T> a, Pack<T> b) { return {ei::pcmp_eq(a.p, b.p)}; }
template <class T> inline Mask<T> operator&(Mask<T> a, Mask<T> b) { return {ei::pand(a.p, b.p)}; }
template <class T> inline Mask<T> operator|(Mask<T> a, Mask<T> b) { return {ei::por(a.p, b.p)}; }
template <class T> inline Mask<T> operator!(Mask<T> a) { return {ei::pxor(a.p, ei::ptrue(a.p))}; }
template <class T> inline Mask<T> operator!=(Pack<T> a, Pack<T> b) { return !(a == b); }
PACK_FN where(Mask<T> m, Pack<T> a, Pack<T> b) { return Pack<T>(ei::pselect(m.p, a.p, b.p)); }
// -1, 0, 1; NaN stays NaN.
PACK_FN sign(Pack<T> a) {
  return where(a > Pack<T>(0), Pack<T>(1), where(a < Pack<T>(0), Pack<T>(-1), a - a));
}
PACK_FN trunc(Pack<T> a) { return where(a < Pack<T>(0), ceil(a), floor(a)); }
PACK_FN copysign(Pack<T> a, Pack<T> b) {
  auto sign = ei::pset1<typename Pack<T>::P>(T(-0.0));
  return Pack<T>(ei::por(ei::pandnot(a.p, sign), ei::pand(b.p, sign)));
}
#undef PACK_FN
// Is any lane true?
#if defined(__AVX512DQ__)
inline bool any(Mask<float> m) { return _mm512_movepi32_mask(_mm512_castps_si512(m.p)) != 0; }
inline bool any(Mask<double> m) { return _mm512_movepi64_mask(_mm512_castpd_si512(m.p)) != 0; }
#elif defined(__AVX2__)
inline bool any(Mask<float> m) { return _mm256_movemask_ps(m.p) != 0; }
inline bool any(Mask<double> m) { return _mm256_movemask_pd(m.p) != 0; }
#else
inline bool any(Mask<float> m) { return _mm_movemask_ps(m.p) != 0; }
inline bool any(Mask<double> m) { return _mm_movemask_pd(m.p) != 0; }
#endif

// One number: integers and bool, and floats where the result is bool. Integers wrap around; floats follow IEEE.
template <class T>
struct Lane {
  T v;
  Lane() = default;
  explicit Lane(T x) : v(x) {}
  template <class N>
    requires(!std::is_same_v<N, T> && std::is_arithmetic_v<N>)
  explicit Lane(N x) : v(T(x)) {}
};
template <class T>
using Wrap = std::conditional_t<std::is_integral_v<T> && !std::is_same_v<T, bool>, std::make_unsigned<T>,
                                std::type_identity<T>>::type;
template <class T> inline Lane<T> operator+(Lane<T> a, Lane<T> b) { return Lane<T>(T(Wrap<T>(a.v) + Wrap<T>(b.v))); }
template <class T> inline Lane<T> operator-(Lane<T> a, Lane<T> b) { return Lane<T>(T(Wrap<T>(a.v) - Wrap<T>(b.v))); }
template <class T> inline Lane<T> operator*(Lane<T> a, Lane<T> b) {
  if constexpr (std::is_same_v<T, std::int16_t>) return Lane<T>(T(unsigned(a.v) * unsigned(b.v)));
  else return Lane<T>(T(Wrap<T>(a.v) * Wrap<T>(b.v)));
}
template <class T> inline Lane<T> operator-(Lane<T> a) { return Lane<T>(T(Wrap<T>(0) - Wrap<T>(a.v))); }
template <class T> inline bool operator<(Lane<T> a, Lane<T> b) { return a.v < b.v; }
template <class T> inline bool operator<=(Lane<T> a, Lane<T> b) { return a.v <= b.v; }
template <class T> inline bool operator>(Lane<T> a, Lane<T> b) { return a.v > b.v; }
template <class T> inline bool operator>=(Lane<T> a, Lane<T> b) { return a.v >= b.v; }
template <class T> inline bool operator==(Lane<T> a, Lane<T> b) { return a.v == b.v; }
template <class T> inline bool operator!=(Lane<T> a, Lane<T> b) { return a.v != b.v; }
template <class T> inline Lane<T> where(bool c, Lane<T> a, Lane<T> b) { return c ? a : b; }
// Of a condition from memory, by its bits: a branch on random ones would cost twenty times as much.
template <class T> inline Lane<T> where(Lane<bool> c, Lane<T> a, Lane<T> b) {
  using Bits = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::conditional_t<sizeof(T) == 4, std::uint32_t,
               std::conditional_t<sizeof(T) == 2, std::uint16_t, std::uint8_t>>>;
  const Bits take = Bits(-Bits(c.v)), x = std::bit_cast<Bits>(a.v), y = std::bit_cast<Bits>(b.v);
  return Lane<T>(std::bit_cast<T>(Bits((x & take) | (y & ~take))));
}
template <class T> inline Lane<T> maximum(Lane<T> a, Lane<T> b) { return a.v < b.v ? b : a; }
template <class T> inline Lane<T> minimum(Lane<T> a, Lane<T> b) { return b.v < a.v ? b : a; }
template <class T> inline Lane<T> abs(Lane<T> a) { return a.v < T(0) ? -a : a; }
template <class T> inline Lane<T> sign(Lane<T> a) { return Lane<T>(T((a.v > T(0)) - (a.v < T(0)))); }

template <class T> inline Lane<T> floor(Lane<T> a) { return a; }  // these four: integers alone
template <class T> inline Lane<T> ceil(Lane<T> a) { return a; }
template <class T> inline Lane<T> round(Lane<T> a) { return a; }
template <class T> inline Lane<T> trunc(Lane<T> a) { return a; }
template <class T> inline bool isnan(Lane<T> a) { return a.v != a.v; }
template <class T> inline bool isinf(Lane<T> a) {
  if constexpr (std::is_floating_point_v<T>) return abs(a).v == std::numeric_limits<T>::infinity();
  else return false;
}
template <class T> inline bool isfinite(Lane<T> a) {
  if constexpr (std::is_floating_point_v<T>) return abs(a).v < std::numeric_limits<T>::infinity();
  else return true;
}
inline bool signbit(Lane<float> a) { return std::bit_cast<std::int32_t>(a.v) < 0; }
inline bool signbit(Lane<double> a) { return std::bit_cast<std::int64_t>(a.v) < 0; }

// Rounds down. By zero: 0. The smallest number by -1 wraps around to itself.
template <class T> inline Lane<T> floor_divide(Lane<T> a, Lane<T> b) {
  if (b.v == 0) return Lane<T>(T(0));
  if constexpr (std::is_signed_v<T>)
    if (b.v == -1) return -a;
  T q = T(a.v / b.v);
  return Lane<T>(T(q - T(q * b.v != a.v && (a.v < 0) != (b.v < 0))));
}
// The sign of b. By zero: 0.
template <class T> inline Lane<T> remainder(Lane<T> a, Lane<T> b) {
  if (b.v == 0) return Lane<T>(T(0));
  if constexpr (std::is_signed_v<T>)
    if (b.v == -1) return Lane<T>(T(0));
  T r = T(a.v % b.v);
  return Lane<T>(r != 0 && (r < 0) != (b.v < 0) ? T(r + b.v) : r);
}
// Wraps around. A negative exponent gives the true value rounded toward zero, and 0 for a base of 0.
template <class T> inline Lane<T> pow(Lane<T> a, Lane<T> b) {
  if (b.v < 0) return Lane<T>(T(a.v == 1 ? 1 : a.v == T(-1) ? (b.v % 2 ? -1 : 1) : 0));
  Lane<T> power(T(1));
  for (T e = b.v; e; e = T(e >> 1), a = a * a)
    if (e & 1) power = power * a;
  return power;
}
// Shifting by more bits than there are, or by a negative number, shifts everything out.
template <class T> inline Lane<T> left_shift(Lane<T> a, Lane<T> b) {
  constexpr T bits = 8 * sizeof(T);
  return Lane<T>(b.v < 0 || b.v >= bits ? T(0) : T(Wrap<T>(a.v) << b.v));
}
template <class T> inline Lane<T> right_shift(Lane<T> a, Lane<T> b) {
  constexpr T bits = 8 * sizeof(T);
  return Lane<T>(T(a.v >> (b.v < 0 || b.v >= bits ? T(bits - 1) : b.v) >> (std::is_signed_v<T> ? 0 : b.v >= bits)));
}
template <class T> inline Lane<T> operator&(Lane<T> a, Lane<T> b) { return Lane<T>(T(a.v & b.v)); }
template <class T> inline Lane<T> operator|(Lane<T> a, Lane<T> b) { return Lane<T>(T(a.v | b.v)); }
template <class T> inline Lane<T> operator^(Lane<T> a, Lane<T> b) { return Lane<T>(T(a.v ^ b.v)); }
template <class T> inline Lane<T> operator~(Lane<T> a) {
  if constexpr (std::is_same_v<T, bool>) return Lane<T>(!a.v);
  else return Lane<T>(T(~a.v));
}

// clang-format on

}  // namespace tapir::cpu::TAPIR_ISA

#include <tapir/backends/cpu/vector_math.h>
