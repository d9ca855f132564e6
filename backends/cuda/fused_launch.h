// One kernel for a tile program: its text by tile_text.h, compiled and kept by kernel_cache.h.
#pragma once
#include <tapir/backends/cuda/scratch.h>
#include <tapir/ops/tile_program.h>

#include <memory>
#include <vector>

namespace tapir::cuda {

/// Sums leave the kernel as f64 [parts, results], to be joined.
struct SumsToFinish {
  struct Sum {
    const Tensor* out;
    std::unique_ptr<Scratch> partial;
  };
  std::int64_t parts = 1, results = 1;
  std::vector<Sum> all;
};

/// False, and nothing is done, where there is no kernel: no compiler, or a step without a text.
bool launch_program(const TileProgramAttrs& program, const std::vector<Tensor>& in, std::span<const Tensor> out,
                    SumsToFinish& sums);

}  // namespace tapir::cuda
