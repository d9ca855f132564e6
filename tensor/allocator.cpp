// Size classes are 2^k and its three quarters steps. Small blocks go through a cache per thread, large ones through one
// list per class for all threads, so that a buffer freed by one op is found warm by the next.
#include <tapir/tensor/allocator.h>
#include <tapir/tensor/error.h>

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <string>
#include <vector>

namespace tapir {
namespace {

constexpr std::size_t kAlign = 64, kThreadCachedBlock = 32 << 10, kHugePage = 2 << 20;
constexpr std::size_t kKept = 256 << 20;  // free bytes that are always kept
constexpr int kClasses = 4 * 48, kThreadBlocksPerClass = 32;
constexpr int kThreadClasses = 4 * (std::bit_width(kThreadCachedBlock / kAlign) - 1) + 1;

struct SizeClass {
  int index;
  std::size_t bytes;
};

// Classes: 64 * {1, 1.25, 1.5, 1.75} * 2^k, rounded up to the alignment.
SizeClass size_class(std::size_t bytes) {
  std::size_t n = (std::max(bytes, kAlign) + kAlign - 1) / kAlign;
  int k = std::bit_width(n) - 1;
  std::size_t base = std::size_t(1) << k, quarter = std::max<std::size_t>(base / 4, 1);
  std::size_t steps = (n - base + quarter - 1) / quarter;
  std::size_t units = base + steps * quarter;
  int index = int(4 * k + steps);
  if (units == 2 * base) index = 4 * (k + 1);
  return {index, units * kAlign};
}

struct Free {
  Free* next;
};

struct Shared {
  std::mutex mutex[kClasses];
  std::vector<void*> lists[kClasses];
  std::atomic<std::size_t> in_use{0}, peak{0}, cached{0}, limit{0};
  std::atomic<std::uint64_t> allocations{0}, hits{0};
};
Shared& shared() {
  static Shared* s = new Shared;  // never destroyed: tensors may outlive every static
  return *s;
}

void release_class(int index, std::size_t bytes) {
  Shared& s = shared();
  std::vector<void*> blocks;
  {
    std::lock_guard lock(s.mutex[index]);
    blocks.swap(s.lists[index]);
  }
  for (void* p : blocks) std::free(p);
  s.cached -= blocks.size() * bytes;
}

// Small: what is thread_local in libtapir must fit into the 1.6 KB that glibc keeps for libraries that are opened late
// (dlopen; `test/opened_late.cpp`).
struct ThreadCache {
  Free* heads[kThreadClasses] = {};
  int counts[kThreadClasses] = {};
  bool dead = false;
  void release(bool to_system) {
    for (int c = 0; c < kThreadClasses; ++c)
      while (Free* p = heads[c]) {
        heads[c] = p->next;
        --counts[c];
        std::size_t bytes = (kAlign << (c / 4)) + (kAlign << (c / 4)) / 4 * (c % 4);
        if (to_system) {
          std::free(p);
          shared().cached -= size_class(bytes).bytes;
        } else {
          std::lock_guard lock(shared().mutex[c]);
          shared().lists[c].push_back(p);
        }
      }
  }
  ~ThreadCache() {
    dead = true;
    release(false);
  }
};
thread_local ThreadCache cache;

void* from_system(std::size_t bytes) {
  void* p = std::aligned_alloc(bytes >= kHugePage ? kHugePage : kAlign,
                               bytes >= kHugePage ? (bytes + kHugePage - 1) / kHugePage * kHugePage : bytes);
  if (p && bytes >= kHugePage) madvise(p, bytes, MADV_HUGEPAGE);
  return p;
}

[[noreturn]] void out_of_memory(std::size_t bytes, const char* why) {
  Shared& s = shared();
  throw OutOfMemoryError("allocate: " + std::to_string(bytes) + " bytes " + why + " (" +
                         std::to_string(s.in_use.load()) + " in use, limit " + std::to_string(s.limit.load()) +
                         "). Use smaller batches, or set_memory_limit().");
}

}  // namespace

namespace detail {

void* allocate_bytes(std::size_t bytes) {
  Shared& s = shared();
  if (bytes > (std::size_t(1) << 46)) out_of_memory(bytes, "cannot be had on any machine");
  SizeClass c = size_class(bytes);
  std::size_t now = s.in_use.fetch_add(c.bytes, std::memory_order_relaxed) + c.bytes;
  std::size_t limit = s.limit.load(std::memory_order_relaxed);
  if (limit && now > limit) {
    s.in_use -= c.bytes;
    out_of_memory(bytes, "would exceed the memory limit");
  }
  if (now > s.peak.load(std::memory_order_relaxed)) {
    std::size_t peak = s.peak.load();
    while (now > peak && !s.peak.compare_exchange_weak(peak, now)) {
    }
  }
  s.allocations.fetch_add(1, std::memory_order_relaxed);
  void* p = nullptr;
  if (c.bytes <= kThreadCachedBlock && cache.heads[c.index]) {
    Free* head = cache.heads[c.index];
    cache.heads[c.index] = head->next;
    --cache.counts[c.index];
    p = head;
  } else {
    std::lock_guard lock(s.mutex[c.index]);
    auto& list = s.lists[c.index];
    if (!list.empty()) {
      p = list.back();
      list.pop_back();
    }
  }
  if (p) {
    s.cached.fetch_sub(c.bytes, std::memory_order_relaxed);
    s.hits.fetch_add(1, std::memory_order_relaxed);
    return p;
  }
  // Blocks of sizes that nobody asks for any more must not pile up: keep at most as much as was ever in use.
  if (s.cached.load(std::memory_order_relaxed) > std::max(kKept, s.peak.load(std::memory_order_relaxed)))
    release_cached_memory();
  p = from_system(c.bytes);
  if (!p) {
    release_cached_memory();
    p = from_system(c.bytes);
  }
  if (!p) {
    s.in_use -= c.bytes;
    out_of_memory(bytes, "could not be had from the system");
  }
  return p;
}

void free_bytes(void* p, std::size_t bytes) noexcept {
  Shared& s = shared();
  SizeClass c = size_class(bytes);
  s.in_use.fetch_sub(c.bytes, std::memory_order_relaxed);
  s.cached.fetch_add(c.bytes, std::memory_order_relaxed);
  if (c.bytes <= kThreadCachedBlock && !cache.dead && cache.counts[c.index] < kThreadBlocksPerClass) {
    auto* head = static_cast<Free*>(p);
    head->next = cache.heads[c.index];
    cache.heads[c.index] = head;
    ++cache.counts[c.index];
    return;
  }
  try {
    std::lock_guard lock(s.mutex[c.index]);
    s.lists[c.index].push_back(p);
  } catch (...) {  // no memory to remember it by
    std::free(p);
    s.cached.fetch_sub(c.bytes, std::memory_order_relaxed);
  }
}

}  // namespace detail

MemoryStats memory_stats() {
  Shared& s = shared();
  return {s.in_use, s.peak, s.cached, s.limit, s.allocations, s.hits};
}

void reset_peak_memory() { shared().peak = shared().in_use.load(); }

void release_cached_memory() {
  cache.release(true);
  for (int c = 0; c < kClasses; ++c)
    release_class(c, size_class((kAlign << (c / 4)) + (kAlign << (c / 4)) / 4 * (c % 4)).bytes);
}

void set_memory_limit(std::size_t bytes) { shared().limit = bytes; }

}  // namespace tapir
