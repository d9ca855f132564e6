// Places buffers with known lives in one arena: the largest first, each at the lowest place where no living one is.
#pragma once
#include <cstddef>
#include <vector>

namespace tapir::graph {

/// A buffer that is written at step `first` and read last at step `last`.
struct Life {
  int first, last;
  std::size_t bytes;
};

/// The offset of each buffer, aligned to 64 bytes, and the size of the arena. Greedy by size, as in
/// "Efficient Memory Management for Deep Neural Net Inference" (Pisarchyk and Lee, 2020).
struct MemoryPlan {
  std::vector<std::size_t> offsets;
  std::size_t bytes = 0;
};
MemoryPlan plan_memory(const std::vector<Life>& lives);

/// The most bytes that are alive at one step.
std::size_t peak_of(const std::vector<Life>& lives);

}  // namespace tapir::graph
