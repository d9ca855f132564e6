// How far results are from what was expected.
#pragma once
#include <tapir/tapir.h>

#include <cmath>

/// The largest difference, relative to the larger of 1 and the largest value of b; infinite if they are not the same
/// kind of thing. `a` may be on another device.
inline double difference(const tapir::Tensor& a, const tapir::Tensor& b) {
  using namespace tapir;
  if (a.defined() != b.defined()) return INFINITY;
  if (!a.defined()) return 0;
  if (!(a.shape() == b.shape()) || a.dtype() != b.dtype()) return INFINITY;
  const Tensor here = a.to(Device::cpu());
  const std::vector<double> x = here.astype(DType::f64).to_vector<double>(),
                            y = b.astype(DType::f64).to_vector<double>();
  double worst = 0, scale = 1;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i]) != std::isnan(y[i])) return INFINITY;
    if (x[i] == y[i] || std::isnan(x[i])) continue;
    worst = std::max(worst, std::fabs(x[i] - y[i]));
    scale = std::max(scale, std::fabs(y[i]));
  }
  return worst / scale;
}

/// The largest of each two; infinite if there are not as many.
inline double difference(const std::vector<tapir::Tensor>& a, const std::vector<tapir::Tensor>& b) {
  if (a.size() != b.size()) return INFINITY;
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, difference(a[i], b[i]));
  return worst;
}
