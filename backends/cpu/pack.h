// What functor texts compute on: Pack<T>, a SIMD register of floats (Eigen's packets), and Lane<T>, one number of any
// type that the compiler vectorises. Compiled once per instruction set, in a namespace of its own (TAPIR_ISA is v2, v3
// or v4; Eigen's namespace is renamed alike), so that no inline function leaks from one level into another.
#pragma once
#include <Eigen/Core>
#include <unsupported/Eigen/SpecialFunctions>

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

#define PACK_FN template <class T> inline Pack<T>
PACK_FN operator+(Pack<T> a, Pack<T> b) { return Pack<T>(ei::padd(a.p, b.p)); }
PACK_FN operator-(Pack<T> a, Pack<T> b) { return Pack<T>(ei::psub(a.p, b.p)); }
PACK_FN operator*(Pack<T> a, Pack<T> b) { return Pack<T>(ei::pmul(a.p, b.p)); }
PACK_FN operator/(Pack<T> a, Pack<T> b) { return Pack<T>(ei::pdiv(a.p, b.p)); }
PACK_FN operator-(Pack<T> a) { return Pack<T>(ei::pnegate(a.p)); }
PACK_FN fma(Pack<T> a, Pack<T> b, Pack<T> c) { return Pack<T>(ei::pmadd(a.p, b.p, c.p)); }
PACK_FN maximum(Pack<T> a, Pack<T> b) { return Pack<T>(ei::pmax<Eigen::PropagateNaN>(a.p, b.p)); }
PACK_FN minimum(Pack<T> a, Pack<T> b) { return Pack<T>(ei::pmin<Eigen::PropagateNaN>(a.p, b.p)); }
PACK_FN abs(Pack<T> a) { return Pack<T>(ei::pabs(a.p)); }
PACK_FN sqrt(Pack<T> a) { return Pack<T>(ei::psqrt(a.p)); }
PACK_FN exp(Pack<T> a) { return Pack<T>(ei::pexp(a.p)); }

// One lane after the other through the C library: for functions that have no packet form, or not for this T.
template <class T, class F>
inline Pack<T> per_lane(Pack<T> a, F f) {
  T lanes[Pack<T>::width];
  a.store(lanes);
  for (auto& v : lanes) v = f(v);
  return Pack<T>::load(lanes);
}
PACK_FN log(Pack<T> a) { return Pack<T>(ei::plog(a.p)); }
PACK_FN sin(Pack<T> a) {
  if constexpr (std::is_same_v<T, float>) return Pack<T>(ei::psin(a.p));
  else return per_lane(a, [](T v) { return ::sin(v); });
}
PACK_FN cos(Pack<T> a) {
  if constexpr (std::is_same_v<T, float>) return Pack<T>(ei::pcos(a.p));
  else return per_lane(a, [](T v) { return ::cos(v); });
}
PACK_FN tanh(Pack<T> a) {
  if constexpr (std::is_same_v<T, float>) return Pack<T>(ei::ptanh(a.p));
  else return per_lane(a, [](T v) { return ::tanh(v); });
}

template <class T> inline Mask<T> operator<(Pack<T> a, Pack<T> b) { return {ei::pcmp_lt(a.p, b.p)}; }
template <class T> inline Mask<T> operator<=(Pack<T> a, Pack<T> b) { return {ei::pcmp_le(a.p, b.p)}; }
template <class T> inline Mask<T> operator>(Pack<T> a, Pack<T> b) { return {ei::pcmp_lt(b.p, a.p)}; }
template <class T> inline Mask<T> operator>=(Pack<T> a, Pack<T> b) { return {ei::pcmp_le(b.p, a.p)}; }
template <class T> inline Mask<T> operator==(Pack<T> a, Pack<T> b) { return {ei::pcmp_eq(a.p, b.p)}; }
template <class T> inline Mask<T> operator&(Mask<T> a, Mask<T> b) { return {ei::pand(a.p, b.p)}; }
template <class T> inline Mask<T> operator|(Mask<T> a, Mask<T> b) { return {ei::por(a.p, b.p)}; }
PACK_FN where(Mask<T> m, Pack<T> a, Pack<T> b) { return Pack<T>(ei::pselect(m.p, a.p, b.p)); }
// -1, 0, 1; NaN stays NaN.
PACK_FN sign(Pack<T> a) {
  return where(a > Pack<T>(0), Pack<T>(1), where(a < Pack<T>(0), Pack<T>(-1), a - a));
}
#undef PACK_FN

// One number. Integers wrap around; floats follow IEEE.
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
template <class T> inline Lane<T> where(Lane<bool> c, Lane<T> a, Lane<T> b) { return c.v ? a : b; }
template <class T> inline Lane<T> maximum(Lane<T> a, Lane<T> b) { return a.v < b.v ? b : a; }
template <class T> inline Lane<T> minimum(Lane<T> a, Lane<T> b) { return b.v < a.v ? b : a; }
template <class T> inline Lane<T> abs(Lane<T> a) { return a.v < T(0) ? -a : a; }
template <class T> inline Lane<T> sign(Lane<T> a) { return Lane<T>(T((a.v > T(0)) - (a.v < T(0)))); }

}  // namespace tapir::cpu::TAPIR_ISA
