// What functor texts compute on: Pack<T>, a SIMD register of floats (Eigen's packets), and Lane<T>, one number of any
// type that the compiler vectorises (lane.h). Compiled once per instruction set, in a namespace of its own (TAPIR_ISA
// is v2, v3 or v4; Eigen's namespace is renamed alike), so that no inline function leaks from one level into another.
#pragma once
#include <Eigen/Core>
#include <bit>
#include <limits>

#include <tapir/backends/cpu/lane.h>
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
PACK_FN at_least(Pack<T> a, Pack<T> low) { return Pack<T>(ei::pmax(a.p, low.p)); }  // one instruction; a NaN of a stays
PACK_FN at_most(Pack<T> a, Pack<T> high) { return Pack<T>(ei::pmin(a.p, high.p)); }
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

// clang-format on

}  // namespace tapir::cpu::TAPIR_ISA

#include <tapir/backends/cpu/vector_math.h>
