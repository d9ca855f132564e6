// What the algorithms' estimates of their time are made of. Coefficients were fitted to `bench/conv_sweep --choice` on
// one core of a Zen 3 with AVX2 (three seeds, 840 rows): half the estimates were within 10 %, nine in ten within 30 %
// (direct: 60 %; its depthwise and grouped ones: a factor of 2 to 3). The choice then costs 4 to 5 % over the best.
// Multiply-adds are scaled to the width of the machine's vectors; what waits for memory is not. Where oneDNN's kernels
// for AVX-512 differ (`avx512`), coefficients were fitted to three seeds on a Zen 5.
#pragma once
#include <tapir/backends/cpu/conv.h>
#include <tapir/backends/cpu/isa.h>

namespace tapir::cpu {

inline std::int64_t conv_lanes(DType dtype) {
  const std::int64_t floats = isa() == Isa::v4 ? 16 : isa() == Isa::v3 ? 8 : 4;
  return dtype == DType::f64 ? floats / 2 : floats;
}
/// Nanoseconds of a multiply-add where all lanes are busy all the time.
inline double multiply_add_time(DType dtype) { return (isa() == Isa::v2 ? 0.35 : 0.174) / double(conv_lanes(dtype)); }
inline std::int64_t round_up(std::int64_t n, std::int64_t by) { return (n + by - 1) / by * by; }

/// A ConvProblem's sizes, as the estimates want them.
struct ConvWork {
  double pixels, patches, x, y, kernel;  // of outputs; pixels * taps * c; elements of the operands
  double unit;                           // multiply_add_time
  std::int64_t lanes;
  bool avx512 = isa() == Isa::v4;
  explicit ConvWork(const ConvProblem& p)
      : pixels(double(p.n * p.out_pixels())),
        patches(pixels * double(p.taps() * p.c)),
        x(double(p.n * p.in_pixels() * p.c)),
        y(pixels * double(p.k)),
        kernel(double(p.taps() * p.cg() * p.k)),
        unit(multiply_add_time(p.dtype)),
        lanes(conv_lanes(p.dtype)) {}
  bool strided(const ConvProblem& p) const { return p.stride[0] * p.stride[1] * p.stride[2] > 1; }
  bool dilated(const ConvProblem& p) const { return p.dilation[0] * p.dilation[1] * p.dilation[2] > 1; }
};

}  // namespace tapir::cpu
