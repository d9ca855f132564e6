// Lane<T>: one number of any dtype, for functor texts. Loops over them are vectorised by the compiler, and a thread of
// a GPU works on one. In a namespace for each instruction set, as what includes it: see pack.h.
#pragma once
#include <tapir/tensor/host_device.h>

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

// One function a line.
// clang-format off

namespace tapir::cpu::TAPIR_ISA {

// One number: integers and bool, and floats where the result is bool. Integers wrap around; floats follow IEEE.
template <class T>
struct Lane {
  T v;
  Lane() = default;
  TAPIR_HD explicit Lane(T x) : v(x) {}
  template <class N>
    requires(!std::is_same_v<N, T> && std::is_arithmetic_v<N>)
  TAPIR_HD explicit Lane(N x) : v(T(x)) {}
};
template <class T>
using Wrap = std::conditional_t<std::is_integral_v<T> && !std::is_same_v<T, bool>, std::make_unsigned<T>,
                                std::type_identity<T>>::type;
template <class T> TAPIR_HD inline Lane<T> operator+(Lane<T> a, Lane<T> b) {
  return Lane<T>(T(Wrap<T>(a.v) + Wrap<T>(b.v)));
}
template <class T> TAPIR_HD inline Lane<T> operator-(Lane<T> a, Lane<T> b) {
  return Lane<T>(T(Wrap<T>(a.v) - Wrap<T>(b.v)));
}
template <class T> TAPIR_HD inline Lane<T> operator*(Lane<T> a, Lane<T> b) {
  if constexpr (std::is_same_v<T, std::int16_t>) return Lane<T>(T(unsigned(a.v) * unsigned(b.v)));
  else return Lane<T>(T(Wrap<T>(a.v) * Wrap<T>(b.v)));
}
template <class T> TAPIR_HD inline Lane<T> operator-(Lane<T> a) { return Lane<T>(T(Wrap<T>(0) - Wrap<T>(a.v))); }
template <class T> TAPIR_HD inline bool operator<(Lane<T> a, Lane<T> b) { return a.v < b.v; }
template <class T> TAPIR_HD inline bool operator<=(Lane<T> a, Lane<T> b) { return a.v <= b.v; }
template <class T> TAPIR_HD inline bool operator>(Lane<T> a, Lane<T> b) { return a.v > b.v; }
template <class T> TAPIR_HD inline bool operator>=(Lane<T> a, Lane<T> b) { return a.v >= b.v; }
template <class T> TAPIR_HD inline bool operator==(Lane<T> a, Lane<T> b) { return a.v == b.v; }
template <class T> TAPIR_HD inline bool operator!=(Lane<T> a, Lane<T> b) { return a.v != b.v; }
template <class T> TAPIR_HD inline Lane<T> where(bool c, Lane<T> a, Lane<T> b) { return c ? a : b; }
// Of a condition from memory, by its bits: a branch on random ones would cost twenty times as much.
template <class T> TAPIR_HD inline Lane<T> where(Lane<bool> c, Lane<T> a, Lane<T> b) {
  using Bits = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::conditional_t<sizeof(T) == 4, std::uint32_t,
               std::conditional_t<sizeof(T) == 2, std::uint16_t, std::uint8_t>>>;
  const Bits take = Bits(-Bits(c.v)), x = std::bit_cast<Bits>(a.v), y = std::bit_cast<Bits>(b.v);
  return Lane<T>(std::bit_cast<T>(Bits((x & take) | (y & ~take))));
}
template <class T> TAPIR_HD inline Lane<T> maximum(Lane<T> a, Lane<T> b) { return a.v < b.v ? b : a; }
template <class T> TAPIR_HD inline Lane<T> minimum(Lane<T> a, Lane<T> b) { return b.v < a.v ? b : a; }
template <class T> TAPIR_HD inline Lane<T> abs(Lane<T> a) { return a.v < T(0) ? -a : a; }
template <class T> TAPIR_HD inline Lane<T> sign(Lane<T> a) { return Lane<T>(T((a.v > T(0)) - (a.v < T(0)))); }

template <class T> TAPIR_HD inline Lane<T> floor(Lane<T> a) { return a; }  // these four: integers alone
template <class T> TAPIR_HD inline Lane<T> ceil(Lane<T> a) { return a; }
template <class T> TAPIR_HD inline Lane<T> round(Lane<T> a) { return a; }
template <class T> TAPIR_HD inline Lane<T> trunc(Lane<T> a) { return a; }
template <class T> TAPIR_HD inline bool isnan(Lane<T> a) { return a.v != a.v; }
template <class T> TAPIR_HD inline bool isinf(Lane<T> a) {
  if constexpr (std::is_floating_point_v<T>) return abs(a).v == std::numeric_limits<T>::infinity();
  else return false;
}
template <class T> TAPIR_HD inline bool isfinite(Lane<T> a) {
  if constexpr (std::is_floating_point_v<T>) return abs(a).v < std::numeric_limits<T>::infinity();
  else return true;
}
TAPIR_HD inline bool signbit(Lane<float> a) { return std::bit_cast<std::int32_t>(a.v) < 0; }
TAPIR_HD inline bool signbit(Lane<double> a) { return std::bit_cast<std::int64_t>(a.v) < 0; }

// Rounds down. By zero: 0. The smallest number by -1 wraps around to itself.
template <class T> TAPIR_HD inline Lane<T> floor_divide(Lane<T> a, Lane<T> b) {
  if (b.v == 0) return Lane<T>(T(0));
  if constexpr (std::is_signed_v<T>)
    if (b.v == -1) return -a;
  T q = T(a.v / b.v);
  return Lane<T>(T(q - T(q * b.v != a.v && (a.v < 0) != (b.v < 0))));
}
// The sign of b. By zero: 0.
template <class T> TAPIR_HD inline Lane<T> remainder(Lane<T> a, Lane<T> b) {
  if (b.v == 0) return Lane<T>(T(0));
  if constexpr (std::is_signed_v<T>)
    if (b.v == -1) return Lane<T>(T(0));
  T r = T(a.v % b.v);
  return Lane<T>(r != 0 && (r < 0) != (b.v < 0) ? T(r + b.v) : r);
}
// Wraps around. A negative exponent gives the true value rounded toward zero, and 0 for a base of 0.
template <class T> TAPIR_HD inline Lane<T> pow(Lane<T> a, Lane<T> b) {
  if (b.v < 0) return Lane<T>(T(a.v == 1 ? 1 : a.v == T(-1) ? (b.v % 2 ? -1 : 1) : 0));
  Lane<T> power(T(1));
  for (T e = b.v; e; e = T(e >> 1), a = a * a)
    if (e & 1) power = power * a;
  return power;
}
// Shifting by more bits than there are, or by a negative number, shifts everything out.
template <class T> TAPIR_HD inline Lane<T> left_shift(Lane<T> a, Lane<T> b) {
  constexpr T bits = 8 * sizeof(T);
  return Lane<T>(b.v < 0 || b.v >= bits ? T(0) : T(Wrap<T>(a.v) << b.v));
}
template <class T> TAPIR_HD inline Lane<T> right_shift(Lane<T> a, Lane<T> b) {
  constexpr T bits = 8 * sizeof(T);
  return Lane<T>(T(a.v >> (b.v < 0 || b.v >= bits ? T(bits - 1) : b.v) >> (std::is_signed_v<T> ? 0 : b.v >= bits)));
}
template <class T> TAPIR_HD inline Lane<T> operator&(Lane<T> a, Lane<T> b) { return Lane<T>(T(a.v & b.v)); }
template <class T> TAPIR_HD inline Lane<T> operator|(Lane<T> a, Lane<T> b) { return Lane<T>(T(a.v | b.v)); }
template <class T> TAPIR_HD inline Lane<T> operator^(Lane<T> a, Lane<T> b) { return Lane<T>(T(a.v ^ b.v)); }
template <class T> TAPIR_HD inline Lane<T> operator~(Lane<T> a) {
  if constexpr (std::is_same_v<T, bool>) return Lane<T>(!a.v);
  else return Lane<T>(T(~a.v));
}

}  // namespace tapir::cpu::TAPIR_ISA
// clang-format on
