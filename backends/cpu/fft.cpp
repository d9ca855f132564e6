// Fourier transforms of rows of complex numbers, by Eigen's copy of kissfft.
#include <tapir/backends/cpu/parallel.h>
#include <tapir/ops/fft_attrs.h>
#include <tapir/ops/kernels.h>

#include <unsupported/Eigen/FFT>

#include <algorithm>
#include <cmath>
#include <complex>

namespace tapir::cpu {
namespace {

template <class T>
void transform_rows(const Call& call) {
  using C = std::complex<T>;  // laid out as two T
  const bool inverse = call.attrs.as<FftAttrs>().inverse;
  const std::int64_t n = call.in[0].shape().dim(-2), size = call.in[0].size();
  if (size == 0) return;
  if (n == 1) {  // kissfft would not end
    std::copy_n(call.in[0].data<T>(), size, call.out[0].mutable_data<T>());
    return;
  }
  const auto* x = reinterpret_cast<const C*>(call.in[0].data<T>());
  auto* y = reinterpret_cast<C*>(call.out[0].mutable_data<T>());
  const auto grain = std::int64_t(1e4 / (double(n) * (std::log2(double(n)) + 1))) + 1;
  parallel_for(size / (2 * n), grain, [&](std::int64_t i, std::int64_t end) {
    Eigen::FFT<T> plan(typename Eigen::FFT<T>::impl_type(), Eigen::FFT<T>::Unscaled);
    for (; i < end; ++i) {
      if (inverse) plan.inv(y + i * n, x + i * n, n);
      else plan.fwd(y + i * n, x + i * n, n);
    }
  });
}

}  // namespace

void fft(const Call& call) {
  if (call.in[0].dtype() == DType::f64) transform_rows<double>(call);
  else transform_rows<float>(call);
}

}  // namespace tapir::cpu
