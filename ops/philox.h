// Philox4x32-10: four random words from a 128-bit counter and a 64-bit key. Salmon, Moraes, Dror, Shaw: Parallel Random
// Numbers: As Easy as 1, 2, 3 (SC 2011). Also which word of which counter an element of a random tensor is made from:
// it depends on the key and the element's place alone, so that every number of threads and every device draws the same.
#pragma once
#include <cstdint>

namespace tapir::random {

struct PhiloxWords {
  std::uint32_t word[4];
};

constexpr PhiloxWords philox4x32_10(PhiloxWords counter, std::uint32_t key0, std::uint32_t key1) {
  auto& c = counter.word;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t(0xd2511f53u) * c[0], b = std::uint64_t(0xcd9e8d57u) * c[2];
    const PhiloxWords next = {{std::uint32_t(b >> 32) ^ c[1] ^ key0, std::uint32_t(b),
                               std::uint32_t(a >> 32) ^ c[3] ^ key1, std::uint32_t(a)}};
    counter = next;
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
  return counter;
}

/// What a random tensor is drawn from: a seed, and a stream of its own for each draw from the global generator.
/// `attempt` tells draws apart that replace a refused one.
struct PhiloxKey {
  std::uint64_t seed = 0, stream = 0;
  std::uint32_t attempt = 0;  // < 256; streams are < 2^56
};

/// The words of one counter.
constexpr PhiloxWords philox_block(const PhiloxKey& k, std::uint64_t block) {
  return philox4x32_10({{std::uint32_t(block), std::uint32_t(block >> 32), std::uint32_t(k.stream),
                         std::uint32_t(k.stream >> 32) | k.attempt << 24}},
                       std::uint32_t(k.seed), std::uint32_t(k.seed >> 32));
}

/// 16 counters make a group of 64 words: word w of counter c stands at 16 w + c, so that SIMD lanes and GPU threads,
/// each working on one counter, write side by side. An element of 32 bits takes the word at its own index.
constexpr std::uint32_t philox_word(const PhiloxKey& k, std::uint64_t i) {
  return philox_block(k, i / 64 * 16 + i % 16).word[i % 64 / 16];
}
/// An element of 64 bits takes two words of one counter: 32 elements a group.
constexpr std::uint64_t philox_long(const PhiloxKey& k, std::uint64_t i) {
  const PhiloxWords w = philox_block(k, i / 32 * 16 + i % 16);
  const std::uint64_t h = i % 32 / 16 * 2;
  return w.word[h] | std::uint64_t(w.word[h + 1]) << 32;
}

}  // namespace tapir::random
