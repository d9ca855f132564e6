// What a fused kernel is called with. Read by the library and, as part of the kernel's text, by NVRTC.
#pragma once
#include <cstdint>

namespace tapir::cuda {

inline constexpr int kFusedThreads = 256;  // of a block

struct FusedArgs {
  static constexpr int max_sources = 24, max_sinks = 8, max_rank = 8, max_bytes = 1024;
  const void* in[max_sources];
  std::uint64_t number[max_sources];                         // a C++ number, in the bits of the type it is used as
  void* out[max_sinks];                                      // where it is stored; for a sum f64 [parts, results]
  std::int64_t n, outer, inner;                              // elements; for sums they are [outer, inner]
  std::int64_t parts, chunk;                                 // each sum is cut into parts of `chunk` elements ...
  std::int64_t width;                                        // ... that so many threads (1, 2, 4, ... 256) share
  std::int64_t size[max_rank], step[max_sources][max_rank];  // for sources that are broadcast or strided
  alignas(8) unsigned char functors[max_bytes];              // the attributes of steps
};
static_assert(sizeof(FusedArgs) <= 4096, "CUDA passes no more");

}  // namespace tapir::cuda
