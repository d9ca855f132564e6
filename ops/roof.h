// The machine's roofs: what no operation can beat.
#pragma once

namespace tapir {

struct Roof {
  double flops = 0;      ///< f32 multiply-adds a second, each counted as two
  double bandwidth = 0;  ///< bytes a second between memory and the CPU
};

/// What num_threads() threads reach here: independent multiply-adds in registers, of the instruction set that kernels
/// use, and `a = b + s * c` over 96 MB (STREAM's triad, counted as three times the bytes of an array). Measured in
/// about 0.1 s the first time for a number of threads, the best of five rounds each.
Roof machine_roof();

}  // namespace tapir
