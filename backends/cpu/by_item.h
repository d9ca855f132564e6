// Elements that are only moved: an unsigned integer of their size stands for them.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tapir::cpu {

/// f(one of the unsigned integers), by the bytes of an element.
template <class F>
void by_item(std::size_t item, F&& f) {
  switch (item) {
    case 1:
      return f(std::uint8_t{});
    case 2:
      return f(std::uint16_t{});
    case 4:
      return f(std::uint32_t{});
    default:
      return f(std::uint64_t{});
  }
}

}  // namespace tapir::cpu
