#include <tapir/backends/cpu/parallel.h>
#include <tapir/tensor/error.h>

#include <omp.h>

#include <atomic>
#include <string>

namespace tapir {

static std::atomic<int> threads{0};

int num_threads() {
  int n = threads.load(std::memory_order_relaxed);
  if (n == 0) threads = n = std::max(1, omp_get_max_threads());
  return n;
}

void set_num_threads(int n) {
  if (n < 1) throw UsageError("set_num_threads: needs at least 1, got " + std::to_string(n) + ".");
  threads = n;
}

}  // namespace tapir

namespace tapir::cpu::detail {

void run_parallel(std::int64_t n, int parts, Body body, void* context) {
  if (omp_in_parallel()) return body(context, 0, n);
  std::exception_ptr error;
  std::atomic_flag caught = ATOMIC_FLAG_INIT;
#pragma omp parallel num_threads(parts)
  {
    int total = omp_get_num_threads(), me = omp_get_thread_num();
    try {
      std::int64_t begin = n * me / total, end = n * (me + 1) / total;
      if (begin < end) body(context, begin, end);
    } catch (...) {
      if (!caught.test_and_set()) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace tapir::cpu::detail
