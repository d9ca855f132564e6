#include <tapir/backends/cpu/conv_packed.h>

#include <algorithm>
#include <cstdlib>
#include <list>
#include <mutex>
#include <new>
#include <unordered_map>

namespace tapir::cpu {
namespace {

constexpr std::size_t kBytes = 256 << 20, kRecent = 512;

struct Entry {
  std::string key;
  PackedKernel kernel;
  std::size_t bytes;
};
struct Cache {
  std::mutex mutex;
  std::list<Entry> order;  // the most recently used first
  std::unordered_map<std::string, std::list<Entry>::iterator> places;
  std::size_t bytes = 0;
  std::size_t recent[kRecent] = {}, next = 0;  // hashes of keys that missed; a clash only keeps a kernel too early
};
Cache& cache() {
  static Cache* c = new Cache;  // outlives every thread
  return *c;
}

}  // namespace

PackedKernel find_packed(const std::string& key) {
  Cache& c = cache();
  std::lock_guard lock(c.mutex);
  auto it = c.places.find(key);
  if (it == c.places.end()) return nullptr;
  c.order.splice(c.order.begin(), c.order, it->second);
  return it->second->kernel;
}

bool worth_packing(const std::string& key) {
  Cache& c = cache();
  std::lock_guard lock(c.mutex);
  const std::size_t hash = std::hash<std::string>()(key) | 1;
  if (std::find(c.recent, c.recent + kRecent, hash) != c.recent + kRecent) return true;
  c.recent[c.next++ % kRecent] = hash;
  return false;
}

void keep_packed(const std::string& key, PackedKernel kernel, std::size_t bytes) {
  Cache& c = cache();
  std::lock_guard lock(c.mutex);
  if (bytes > kBytes || c.places.count(key)) return;
  c.order.push_front({key, std::move(kernel), bytes});
  c.places[key] = c.order.begin();
  for (c.bytes += bytes; c.bytes > kBytes; c.order.pop_back()) {
    c.bytes -= c.order.back().bytes;
    c.places.erase(c.order.back().key);
  }
}

PackedKernel packed_memory(std::size_t bytes) {
  void* p = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (!p) throw std::bad_alloc();
  return {static_cast<std::byte*>(p), [](std::byte* q) { std::free(q); }};
}

}  // namespace tapir::cpu
