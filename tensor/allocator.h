// Memory of CPU tensors: a caching allocator. Blocks are 64-byte aligned and kept for reuse by size class.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tapir {

/// What the CPU allocator holds, in bytes.
struct MemoryStats {
  std::size_t in_use = 0;         ///< held by live tensors
  std::size_t peak = 0;           ///< the largest `in_use` since the start or `reset_peak_memory()`
  std::size_t cached = 0;         ///< free blocks kept for reuse
  std::size_t limit = 0;          ///< 0: none
  std::uint64_t allocations = 0;  ///< requests so far
  std::uint64_t cache_hits = 0;   ///< requests answered without asking the system
};

/// The figures of the whole process.
MemoryStats memory_stats();
/// Makes `peak` start again from what is in use now.
void reset_peak_memory();
/// Gives every cached block back to the system, those of other threads' caches excepted.
void release_cached_memory();
/// Lets tensors use at most `bytes` (0: no limit). A request beyond it throws OutOfMemoryError and changes nothing.
void set_memory_limit(std::size_t bytes);

namespace detail {
/// `bytes` > 0 of 64-byte aligned memory. Throws OutOfMemoryError.
void* allocate_bytes(std::size_t bytes);
/// Gives back a block of `allocate_bytes(bytes)`.
void free_bytes(void* block, std::size_t bytes) noexcept;
}  // namespace detail

}  // namespace tapir
