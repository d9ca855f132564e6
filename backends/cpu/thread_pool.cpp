#include <tapir/backends/cpu/thread_pool.h>

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace tapir::cpu {
namespace {

using Clock = std::chrono::steady_clock;
// How long a worker looks out for the next job, and the caller for the last chunk, before they sleep. Waking somebody
// costs a few microseconds and as much again until he runs.
constexpr std::chrono::microseconds kLookOut{60}, kLinger{30};
constexpr std::uint32_t kCallerSleeps = 1u << 31;
constexpr int kFan = 8;  // workers that one thread wakes

thread_local bool busy = false;  // in a body, or a worker

void sleep_while(std::atomic<std::uint32_t>& word, std::uint32_t value) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
void wake(std::atomic<std::uint32_t>& word) { syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0); }

constexpr std::uint64_t share_of(std::uint32_t first, std::uint32_t end) { return std::uint64_t(end) << 32 | first; }
constexpr bool any(std::uint64_t share) { return std::uint32_t(share) < std::uint32_t(share >> 32); }

// Whether done() came true in that time.
template <class F>
bool spin(std::chrono::microseconds time, F&& done) {
  const auto end = Clock::now() + time;
  do {
    for (int i = 0; i < 16; ++i) {
      if (done()) return true;
      __builtin_ia32_pause();
    }
  } while (Clock::now() < end);
  return done();
}

}  // namespace

ThreadPool& ThreadPool::instance() {
  static ThreadPool* pool = new ThreadPool;
  return *pool;
}

ThreadPool::ThreadPool() {
  pthread_atfork(nullptr, nullptr, [] { instance().forget_workers(); });
}

// In the child of a fork(), which has none of the workers. If a body forked, its own chunk is yet to end.
void ThreadPool::forget_workers() {
  for (Seat& s : seats_) s.share = 0, s.asleep = 0;
  workers_ = 0, open_ = busy ? 1 : 0, failed_ = false, taken_ = false;
}

// As many as can be had. They take no signals: those are for the program's own threads.
void ThreadPool::start(int workers) {
  if (workers_ >= workers) return;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    for (; workers_ < workers; ++workers_) {
      std::thread t([this, seat = workers_ + 1] { work(seat); });
      pthread_setname_np(t.native_handle(), ("tapir " + std::to_string(workers_ + 1)).c_str());
      t.detach();
    }
  } catch (const std::system_error&) {
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void ThreadPool::run(std::int64_t n, int chunks, int threads, Body body, void* context) {
  if (busy) return body(context, 0, n);
  struct Busy {
    Busy() { busy = true; }
    ~Busy() { busy = false; }
  } until_return;
  threads = std::min({threads, chunks, max_threads});
  if (threads < 2 || taken_.exchange(true, std::memory_order_acquire)) return body(context, 0, n);
  start(threads - 1);
  const int seats = std::min(threads, workers_ + 1);
  job_ = {body, context, n, chunks};
  open_.store(std::uint32_t(chunks), std::memory_order_relaxed);
  in_use_.store(seats, std::memory_order_relaxed);
  const auto end_of = [&](int k) { return std::uint32_t(std::int64_t(chunks) * k / seats); };
  for (int i = seats - 1; i >= 0; --i) seats_[i].share.store(share_of(end_of(i), end_of(i + 1)));
  wake_next(0, seats);
  take_part(0);
  wait_for_last();
  std::exception_ptr error = std::exchange(error_, nullptr);
  failed_.store(false, std::memory_order_relaxed);
  taken_.store(false, std::memory_order_release);
  if (error) std::rethrow_exception(error);
}

// Each thread wakes a few, so that nobody spends long on it. The shares of higher seats were published before ours.
void ThreadPool::wake_next(int seat, int seats) {
  for (int i = kFan * seat + 1; i <= kFan * (seat + 1) && i < seats; ++i)
    if (seats_[i].asleep.load() && seats_[i].asleep.exchange(0)) wake(seats_[i].asleep);
}

void ThreadPool::work(int seat) {
  busy = true;
  Seat& mine = seats_[seat];
  auto called = [&] { return any(mine.share.load()); };
  for (;;) {
    if (!spin(kLookOut, called)) {
      mine.asleep.store(1);  // then looks once more; who publishes first stores the share, then looks whether we sleep
      while (!called() && mine.asleep.load()) sleep_while(mine.asleep, 1);
      mine.asleep.store(0);
    }
    wake_next(seat, in_use_.load(std::memory_order_relaxed));
    take_part(seat);
  }
}

// Its own share, then what is left of the others', unless the newest job is for fewer threads.
void ThreadPool::take_part(int seat) {
  while (run_chunk(seats_[seat], true)) {
  }
  for (int i = 1;;) {
    const int seats = in_use_.load(std::memory_order_relaxed);
    if (i >= seats || seat >= seats) return;
    if (!run_chunk(seats_[(seat + i) % seats], false)) ++i;
  }
}

bool ThreadPool::run_chunk(Seat& seat, bool front) {
  std::uint64_t share = seat.share.load(std::memory_order_relaxed), rest;
  std::uint32_t chunk;
  do {
    if (!any(share)) return false;
    const auto first = std::uint32_t(share), end = std::uint32_t(share >> 32);
    chunk = front ? first : end - 1;
    rest = front ? share_of(first + 1, end) : share_of(first, end - 1);
  } while (!seat.share.compare_exchange_weak(share, rest, std::memory_order_acquire, std::memory_order_relaxed));
  const Job job = job_;  // the one that the chunk belongs to: it cannot end before us
  if (!failed_.load(std::memory_order_relaxed)) {
    try {
      job.body(job.context, job.n * chunk / job.chunks, job.n * (chunk + 1) / job.chunks);
    } catch (...) {
      if (!failed_.exchange(true)) error_ = std::current_exception();
    }
  }
  if (open_.fetch_sub(1, std::memory_order_acq_rel) == (1 | kCallerSleeps)) wake(open_);
  return true;
}

void ThreadPool::wait_for_last() {
  if (spin(kLinger, [this] { return open_.load(std::memory_order_acquire) == 0; })) return;
  std::uint32_t left = open_.fetch_or(kCallerSleeps) | kCallerSleeps;
  for (; left != kCallerSleeps; left = open_.load(std::memory_order_acquire)) sleep_while(open_, left);
}

}  // namespace tapir::cpu
