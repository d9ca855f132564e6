// Transcendental functions of Packs: the vector functions of the C library (glibc's libmvec, 2.35 and later), at most
// 4 ULP off and right for NaN, infinities, zeros and subnormals; elsewhere, and where there is no vector form, one lane
// after the other through the scalar C library. Functions that the C library lacks are at the end, in double.
#pragma once
#include <tapir/ops/functors/scalar_math.h>

#include <cmath>

#if defined(__GLIBC__) && defined(__x86_64__)
#if __GLIBC_PREREQ(2, 35)
#define TAPIR_LIBMVEC 1
#endif
#endif

// One function a line.
// clang-format off

namespace tapir::cpu::TAPIR_ISA {

// One lane after the other.
template <class T, class F>
inline Pack<T> per_lane(Pack<T> a, F f) {
  alignas(64) T x[Pack<T>::width];
  a.store(x);
  for (auto& v : x) v = T(f(v));
  return Pack<T>::load(x);
}
template <class T, class F>
inline Pack<T> per_lane(Pack<T> a, Pack<T> b, F f) {
  alignas(64) T x[Pack<T>::width], y[Pack<T>::width];
  a.store(x);
  b.store(y);
  for (int i = 0; i < Pack<T>::width; ++i) x[i] = T(f(x[i], y[i]));
  return Pack<T>::load(x);
}

#ifdef TAPIR_LIBMVEC
// Names by the vector ABI: _ZGV, instruction set, N(o mask), lanes, one v per argument, _, scalar name.
#if defined(__AVX512F__)
#define TAPIR_VECTOR_F(args, name) _ZGVeN16##args##_##name##f
#define TAPIR_VECTOR_D(args, name) _ZGVeN8##args##_##name
#elif defined(__AVX2__)
#define TAPIR_VECTOR_F(args, name) _ZGVdN8##args##_##name##f
#define TAPIR_VECTOR_D(args, name) _ZGVdN4##args##_##name
#else
#define TAPIR_VECTOR_F(args, name) _ZGVbN4##args##_##name##f
#define TAPIR_VECTOR_D(args, name) _ZGVbN2##args##_##name
#endif
#define TAPIR_UNARY(f)                                                                             \
  extern "C" Pack<float>::P TAPIR_VECTOR_F(v, f)(Pack<float>::P);                                  \
  extern "C" Pack<double>::P TAPIR_VECTOR_D(v, f)(Pack<double>::P);                                \
  inline Pack<float> f(Pack<float> a) { return Pack<float>(TAPIR_VECTOR_F(v, f)(a.p)); }           \
  inline Pack<double> f(Pack<double> a) { return Pack<double>(TAPIR_VECTOR_D(v, f)(a.p)); }
#define TAPIR_BINARY(f)                                                                            \
  extern "C" Pack<float>::P TAPIR_VECTOR_F(vv, f)(Pack<float>::P, Pack<float>::P);                 \
  extern "C" Pack<double>::P TAPIR_VECTOR_D(vv, f)(Pack<double>::P, Pack<double>::P);              \
  inline Pack<float> f(Pack<float> a, Pack<float> b) { return Pack<float>(TAPIR_VECTOR_F(vv, f)(a.p, b.p)); } \
  inline Pack<double> f(Pack<double> a, Pack<double> b) { return Pack<double>(TAPIR_VECTOR_D(vv, f)(a.p, b.p)); }
#else
#define TAPIR_UNARY(f) \
  template <class T> inline Pack<T> f(Pack<T> a) { return per_lane(a, [](T v) { return std::f(v); }); }
#define TAPIR_BINARY(f) \
  template <class T> inline Pack<T> f(Pack<T> a, Pack<T> b) {                                      \
    return per_lane(a, b, [](T v, T w) { return std::f(v, w); });                                  \
  }
#endif
namespace clib {  // wrapped below
TAPIR_UNARY(exp)
TAPIR_UNARY(erfc)
TAPIR_BINARY(pow)
}  // namespace clib
TAPIR_UNARY(exp2)
TAPIR_UNARY(expm1)
TAPIR_UNARY(log)
TAPIR_UNARY(log2)
TAPIR_UNARY(log10)
TAPIR_UNARY(log1p)
TAPIR_UNARY(sin)
TAPIR_UNARY(cos)
TAPIR_UNARY(tan)
TAPIR_UNARY(asin)
TAPIR_UNARY(acos)
TAPIR_UNARY(atan)
TAPIR_UNARY(sinh)
TAPIR_UNARY(cosh)
TAPIR_UNARY(tanh)
TAPIR_UNARY(asinh)
TAPIR_UNARY(acosh)
TAPIR_UNARY(atanh)
TAPIR_UNARY(erf)
TAPIR_BINARY(atan2)
TAPIR_BINARY(hypot)
#undef TAPIR_UNARY
#undef TAPIR_BINARY
#undef TAPIR_VECTOR_F
#undef TAPIR_VECTOR_D

// libmvec goes through its lanes one by one, ten times slower, if a result of theirs may overflow or underflow; so the
// next three keep such arguments from it.
template <class T> inline Pack<T> exp(Pack<T> x) {
  constexpr bool f32 = sizeof(T) == 4;
  constexpr double edge = f32 ? 87 : 708, shift = f32 ? 32 : 64, limit = edge + shift - 1;
  constexpr double up = f32 ? 78962960182680.69516 : 6.235149080811616882e27;         // exp(shift)
  constexpr double down = f32 ? 1.266416554909417572e-14 : 1.603810890548637853e-28;  // exp(-shift)
  const Mask<T> far = abs(x) > Pack<T>(edge);
  if (!any(far)) return clib::exp(x);
  Pack<T> z = minimum(maximum(x, Pack<T>(-limit)), Pack<T>(limit));
  z = where(far, z - copysign(Pack<T>(shift), x), z);
  return clib::exp(z) * where(far, where(x < Pack<T>(0), Pack<T>(down), Pack<T>(up)), Pack<T>(1));
}
template <class T> inline Pack<T> erfc(Pack<T> x) {
  const Mask<T> far = x > Pack<T>(sizeof(T) == 4 ? 10.1 : 27.3);  // 0 from there on
  return where(far, Pack<T>(0), clib::erfc(where(far, Pack<T>(0), x)));
}
template <class T> inline Pack<T> pow(Pack<T> a, Pack<T> b) {
  const Mask<T> negative = copysign(Pack<T>(1), a) < Pack<T>(0);
  Pack<T> r = clib::pow(abs(a), b);
  if (!any(negative)) return r;
  const Mask<T> whole = floor(b) == b, even = floor(b * Pack<T>(0.5)) == b * Pack<T>(0.5);
  const Mask<T> undefined = (a < Pack<T>(0)) & (a > Pack<T>(-std::numeric_limits<double>::infinity())) & !whole;
  r = where(negative & whole & !even, -r, r);
  return where(undefined, Pack<T>(std::numeric_limits<double>::quiet_NaN()), r);
}
// exp of a negative number alone: large ones would overflow where the result is merely tiny.
template <class T> inline Pack<T> sigmoid(Pack<T> x) {
  Pack<T> e = exp(-abs(x));
  return where(x < Pack<T>(0), e, Pack<T>(1)) / (Pack<T>(1) + e);
}
template <class T> inline Pack<T> nextafter(Pack<T> a, Pack<T> b) {
  return per_lane(a, b, [](T v, T w) { return std::nextafter(v, w); });
}

template <class T> inline Pack<T> floor_divide(Pack<T> a, Pack<T> b) {
  return per_lane(a, b, [](T v, T w) { T q, r; return vmath::floor_divmod(v, w, q, r), q; });
}
template <class T> inline Pack<T> remainder(Pack<T> a, Pack<T> b) {
  return per_lane(a, b, [](T v, T w) { T q, r; return vmath::floor_divmod(v, w, q, r), r; });
}

template <class T> inline Pack<T> erfinv(Pack<T> a) {
  return per_lane(a, [](T v) { return vmath::erfinv_of(double(v)); });
}

template <class T> inline Pack<T> polygamma(std::int64_t n, Pack<T> a) {
  return per_lane(a, [n](T v) { return vmath::polygamma_of(n, double(v)); });
}

template <class T> inline Pack<T> digamma(Pack<T> a) {
  return per_lane(a, [](T v) { return vmath::digamma_of(double(v)); });
}
template <class T> inline Pack<T> lgamma(Pack<T> a) {
  return per_lane(a, [](T v) { int sign; return ::lgamma_r(double(v), &sign); });
}

}  // namespace tapir::cpu::TAPIR_ISA
