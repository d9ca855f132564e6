// Several threads add to one element, or take the smaller or larger. Sums of floats then depend on the order in which
// threads come, in their last bits.
#pragma once
#include <tapir/tensor/host_device.h>

#include <cstdint>
#include <type_traits>

namespace tapir::cuda {

enum class Meet : std::uint8_t { add, update, min, max };

template <class T>
TAPIR_HD T met(Meet how, T old, T v) {
  switch (how) {
    case Meet::add:
      return T(old + v);
    case Meet::min:
      return v < old || v != v ? v : old;
    case Meet::max:
      return old < v || v != v ? v : old;
    default:
      return v;
  }
}

/// On a GPU by comparing and swapping the aligned word that the element is in.
template <class T>
TAPIR_HD void meet(T* to, Meet how, T v) {
#ifdef __CUDA_ARCH__
  if (how == Meet::update) return void(*to = v);
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    if (how == Meet::add) return void(atomicAdd(to, v));
  }
  using Word = std::conditional_t<sizeof(T) == 8, unsigned long long, unsigned>;
  const auto address = reinterpret_cast<std::uintptr_t>(to);
  auto* word = reinterpret_cast<Word*>(address & ~std::uintptr_t(sizeof(Word) - 1));
  const unsigned at = unsigned(address & (sizeof(Word) - 1));
  Word old = *word, seen;
  do {
    seen = old;
    Word next = seen;
    T value;
    memcpy(&value, reinterpret_cast<const char*>(&seen) + at, sizeof(T));
    value = met(how, value, v);
    memcpy(reinterpret_cast<char*>(&next) + at, &value, sizeof(T));
    old = atomicCAS(word, seen, next);
  } while (old != seen);
#else
  *to = met(how, *to, v);
#endif
}

}  // namespace tapir::cuda
