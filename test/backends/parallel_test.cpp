// parallel_for and the pool behind it: every item once, from any thread, whatever happens beside it.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <tapir/backends/cpu/parallel.h>
#include <tapir/tapir.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

using namespace tapir;
using cpu::parallel_for;

namespace {

// Puts the number of threads back.
struct WithThreads {
  explicit WithThreads(int n) : before(num_threads()) { set_num_threads(n); }
  ~WithThreads() { set_num_threads(before); }
  int before;
};

// How often each item of [0, n) was visited is 1.
bool all_once(std::int64_t n, std::int64_t grain) {
  std::vector<std::atomic<int>> seen(static_cast<std::size_t>(n));
  parallel_for(n, grain, [&](std::int64_t b, std::int64_t e) {
    for (; b < e; ++b) ++seen[std::size_t(b)];
  });
  return std::all_of(seen.begin(), seen.end(), [](auto& s) { return s == 1; });
}

std::size_t threads_of_process() {
  std::size_t n = 0;
  for ([[maybe_unused]] auto& t : std::filesystem::directory_iterator("/proc/self/task")) ++n;
  return n;
}

// What a forked child, which shall do `f`, exits with; 99 if it hangs.
template <class F>
int in_child(F&& f) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    _exit(f() ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

}  // namespace

TEST_CASE("every item is visited once") {
  for (int threads : {1, 2, 3, 4, 7, 33}) {
    WithThreads w(threads);
    for (std::int64_t n : {0, 1, 2, 3, 5, 8, 17, 100, 1000, 4097})
      for (std::int64_t grain : {0, 1, 2, 7, 100, 5000}) {
        CAPTURE(threads);
        CAPTURE(n);
        CAPTURE(grain);
        CHECK(all_once(n, grain));
      }
  }
}

TEST_CASE("parts: four for each thread, none below the grain") {
  WithThreads w(3);
  CHECK(cpu::parallel_parts(0, 1) == 0);
  CHECK(cpu::parallel_parts(10, 10) == 1);
  CHECK(cpu::parallel_parts(19, 10) == 1);
  CHECK(cpu::parallel_parts(20, 10) == 2);
  CHECK(cpu::parallel_parts(1000, 1) == 12);
  set_num_threads(1);
  CHECK(cpu::parallel_parts(1000, 1) == 1);
  set_num_threads(4);
  std::atomic<int> calls = 0;
  std::atomic<bool> small = false;
  parallel_for(1000, 90, [&](std::int64_t b, std::int64_t e) { ++calls, small = small || e - b < 90; });
  CHECK(calls == 11);
  CHECK_FALSE(small);
}

TEST_CASE("several threads take part") {
  WithThreads w(3);
  std::mutex m;
  std::set<std::thread::id> who;
  for (int i = 0; i < 200 && who.size() < 3; ++i)
    parallel_for(12, 1, [&](std::int64_t, std::int64_t) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      std::lock_guard lock(m);
      who.insert(std::this_thread::get_id());
    });
  CHECK(who.size() >= 3);  // one that just finished a job for more threads may help out
}

TEST_CASE("exceptions reach the caller, and the pool goes on") {
  WithThreads w(4);
  for (int i = 0; i < 300; ++i) {
    CHECK_THROWS_WITH_AS(parallel_for(64, 1,
                                      [&](std::int64_t b, std::int64_t e) {
                                        if (b <= i % 64 && i % 64 < e) throw std::runtime_error("here");
                                      }),
                         "here", std::runtime_error);
    CHECK(all_once(64, 1));
  }
  CHECK_THROWS_AS(parallel_for(64, 1, [](std::int64_t, std::int64_t) { throw std::logic_error("all"); }),
                  std::logic_error);
  set_num_threads(1);
  CHECK_THROWS_AS(parallel_for(64, 1, [](std::int64_t, std::int64_t) { throw std::logic_error("one"); }),
                  std::logic_error);
}

TEST_CASE("a nested call runs on its thread") {
  WithThreads w(4);
  std::atomic<int> items = 0, elsewhere = 0;
  parallel_for(16, 1, [&](std::int64_t b, std::int64_t e) {
    for (; b < e; ++b) {
      const auto me = std::this_thread::get_id();
      parallel_for(100, 1, [&](std::int64_t from, std::int64_t to) {
        items += int(to - from);
        elsewhere += std::this_thread::get_id() != me;
      });
    }
  });
  CHECK(items == 1600);
  CHECK(elsewhere == 0);
}

TEST_CASE("many threads call at once, while the number of threads changes") {
  WithThreads w(4);
  std::atomic<bool> stop = false;
  std::thread setter([&] {
    for (int n = 1; !stop; n = n % 6 + 1) set_num_threads(n), std::this_thread::yield();
  });
  std::atomic<int> wrong = 0;
  std::vector<std::thread> callers;
  for (int t = 0; t < 8; ++t)
    callers.emplace_back([&, t] {
      for (int i = 0; i < 300; ++i) {
        if (!all_once(50 + t + i, 1)) ++wrong;
        try {
          parallel_for(40, 1, [&](std::int64_t b, std::int64_t) {
            if (b == 0) throw t;
          });
          ++wrong;
        } catch (int mine) {
          if (mine != t) ++wrong;
        }
      }
    });
  for (auto& c : callers) c.join();
  stop = true;
  setter.join();
  CHECK(wrong == 0);
  const std::string here = "parallel_test.cpp:" + std::to_string(__LINE__ + 1);
  CHECK_THROWS_WITH_AS(set_num_threads(0), (here + ": set_num_threads: needs at least 1, got 0.").c_str(), UsageError);
}

TEST_CASE("a caller waits for no worker that has claimed nothing") {
  WithThreads w(2);
  all_once(8, 1);
  // The worker is caught in a part of the first job; the other threads' jobs go on alone.
  std::atomic<bool> caught = false, go = false;
  const auto caller = std::this_thread::get_id();
  std::thread first([&] {
    parallel_for(8, 1, [&](std::int64_t, std::int64_t) {
      caught = true;
      while (!go) std::this_thread::yield();
    });
  });
  while (!caught) std::this_thread::yield();
  bool here = true;
  parallel_for(8, 1, [&](std::int64_t, std::int64_t) { here = here && std::this_thread::get_id() == caller; });
  CHECK(here);
  go = true;
  first.join();
}

// ThreadSanitizer's runtime cannot start threads in the child of a program that has several.
#ifdef __SANITIZE_THREAD__
constexpr bool no_fork = true;
#else
constexpr bool no_fork = false;
#endif

TEST_CASE("after fork() the child has a pool of its own" * doctest::skip(no_fork)) {
  WithThreads w(3);
  CHECK(all_once(100, 1));
  CHECK(in_child([] { return all_once(100, 1) && all_once(1000, 1) && threads_of_process() == 3; }) == 0);
  CHECK(all_once(100, 1));

  // While another thread's job is running.
  std::atomic<bool> stop = false;
  std::thread other([&] {
    while (!stop) all_once(100, 1);
  });
  for (int i = 0; i < 20; ++i) CHECK(in_child([] { return all_once(100, 1) && all_once(1000, 1); }) == 0);
  stop = true;
  other.join();

  // In a part of a job, on the thread that called.
  const auto caller = std::this_thread::get_id();
  const pid_t me = getpid();
  int status = -1;
  parallel_for(12, 1, [&](std::int64_t b, std::int64_t) {
    if (b != 0 || std::this_thread::get_id() != caller) return;
    if (const pid_t child = fork()) waitpid(child, &status, 0);
    else alarm(20);
  });
  if (getpid() != me) _exit(all_once(100, 1) ? 0 : 1);
  if (status != -1) CHECK(status == 0);  // -1: a worker took the first part
}

TEST_CASE("a program ends while detached threads are at work" * doctest::skip(no_fork)) {
  for (int i = 0; i < 5; ++i) {
    std::fflush(stdout);  // else the child's exit() prints it once more
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      for (int t = 0; t < 3; ++t)
        std::thread([] {
          for (;;) all_once(100, 1);
        }).detach();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      std::exit(0);  // with static destructors
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(status == 0);
  }
}

TEST_CASE("products and convolutions start no threads but the pool's") {
  WithThreads w(3);
  CHECK(all_once(100, 1));
  const auto before = threads_of_process();
  const Tensor a = random::normal({300, 300}, {.seed = 1}), x = random::normal({4, 20, 20, 16}, {.seed = 2});
  matmul(a, a);
  const Variable kernel(random::normal({3, 3, 16, 32}, {.seed = 3}), "kernel");
  GradientTape tape;
  tape.watch(x);
  const Tensor y = conv2d(x, kernel, {.padding = Padding::same});
  tape.gradient(y, x, kernel);
  CHECK(threads_of_process() == before);
}

TEST_CASE("results are the same on 1 to 4 threads") {
  const Tensor x = random::normal({300, 1000}, {.seed = 1}), long_row = random::normal({1 << 21}, {.seed = 2}),
               logits = random::normal({3000, 100}, {.seed = 3});
  auto compute = [&] {
    return std::vector<Tensor>{sum(x),
                               sum(x, {.axis = {0}}),
                               mean(x, {.axis = {1}}),
                               sum(long_row),
                               prod(long_row),
                               max(long_row),
                               argmax(long_row),
                               softmax(logits),
                               cumulative_sum(long_row),
                               exp(x) + x,
                               random::normal({100'000}, {.seed = 4})};
  };
  WithThreads w(1);
  const auto one = compute();
  for (int threads : {2, 3, 4}) {
    set_num_threads(threads);
    const auto many = compute();
    for (std::size_t i = 0; i < one.size(); ++i) {
      CAPTURE(threads);
      CAPTURE(i);
      CHECK(std::memcmp(one[i].data<std::byte>(), many[i].data<std::byte>(),
                        std::size_t(one[i].size()) * size_of(one[i].dtype())) == 0);
    }
  }
}
