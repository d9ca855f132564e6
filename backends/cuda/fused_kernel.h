// The frame of every fused kernel, read by NVRTC after the functors' texts and what tile_text.cpp made of a program:
//   struct Body { static void run(const FusedArgs& a, std::int64_t i, double* sums); };   element i through all steps
//   constexpr int kSums;  constexpr bool kOverInner;
// The host double of the tests compiles the same text as C++, where blocks and threads are loops.
#pragma once
#include <tapir/backends/cuda/fused_args.h>
#include <tapir/tensor/host_device.h>

namespace tapir::cuda {

// Sums: a unit is a part of a result; `width` threads share it, and join what they have as a tree.
struct Unit {
  std::int64_t results, units;
  int width, groups;
  TAPIR_HD explicit Unit(const FusedArgs& a)
      : results(kOverInner ? a.outer : a.inner),
        units(results * a.parts),
        width(int(a.width)),
        groups(kFusedThreads / int(a.width)) {}
  // Threads beside each other read elements beside each other.
  TAPIR_HD int lane(int thread) const { return kOverInner ? thread % width : thread / groups; }
  TAPIR_HD int group(int thread) const { return kOverInner ? thread / width : thread % groups; }

  TAPIR_HD void gather(const FusedArgs& a, std::int64_t unit, int lane, double* sums) const {
    if (unit >= units) return;
    const std::int64_t r = unit % results, part = unit / results, count = kOverInner ? a.inner : a.outer;
    const std::int64_t begin = part * a.chunk, end = begin + a.chunk < count ? begin + a.chunk : count;
    for (std::int64_t k = begin + lane; k < end; k += width)
      Body::run(a, kOverInner ? r * a.inner + k : k * a.inner + r, sums);
  }
};

#ifdef __CUDACC_RTC__

extern "C" __global__ void __launch_bounds__(kFusedThreads) tapir_fused(const __grid_constant__ FusedArgs a) {
  if constexpr (kSums == 0) {
    const std::int64_t step = std::int64_t(gridDim.x) * kFusedThreads;
    for (std::int64_t i = std::int64_t(blockIdx.x) * kFusedThreads + threadIdx.x; i < a.n; i += step)
      Body::run(a, i, nullptr);
  } else {
    __shared__ double all[kSums + 1][kFusedThreads];
    const Unit u(a);
    const int lane = u.lane(int(threadIdx.x)), group = u.group(int(threadIdx.x)), me = lane * u.groups + group;
    const std::int64_t step = std::int64_t(gridDim.x) * u.groups;
    for (std::int64_t base = std::int64_t(blockIdx.x) * u.groups; base < u.units; base += step) {
      double mine[kSums + 1] = {};
      u.gather(a, base + group, lane, mine);
      for (int s = 0; s < kSums; ++s) all[s][me] = mine[s];
      __syncthreads();
      for (int half = u.width / 2; half > 0; half /= 2) {
        if (lane < half)
          for (int s = 0; s < kSums; ++s) all[s][me] += all[s][me + half * u.groups];
        __syncthreads();
      }
      if (lane == 0 && base + group < u.units)
        for (int s = 0; s < kSums; ++s) static_cast<double*>(a.out[kSumSink[s]])[base + group] = all[s][group];
      __syncthreads();
    }
  }
}

#else

extern "C" void tapir_fused(const FusedArgs& a) {
  if constexpr (kSums == 0) {
    for (std::int64_t i = 0; i < a.n; ++i) Body::run(a, i, nullptr);
  } else {
    const Unit u(a);
    for (std::int64_t base = 0; base < u.units; base += u.groups) {
      static double all[kSums + 1][kFusedThreads];
      for (int t = 0; t < kFusedThreads; ++t) {
        double mine[kSums + 1] = {};
        u.gather(a, base + u.group(t), u.lane(t), mine);
        for (int s = 0; s < kSums; ++s) all[s][u.lane(t) * u.groups + u.group(t)] = mine[s];
      }
      for (int half = u.width / 2; half > 0; half /= 2)
        for (int me = 0; me < half * u.groups; ++me)
          for (int s = 0; s < kSums; ++s) all[s][me] += all[s][me + half * u.groups];
      for (int group = 0; group < u.groups && base + group < u.units; ++group)
        for (int s = 0; s < kSums; ++s) static_cast<double*>(a.out[kSumSink[s]])[base + group] = all[s][group];
    }
  }
}

#endif

}  // namespace tapir::cuda
