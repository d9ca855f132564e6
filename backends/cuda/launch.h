// The two shapes of work that every kernel has: `launch`, a functor called for each index, and `fold`, a functor that
// joins `count` values for each of some results. On a GPU they are kernels; in the double of the tests, which a plain
// C++ compiler makes from the same files, they are loops.
#pragma once
#include <tapir/backends/cuda/runtime.h>
#include <tapir/backends/cuda/scratch.h>
#include <tapir/tensor/host_device.h>

#include <algorithm>
#include <type_traits>

#ifdef __CUDACC__
#include <cuda_runtime.h>
#endif

namespace tapir::cuda {

inline constexpr int kThreads = 256;  // of a block

#ifdef __CUDACC__

template <class F>
__global__ void __launch_bounds__(kThreads) each_kernel(const F f, std::int64_t n) {
  const std::int64_t step = std::int64_t(gridDim.x) * kThreads;
  for (std::int64_t i = std::int64_t(blockIdx.x) * kThreads + threadIdx.x; i < n; i += step) f(i);
}

template <class F>
__global__ void __launch_bounds__(kThreads) fold_kernel(const F f, std::int64_t results, std::int64_t count) {
  using Acc = typename F::Acc;
  __shared__ __align__(16) unsigned char memory[kThreads * sizeof(Acc)];
  Acc* all = reinterpret_cast<Acc*>(memory);
  for (std::int64_t r = blockIdx.x; r < results; r += gridDim.x) {
    Acc mine = f.start();
    for (std::int64_t k = threadIdx.x; k < count; k += kThreads) f.take(mine, r, k);
    all[threadIdx.x] = mine;
    __syncthreads();
    for (int half = kThreads / 2; half > 0; half /= 2) {
      if (int(threadIdx.x) < half) f.join(all[threadIdx.x], all[threadIdx.x + half]);
      __syncthreads();
    }
    if (threadIdx.x == 0) f.give(r, all[0]);
    __syncthreads();
  }
}

inline unsigned blocks_for(std::int64_t n) { return unsigned(std::min<std::int64_t>(n, 1 << 16)); }

/// f(i) for each i in [0, n), in any order.
template <class F>
void launch(std::int64_t n, const F& f) {
  if (n <= 0) return;
  each_kernel<<<blocks_for((n + kThreads - 1) / kThreads), kThreads, 0, static_cast<cudaStream_t>(stream())>>>(f, n);
  check(runtime().get_last_error(), "launch");
}

template <class F>
void fold_blocks(std::int64_t results, std::int64_t count, const F& f) {
  fold_kernel<<<blocks_for(results), kThreads, 0, static_cast<cudaStream_t>(stream())>>>(f, results, count);
  check(runtime().get_last_error(), "launch");
}

#else

template <class F>
void launch(std::int64_t n, const F& f) {
  static_assert(std::is_trivially_copyable_v<F>, "a GPU gets the bytes alone");
  if (n <= 0) return;
  struct Work {
    F f;
    std::int64_t n;
  } work{f, n};
  runtime().on_device(
      [](void* p) {
        auto& w = *static_cast<Work*>(p);
        const F& copy = w.f;
        for (std::int64_t i = 0; i < w.n; ++i) copy(i);
      },
      &work, sizeof work, stream());
}

// Eight "threads", so that accumulators are joined as on a GPU.
template <class F>
void fold_blocks(std::int64_t results, std::int64_t count, const F& f) {
  static_assert(std::is_trivially_copyable_v<F>, "a GPU gets the bytes alone");
  struct Work {
    F f;
    std::int64_t results, count;
  } work{f, results, count};
  runtime().on_device(
      [](void* p) {
        auto& w = *static_cast<Work*>(p);
        constexpr int threads = 8;
        const F& copy = w.f;
        for (std::int64_t r = 0; r < w.results; ++r) {
          typename F::Acc all[threads];
          for (int t = 0; t < threads; ++t) {
            all[t] = copy.start();
            for (std::int64_t k = t; k < w.count; k += threads) copy.take(all[t], r, k);
          }
          for (int half = threads / 2; half > 0; half /= 2)
            for (int t = 0; t < half; ++t) copy.join(all[t], all[t + half]);
          copy.give(r, all[0]);
        }
      },
      &work, sizeof work, stream());
}

#endif

// A thread a result.
template <class F>
struct OneThread {
  F f;
  std::int64_t count;
  TAPIR_HD void operator()(std::int64_t r) const {
    typename F::Acc mine = f.start();
    for (std::int64_t k = 0; k < count; ++k) f.take(mine, r, k);
    f.give(r, mine);
  }
};

// Result r is cut into `parts`, whose accumulators stand in `partial`.
template <class F>
struct Parts {
  using Acc = typename F::Acc;
  F f;
  std::int64_t parts, chunk, count;
  Acc* partial;
  TAPIR_HD Acc start() const { return f.start(); }
  TAPIR_HD void take(Acc& a, std::int64_t r, std::int64_t k) const {
    k += r % parts * chunk;
    if (k < count) f.take(a, r / parts, k);
  }
  TAPIR_HD void join(Acc& a, const Acc& b) const { f.join(a, b); }
  TAPIR_HD void give(std::int64_t r, const Acc& a) const { partial[r] = a; }
};
template <class F>
struct JoinParts {
  using Acc = typename F::Acc;
  F f;
  std::int64_t parts;
  const Acc* partial;
  TAPIR_HD Acc start() const { return f.start(); }
  TAPIR_HD void take(Acc& a, std::int64_t r, std::int64_t k) const { f.join(a, partial[r * parts + k]); }
  TAPIR_HD void join(Acc& a, const Acc& b) const { f.join(a, b); }
  TAPIR_HD void give(std::int64_t r, const Acc& a) const { f.give(r, a); }
};

inline constexpr std::int64_t kShortRow = 64, kFewRows = 256, kLongRow = 1 << 14;

/// For each result r: an Acc from start(), take(acc, r, k) for each k in [0, count) in any order and grouping, groups
/// joined by join(acc, acc), and give(r, acc). How it is cut depends on the sizes alone, so results repeat.
template <class F>
void fold(std::int64_t results, std::int64_t count, const F& f) {
  if (results <= 0) return;
  if (count <= kShortRow || results >= (1 << 16)) return launch(results, OneThread<F>{f, count});
  if (results >= kFewRows || count < kLongRow) return fold_blocks(results, count, f);
  const std::int64_t parts = std::min<std::int64_t>(kFewRows, count / 1024), chunk = (count + parts - 1) / parts;
  Scratch partial(std::size_t(results * parts) * sizeof(typename F::Acc));
  auto* memory = static_cast<typename F::Acc*>(partial.data());
  fold_blocks(results * parts, chunk, Parts<F>{f, parts, chunk, count, memory});
  fold_blocks(results, parts, JoinParts<F>{f, parts, memory});
}

}  // namespace tapir::cuda
