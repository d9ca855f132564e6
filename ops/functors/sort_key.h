// The order of elements as the order of unsigned integers, for sorts and searches on every device.
#pragma once
#include <tapir/tensor/host_device.h>

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace tapir::vmath {

template <class T> using Key = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;

// NaN is the largest; -0 is 0.
template <class T> TAPIR_HD Key<T> key_of(T v) {
  using K = Key<T>;
  if constexpr (std::is_floating_point_v<T>) {
    constexpr K sign = K(1) << (sizeof(K) * 8 - 1);
    if (v != v) return std::numeric_limits<K>::max();
    K u = std::bit_cast<K>(v == T(0) ? T(0) : v);
    return u & sign ? K(~u) : K(u | sign);
  } else if constexpr (std::is_signed_v<T>) {
    using S = std::make_signed_t<K>;
    return K(K(S(v)) ^ (K(1) << (sizeof(K) * 8 - 1)));
  } else {
    return K(v);
  }
}

}  // namespace tapir::vmath
