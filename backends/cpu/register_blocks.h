// Loops over blocks whose sums fit the registers: two vectors for each item, and room for operands.
#pragma once
#include <cstdint>
#include <utility>

namespace tapir::cpu::TAPIR_ISA {

#if defined(__AVX512F__)
inline constexpr int max_block = (32 - 3) / 2;
#else
inline constexpr int max_block = (16 - 3) / 2;
#endif

template <class F, int... B>
inline void call_block(std::int64_t size, std::int64_t begin, const F& f, std::integer_sequence<int, B...>) {
  (void)((size == B + 1 && (f.template operator()<B + 1>(begin), true)) || ...);
}
/// Calls f.template operator()<size>(begin) over [0, n) in blocks of nearly equal size, none above `most`.
template <int most = max_block, class F>
inline void in_register_blocks(std::int64_t n, const F& f) {
  const std::int64_t blocks = (n + most - 1) / most;
  for (std::int64_t i = 0; i < blocks; ++i) {
    const std::int64_t begin = n * i / blocks, end = n * (i + 1) / blocks;
    call_block(end - begin, begin, f, std::make_integer_sequence<int, most>());
  }
}
/// Items of one vector each: as many sums as hide the latency of a multiply-add.
inline constexpr int max_narrow_block = 12;

}  // namespace tapir::cpu::TAPIR_ISA
