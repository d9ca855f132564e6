// What functor texts compute on here: Lane<T>, one number, of which each thread of the GPU (or the loop of the host
// double) has its own. lane.h knows all that integers need; the functions of floats are here.
#pragma once
#define TAPIR_ISA gpu
#include <tapir/backends/cpu/lane.h>
#include <tapir/ops/functors/scalar_math.h>

#include <math.h>  // float overloads in the global namespace, as a GPU's compiler has them

#include <concepts>

// One function a line.
// clang-format off

namespace tapir::cpu::gpu {

#define FLOAT_FN template <std::floating_point T> TAPIR_HD inline Lane<T>
FLOAT_FN operator-(Lane<T> a) { return Lane<T>(-a.v); }  // -0 of 0 too
FLOAT_FN maximum(Lane<T> a, Lane<T> b) { return a.v != a.v || a.v > b.v ? a : b; }  // NaN wins
FLOAT_FN minimum(Lane<T> a, Lane<T> b) { return a.v != a.v || a.v < b.v ? a : b; }
FLOAT_FN abs(Lane<T> a) { return Lane<T>(::fabs(a.v)); }
FLOAT_FN sign(Lane<T> a) { return Lane<T>(a.v > 0 ? T(1) : a.v < 0 ? T(-1) : a.v - a.v); }
FLOAT_FN floor(Lane<T> a) { return Lane<T>(::floor(a.v)); }
FLOAT_FN ceil(Lane<T> a) { return Lane<T>(::ceil(a.v)); }
FLOAT_FN round(Lane<T> a) { return Lane<T>(::rint(a.v)); }  // half to even
FLOAT_FN trunc(Lane<T> a) { return Lane<T>(::trunc(a.v)); }
FLOAT_FN copysign(Lane<T> a, Lane<T> b) { return Lane<T>(::copysign(a.v, b.v)); }
FLOAT_FN nextafter(Lane<T> a, Lane<T> b) { return Lane<T>(::nextafter(a.v, b.v)); }
FLOAT_FN sqrt(Lane<T> a) { return Lane<T>(::sqrt(a.v)); }
FLOAT_FN rsqrt(Lane<T> a) { return Lane<T>(T(1) / ::sqrt(a.v)); }
FLOAT_FN reciprocal(Lane<T> a) { return Lane<T>(T(1) / a.v); }
FLOAT_FN operator/(Lane<T> a, Lane<T> b) { return Lane<T>(a.v / b.v); }
FLOAT_FN exp(Lane<T> a) { return Lane<T>(::exp(a.v)); }
FLOAT_FN exp2(Lane<T> a) { return Lane<T>(::exp2(a.v)); }
FLOAT_FN expm1(Lane<T> a) { return Lane<T>(::expm1(a.v)); }
FLOAT_FN log(Lane<T> a) { return Lane<T>(::log(a.v)); }
FLOAT_FN log2(Lane<T> a) { return Lane<T>(::log2(a.v)); }
FLOAT_FN log10(Lane<T> a) { return Lane<T>(::log10(a.v)); }
FLOAT_FN log1p(Lane<T> a) { return Lane<T>(::log1p(a.v)); }
FLOAT_FN sin(Lane<T> a) { return Lane<T>(::sin(a.v)); }
FLOAT_FN cos(Lane<T> a) { return Lane<T>(::cos(a.v)); }
FLOAT_FN tan(Lane<T> a) { return Lane<T>(::tan(a.v)); }
FLOAT_FN asin(Lane<T> a) { return Lane<T>(::asin(a.v)); }
FLOAT_FN acos(Lane<T> a) { return Lane<T>(::acos(a.v)); }
FLOAT_FN atan(Lane<T> a) { return Lane<T>(::atan(a.v)); }
FLOAT_FN sinh(Lane<T> a) { return Lane<T>(::sinh(a.v)); }
FLOAT_FN cosh(Lane<T> a) { return Lane<T>(::cosh(a.v)); }
FLOAT_FN tanh(Lane<T> a) { return Lane<T>(::tanh(a.v)); }
FLOAT_FN asinh(Lane<T> a) { return Lane<T>(::asinh(a.v)); }
FLOAT_FN acosh(Lane<T> a) { return Lane<T>(::acosh(a.v)); }
FLOAT_FN atanh(Lane<T> a) { return Lane<T>(::atanh(a.v)); }
FLOAT_FN erf(Lane<T> a) { return Lane<T>(::erf(a.v)); }
FLOAT_FN erfc(Lane<T> a) { return Lane<T>(::erfc(a.v)); }
FLOAT_FN atan2(Lane<T> a, Lane<T> b) { return Lane<T>(::atan2(a.v, b.v)); }
FLOAT_FN hypot(Lane<T> a, Lane<T> b) { return Lane<T>(::hypot(a.v, b.v)); }
FLOAT_FN pow(Lane<T> a, Lane<T> b) { return Lane<T>(::pow(a.v, b.v)); }
FLOAT_FN sigmoid(Lane<T> a) {  // exp of a negative number alone
  const T e = ::exp(-::fabs(a.v));
  return Lane<T>((a.v < 0 ? e : T(1)) / (T(1) + e));
}
FLOAT_FN floor_divide(Lane<T> a, Lane<T> b) { T q, r; vmath::floor_divmod(a.v, b.v, q, r); return Lane<T>(q); }
FLOAT_FN remainder(Lane<T> a, Lane<T> b) { T q, r; vmath::floor_divmod(a.v, b.v, q, r); return Lane<T>(r); }
FLOAT_FN erfinv(Lane<T> a) { return Lane<T>(T(vmath::erfinv_of(a.v))); }
FLOAT_FN digamma(Lane<T> a) { return Lane<T>(T(vmath::digamma_of(a.v))); }
FLOAT_FN polygamma(std::int64_t n, Lane<T> a) { return Lane<T>(T(vmath::polygamma_of(n, a.v))); }
FLOAT_FN lgamma(Lane<T> a) {
#ifdef __CUDA_ARCH__
  return Lane<T>(T(::lgamma(double(a.v))));
#else
  int sign;
  return Lane<T>(T(::lgamma_r(double(a.v), &sign)));  // lgamma writes to a global
#endif
}
#undef FLOAT_FN

}  // namespace tapir::cpu::gpu
// clang-format on

namespace tapir::cuda {
using cpu::gpu::Lane;
}
