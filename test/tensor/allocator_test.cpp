#include <doctest/doctest.h>
#include <tapir/tapir.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

using namespace tapir;
using detail::allocate_bytes;
using detail::free_bytes;

TEST_CASE("blocks are aligned, large enough and their own") {
  struct Block {
    std::byte* p;
    std::size_t bytes;
  };
  std::vector<Block> blocks;
  std::mt19937 random(1);
  for (std::size_t bytes = 1; bytes < 5000; bytes += 1 + bytes / 37) blocks.push_back({nullptr, bytes});
  for (std::size_t k = 10; k < 24; ++k)
    for (int d : {-1, 0, 1}) blocks.push_back({nullptr, (std::size_t(1) << k) + std::size_t(d)});
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      blocks[i].p = static_cast<std::byte*>(allocate_bytes(blocks[i].bytes));
      REQUIRE(reinterpret_cast<std::uintptr_t>(blocks[i].p) % 64 == 0);
      std::memset(blocks[i].p, int(i % 251), blocks[i].bytes);
    }
    bool intact = true;
    for (std::size_t i = 0; i < blocks.size(); ++i)
      for (std::size_t k : {std::size_t(0), blocks[i].bytes / 2, blocks[i].bytes - 1})
        intact &= blocks[i].p[k] == std::byte(i % 251);
    CHECK(intact);
    for (auto& b : blocks) free_bytes(b.p, b.bytes);
    std::shuffle(blocks.begin(), blocks.end(), random);
  }
}

TEST_CASE("statistics") {
  release_cached_memory();
  const MemoryStats before = memory_stats();
  {
    Tensor x = empty({1000, 1000});
    const MemoryStats now = memory_stats();
    CHECK(now.in_use >= before.in_use + 4'000'000);
    CHECK(now.in_use <= before.in_use + 5'000'000);  // a class is at most a quarter too large
    CHECK(now.peak >= now.in_use);
    CHECK(now.allocations == before.allocations + 1);
    CHECK(now.cache_hits == before.cache_hits);
  }
  CHECK(memory_stats().in_use == before.in_use);
  CHECK(memory_stats().cached >= before.cached + 4'000'000);
  { Tensor x = empty({1000, 1000}); }
  CHECK(memory_stats().cache_hits == before.cache_hits + 1);
  reset_peak_memory();
  CHECK(memory_stats().peak == memory_stats().in_use);
  release_cached_memory();
  CHECK(memory_stats().cached == before.cached);
}

TEST_CASE("every cached byte can be given back") {
  for (std::size_t bytes = 1; bytes < 200'000; bytes += 1 + bytes / 50) free_bytes(allocate_bytes(bytes), bytes);
  std::thread([] {
    std::vector<std::pair<void*, std::size_t>> all;
    for (std::size_t bytes = 1; bytes < 40'000; bytes += 1 + bytes / 20) all.emplace_back(allocate_bytes(bytes), bytes);
    for (auto& [p, bytes] : all) free_bytes(p, bytes);
  }).join();  // its cache goes to all threads
  CHECK(memory_stats().cached > 0);
  release_cached_memory();
  CHECK(memory_stats().cached == 0);
}

TEST_CASE("the limit") {
  const std::size_t used = memory_stats().in_use;
  Tensor kept = ones({1000});
  set_memory_limit(memory_stats().in_use + (1 << 20));
  std::string what;
  try {
    Tensor x = ones({1 << 20});
  } catch (const OutOfMemoryError& e) {
    what = e.what();
  }
  CHECK(what.find("allocator_test.cpp:") == 0);
  CHECK(what.find("allocate: 4194304 bytes would exceed the memory limit (") != std::string::npos);
  CHECK(sum(kept + 1.0f).item<float>() == 2000);  // small ones still go
  Tensor y = kept;
  CHECK_THROWS_AS(y = concat(std::vector<Tensor>(2000, kept)), OutOfMemoryError);
  CHECK(sum(y).item<float>() == 1000);
  GradientTape tape;
  tape.watch(kept);
  CHECK_THROWS_AS(tile(kept, {2000}) * 2.0f, OutOfMemoryError);
  Tensor z = kept * kept;
  CHECK(sum(tape.gradient(z, kept)).item<float>() == 2000);
  set_memory_limit(0);
  CHECK(ones({1 << 20}).size() == 1 << 20);
  kept = y = z = Tensor();
  tape.reset();
  CHECK(memory_stats().in_use == used);
  CHECK_THROWS_AS(empty({1LL << 50}), OutOfMemoryError);
  CHECK(memory_stats().in_use == used);
}

TEST_CASE("what is cached stays bounded") {
  release_cached_memory();
  reset_peak_memory();
  for (int i = 0; i < 60; ++i) {  // 20 MB and more, of a class of its own every few rounds
    const std::size_t bytes = std::size_t(20 << 20) << (i / 4 % 3);
    free_bytes(allocate_bytes(bytes + std::size_t(i % 4) * (bytes / 5)), bytes + std::size_t(i % 4) * (bytes / 5));
    CHECK(memory_stats().cached <= (std::size_t(256) << 20) + 2 * memory_stats().peak);
  }
  release_cached_memory();
}

TEST_CASE("threads free each other's blocks") {
  constexpr int kThreads = 4;
  const std::size_t used = memory_stats().in_use;
  std::mutex mutex;
  std::vector<Tensor> pool;
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random{unsigned(t)};
      for (int i = 0; i < 3000; ++i) {
        const auto n = std::int64_t(random() % 20'000 + 1);
        Tensor mine = full({n}, int(n)), other;
        {
          std::lock_guard lock(mutex);
          pool.push_back(mine);
          std::size_t k = random() % pool.size();
          other = std::move(pool[k]);
          pool[k] = std::move(pool.back());
          pool.pop_back();
          if (pool.size() > 50) pool.resize(25);
        }
        if (!other.defined()) continue;
        auto v = other.view<int>();
        wrong += v.front() != int(v.size()) || v.back() != int(v.size());
      }
    });
  for (auto& t : threads) t.join();
  pool.clear();
  CHECK(wrong == 0);
  CHECK(memory_stats().in_use == used);
  release_cached_memory();
  CHECK(memory_stats().cached == 0);  // the threads' caches came to all when they ended
}
