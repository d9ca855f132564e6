#include <tapir/backends/cpu/parallel.h>
#include <tapir/backends/cpu/thread_pool.h>
#include <tapir/tensor/error.h>

#include <sched.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

namespace tapir {

// TAPIR_NUM_THREADS, OMP_NUM_THREADS (whose first number counts), or the CPUs that this process may run on.
static int default_threads() {
  for (const char* name : {"TAPIR_NUM_THREADS", "OMP_NUM_THREADS"}) {
    const char* text = std::getenv(name);
    if (!text || !*text) continue;
    char* end;
    const long n = std::strtol(text, &end, 10);
    if (n >= 1 && n <= 1 << 20 && (*end == 0 || *end == ',')) return int(n);
    std::fprintf(stderr, "tapir: %s=%s is no number of threads; it is ignored.\n", name, text);
  }
  cpu_set_t mine;
  if (sched_getaffinity(0, sizeof mine, &mine) == 0) return CPU_COUNT(&mine);
  return std::max(1, int(std::thread::hardware_concurrency()));  // more CPUs than a cpu_set_t holds
}

static std::atomic<int> threads{0};

int num_threads() {
  int n = threads.load(std::memory_order_relaxed);
  if (n > 0) return n;
  static const int by_default = default_threads();
  threads.compare_exchange_strong(n, by_default, std::memory_order_relaxed);  // unless somebody has set it by now
  return threads.load(std::memory_order_relaxed);
}

void set_num_threads(int n, Where where) {
  CallSite site(where);
  if (n < 1) throw UsageError("set_num_threads: needs at least 1, got " + std::to_string(n) + ".");
  threads.store(n, std::memory_order_relaxed);
}

}  // namespace tapir

namespace tapir::cpu::detail {

void run_parallel(std::int64_t n, std::int64_t parts, Body body, void* context) {
  ThreadPool::instance().run(n, int(std::min<std::int64_t>(parts, 1 << 20)), num_threads(), body, context);
}

}  // namespace tapir::cpu::detail
