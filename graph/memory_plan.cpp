#include <tapir/graph/memory_plan.h>

#include <algorithm>
#include <numeric>

namespace tapir::graph {

static std::size_t rounded(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

MemoryPlan plan_memory(const std::vector<Life>& lives) {
  MemoryPlan plan;
  plan.offsets.resize(lives.size());
  std::vector<std::size_t> order(lives.size()), placed;  // placed: by offset
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return lives[a].bytes > lives[b].bytes; });
  for (auto i : order) {
    std::size_t at = 0;
    for (auto p : placed) {
      if (lives[p].last < lives[i].first || lives[p].first > lives[i].last) continue;
      if (at + rounded(lives[i].bytes) <= plan.offsets[p]) break;
      at = std::max(at, plan.offsets[p] + rounded(lives[p].bytes));
    }
    plan.offsets[i] = at;
    plan.bytes = std::max(plan.bytes, at + rounded(lives[i].bytes));
    placed.insert(std::upper_bound(placed.begin(), placed.end(), i,
                                   [&](auto a, auto b) { return plan.offsets[a] < plan.offsets[b]; }),
                  i);
  }
  return plan;
}

std::size_t peak_of(const std::vector<Life>& lives) {
  int last = 0;
  for (auto& l : lives) last = std::max(last, l.last);
  std::vector<std::ptrdiff_t> change(std::size_t(last) + 2, 0);
  for (auto& l : lives) {
    change[std::size_t(l.first)] += std::ptrdiff_t(rounded(l.bytes));
    change[std::size_t(l.last) + 1] -= std::ptrdiff_t(rounded(l.bytes));
  }
  std::ptrdiff_t now = 0, peak = 0;
  for (auto c : change) peak = std::max(peak, now += c);
  return std::size_t(peak);
}

}  // namespace tapir::graph
