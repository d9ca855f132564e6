// Element types: their names, sizes, C++ twins and the promotion table. Knows nothing of tensors.
#pragma once
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <type_traits>

namespace tapir {

/// The type of a tensor's elements.
enum class DType : std::uint8_t { f32, f64, f16, bf16, i8, u8, i16, i32, i64, boolean };
inline constexpr int dtype_count = 10;

/// IEEE half precision: 11 significant bits, largest finite value 65504. Arithmetic happens in float.
struct float16 {
  std::uint16_t bits = 0;
  float16() = default;
  [[gnu::always_inline]] explicit constexpr float16(float v) : bits(nearest(v)) {}
  [[gnu::always_inline]] static constexpr std::uint16_t nearest(float v);
  [[gnu::always_inline]] constexpr operator float() const;
};

/// bfloat16: the upper half of a float, 8 significant bits, rounded to nearest even. Arithmetic happens in float.
struct bfloat16 {
  std::uint16_t bits = 0;
  bfloat16() = default;
  [[gnu::always_inline]] explicit constexpr bfloat16(float v) {
    auto u = std::bit_cast<std::uint32_t>(v);
    bits = (u & 0x7fffffffu) > 0x7f800000u ? std::uint16_t((u >> 16) | 0x40u)
                                           : std::uint16_t((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
  [[gnu::always_inline]] constexpr operator float() const { return std::bit_cast<float>(std::uint32_t(bits) << 16); }
};

/// "f32", "i64", "bool", ...
const char* name_of(DType dtype);
std::ostream& operator<<(std::ostream& os, DType dtype);

constexpr std::size_t size_of(DType d) {
  switch (d) {
    case DType::f64:
    case DType::i64:
      return 8;
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::f16:
    case DType::bf16:
    case DType::i16:
      return 2;
    default:
      return 1;
  }
}
constexpr bool is_floating(DType d) { return d <= DType::bf16; }
constexpr bool is_integer(DType d) { return d >= DType::i8 && d <= DType::i64; }
constexpr bool is_half(DType d) { return d == DType::f16 || d == DType::bf16; }

/// The dtype of a C++ element type; double is f64, int is i32, bool is boolean.
template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) return DType::f32;
  else if constexpr (std::is_same_v<T, double>) return DType::f64;
  else if constexpr (std::is_same_v<T, float16>) return DType::f16;
  else if constexpr (std::is_same_v<T, bfloat16>) return DType::bf16;
  else if constexpr (std::is_same_v<T, bool>) return DType::boolean;
  else {
    static_assert(std::is_integral_v<T>, "not an element type of a tensor");
    if constexpr (sizeof(T) == 1) return std::is_signed_v<T> ? DType::i8 : DType::u8;
    else if constexpr (sizeof(T) == 2 && std::is_signed_v<T>) return DType::i16;
    else if constexpr (sizeof(T) == 4 && std::is_signed_v<T>) return DType::i32;
    else {
      static_assert(sizeof(T) == 8 && std::is_signed_v<T>, "u16, u32 and u64 are not tensor dtypes; use i32 or i64");
      return DType::i64;
    }
  }
}

/// The smallest dtype that holds both, by the Python array API standard's table (f16 with bf16 gives f32).
/// Returns false, leaving `out` alone, where the table has no entry: floats with integers, bool with numbers.
bool promote(DType a, DType b, DType& out);

/// Calls `f(T{})` with the C++ type of `d`.
template <class F>
constexpr decltype(auto) visit_dtype(DType d, F&& f) {
  switch (d) {
    case DType::f32:
      return f(float{});
    case DType::f64:
      return f(double{});
    case DType::f16:
      return f(float16{});
    case DType::bf16:
      return f(bfloat16{});
    case DType::i8:
      return f(std::int8_t{});
    case DType::u8:
      return f(std::uint8_t{});
    case DType::i16:
      return f(std::int16_t{});
    case DType::i32:
      return f(std::int32_t{});
    case DType::i64:
      return f(std::int64_t{});
    default:
      return f(bool{});
  }
}

// Both without branches, so that loops over them become vector code.
constexpr std::uint16_t float16::nearest(float v) {
  std::uint32_t u = std::bit_cast<std::uint32_t>(v), sign = (u >> 16) & 0x8000u;
  u &= 0x7fffffffu;
  std::uint32_t tiny =
      std::bit_cast<std::uint32_t>(std::bit_cast<float>(u) + 0.5f) - 0x3f000000u;  // float addition rounds
  std::uint32_t r = (u + 0xc8000fffu + ((u >> 13) & 1u)) >> 13;                    // rebias and round to nearest even
  r = u < 0x38800000u ? tiny : r;                                                  // subnormal
  r = u >= 0x47800000u ? 0x7c00u : r;                                              // too large: infinity
  r = u > 0x7f800000u ? 0x7e00u : r;                                               // NaN
  return std::uint16_t(sign | r);
}
constexpr float16::operator float() const {
  std::uint32_t sign = std::uint32_t(bits & 0x8000u) << 16, rest = bits & 0x7fffu;
  std::uint32_t tiny = std::bit_cast<std::uint32_t>(float(int(rest)) * 0x1p-24f), normal = (rest << 13) + 0x38000000u;
  std::uint32_t r = rest >= 0x400u ? normal : tiny;
  r = rest >= 0x7c00u ? normal + 0x38000000u : r;  // infinity, NaN
  return std::bit_cast<float>(sign | r);
}

}  // namespace tapir
