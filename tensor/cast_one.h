// How one number becomes one of another dtype, on every device.
#pragma once
#include <tapir/tensor/dtype.h>
#include <tapir/tensor/host_device.h>

#include <limits>

namespace tapir::detail {

/// v as a float with the last bit set where it is not exact: rounding that to a half is as rounding v itself.
template <class From>
TAPIR_HD float sticky(From v) {
  const float f = float(v);
  bool exact, too_far;
  if constexpr (std::is_integral_v<From>) {
    const bool beyond = f >= 0x1p63f;  // back would not fit
    const std::int64_t back = beyond ? 0 : std::int64_t(f);
    exact = !beyond && back == std::int64_t(v);
    too_far = beyond || (v < 0 ? back < std::int64_t(v) : back > std::int64_t(v));
  } else {
    exact = double(f) == double(v) || f != f;
    too_far = v < 0 ? double(f) < double(v) : double(f) > double(v);
  }
  if (exact) return f;
  return std::bit_cast<float>((std::bit_cast<std::uint32_t>(f) - too_far) | 1u);
}

/// Floats to integers truncate (saturating, NaN to 0); anything to bool is `!= 0`.
template <class To, class From>
TAPIR_HD To cast_one(From v) {
  if constexpr (std::is_same_v<To, bool>) {
    if constexpr (std::is_class_v<From>) return float(v) != 0;
    else return v != From(0);
  } else if constexpr (std::is_class_v<To>) {
    if constexpr (std::is_same_v<From, double> || (std::is_integral_v<From> && sizeof(From) > 2)) return To(sticky(v));
    else return To(float(v));
  } else if constexpr (std::is_class_v<From>) {
    return cast_one<To>(float(v));
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    if (!(v == v)) return To(0);
    constexpr auto lo = std::numeric_limits<To>::min(), hi = std::numeric_limits<To>::max();
    if (v <= From(lo)) return lo;
    if (v >= From(hi)) return hi;
    return To(v);
  } else {
    return To(v);
  }
}

}  // namespace tapir::detail
