// The threads behind parallel_for. A job is cut into chunks; whoever comes claims the next one, the caller included,
// and the caller waits for nobody who has not claimed any. So where cores are taken away by other programs, a job is as
// slow as one thread at worst.
#pragma once
#include <atomic>
#include <cstdint>
#include <exception>

namespace tapir::cpu {

class ThreadPool {
 public:
  using Body = void (*)(void* context, std::int64_t begin, std::int64_t end);
  static constexpr int max_threads = 512;

  /// The pool of the process. It is never destroyed: threads that outlive main() may go on using it.
  static ThreadPool& instance();

  /// Runs body over [0, n) in `chunks` parts of equal size (n >= chunks >= 1) on at most `threads` threads, the caller
  /// among them, and rethrows the first exception. Calls body once where the pool is taken: by another thread, or by
  /// this one further up the stack.
  void run(std::int64_t n, int chunks, int threads, Body body, void* context);

 private:
  // A thread's share of the chunks: first in the lower half, end in the upper half. Its owner takes them from the
  // front, helpers from the back, so that a thread stays with its rows from one job to the next. Seat 0 is the
  // caller's.
  struct alignas(64) Seat {
    std::atomic<std::uint64_t> share{0};
    std::atomic<std::uint32_t> asleep{0};
  };
  // Written while no chunk is open, read by who has claimed one: a claim is what orders the two.
  struct Job {
    Body body;
    void* context;
    std::int64_t n;
    int chunks;
  };

  ThreadPool();
  void start(int workers);
  void work(int seat);
  void wake_next(int seat, int seats);
  void take_part(int seat);
  bool run_chunk(Seat& seat, bool front);
  void wait_for_last();
  void forget_workers();

  Seat seats_[max_threads];
  Job job_{};
  alignas(64) std::atomic<bool> taken_{false};
  int workers_ = 0;                                 // guarded by taken_
  std::atomic<int> in_use_{1};                      // seats of the newest job
  alignas(64) std::atomic<std::uint32_t> open_{0};  // chunks not finished; the top bit: the caller sleeps
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;  // belongs to who set failed_
};

}  // namespace tapir::cpu
