// Fourier transforms of rows of complex numbers, by the sum that defines them, in f64: right for every size, and slow
// for long rows. cuFFT would be the way (docs/roadmap.md).
#include <tapir/backends/cuda/kernels.h>
#include <tapir/backends/cuda/launch.h>
#include <tapir/backends/cuda/row_sums.h>
#include <tapir/ops/fft_attrs.h>

#include <cmath>

namespace tapir::cuda {
namespace {

// Element r of [rows, n] complex numbers.
template <class T>
struct FoldTransform {
  using Acc = TwoSums;
  const T* x;
  T* y;
  std::int64_t n;
  bool inverse;
  TAPIR_HD Acc start() const { return {}; }
  TAPIR_HD void take(Acc& a, std::int64_t r, std::int64_t k) const {
    constexpr double pi = 3.14159265358979323846;
    const std::int64_t turn = r % n * k % n;  // of the circle in n parts: exact
    const double angle = (inverse ? 2 : -2) * pi * double(turn) / double(n);
    const double c = std::cos(angle), s = std::sin(angle);
    const T* p = x + 2 * (r / n * n + k);
    a.a += double(p[0]) * c - double(p[1]) * s, a.b += double(p[0]) * s + double(p[1]) * c;
  }
  TAPIR_HD void join(Acc& a, const Acc& b) const { a.join(b); }
  TAPIR_HD void give(std::int64_t r, const Acc& a) const { y[2 * r] = T(a.a), y[2 * r + 1] = T(a.b); }
};

void fft(const Call& call) {
  const Tensor &x = call.in[0], &y = call.out[0];
  const std::int64_t n = x.shape().dim(-2);
  const bool inverse = call.attrs.as<FftAttrs>().inverse;
  auto run = [&](auto t) {
    using T = decltype(t);
    fold(x.size() / 2, n, FoldTransform<T>{x.data<T>(), y.mutable_data<T>(), n, inverse});
  };
  x.dtype() == DType::f64 ? run(double{}) : run(float{});
}

}  // namespace

void list_fft(KernelList& out) { out.push_back({"fft", fft}); }

}  // namespace tapir::cuda
