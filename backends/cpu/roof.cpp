#include <tapir/backends/cpu/isa.h>
#include <tapir/backends/cpu/parallel.h>
#include <tapir/backends/cpu/roof_loops.h>
#include <tapir/ops/roof.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>

namespace tapir {
namespace {

constexpr int kRounds = 5;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double best_flops(const cpu::RoofLoops& loops) {
  constexpr std::int64_t rounds = 100000, parts = 8;  // of 100000 rounds each thread
  const std::int64_t n = parts * num_threads();
  double least = 1e9;
  for (int i = 0; i < kRounds; ++i) {
    const double start = now();
    cpu::parallel_for(n, 1, [&](std::int64_t begin, std::int64_t end) {
      [[maybe_unused]] volatile float sink = loops.multiply_adds((end - begin) * rounds, 1e-3f);
    });
    least = std::min(least, now() - start);
  }
  return 2.0 * loops.lanes * loops.chains * double(rounds * n) / least;
}

double best_bandwidth(const cpu::RoofLoops& loops) {
  constexpr std::int64_t n = 8 << 20;
  // Not from the allocator, whose statistics are about tensors.
  const auto a = std::make_unique_for_overwrite<float[]>(n), b = std::make_unique_for_overwrite<float[]>(n),
             c = std::make_unique_for_overwrite<float[]>(n);
  auto sweep = [&] {
    cpu::parallel_for(n, 1 << 16, [&](std::int64_t begin, std::int64_t end) {
      loops.triad(a.get() + begin, b.get() + begin, c.get() + begin, end - begin);
    });
  };
  std::fill_n(b.get(), n, 1.0f), std::fill_n(c.get(), n, 1.0f);
  sweep();
  double least = 1e9;
  for (int i = 0; i < kRounds; ++i) {
    const double start = now();
    sweep();
    least = std::min(least, now() - start);
  }
  return 3.0 * sizeof(float) * double(n) / least;
}

}  // namespace

Roof machine_roof() {
  static std::mutex mutex;
  static std::map<int, Roof> known;
  std::lock_guard lock(mutex);
  Roof& roof = known[num_threads()];
  if (roof.flops == 0) {
    const cpu::RoofLoops& loops = cpu::by_isa(&cpu::v2::roof_loops, TAPIR_TOP_ISA >= 3 ? &cpu::v3::roof_loops : nullptr,
                                              TAPIR_TOP_ISA >= 4 ? &cpu::v4::roof_loops : nullptr);
    roof = {best_flops(loops), best_bandwidth(loops)};
  }
  return roof;
}

}  // namespace tapir
