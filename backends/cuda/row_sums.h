// Sums that several kernels take of rows: moments, and pairs of sums.
#pragma once
#include <tapir/tensor/host_device.h>

#include <cstdint>

namespace tapir::cuda {

/// The mean of some values and the sum of squared distances from it; two parts join by Chan et al. 1979.
struct Moments {
  double count = 0, mean = 0, squares = 0;
  TAPIR_HD void take(double x) {
    count += 1;
    const double d = x - mean;
    mean += d / count;
    squares += d * (x - mean);
  }
  TAPIR_HD void join(const Moments& b) {
    if (b.count == 0) return;
    const double n = count + b.count, d = b.mean - mean;
    mean += d * b.count / n;
    squares += b.squares + d * d * count * b.count / n;
    count = n;
  }
};

struct TwoSums {
  double a = 0, b = 0;
  TAPIR_HD void join(const TwoSums& other) { a += other.a, b += other.b; }
};

}  // namespace tapir::cuda
