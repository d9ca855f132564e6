// Discrete Fourier transforms of f32 and f64 tensors. A complex number is a pair in a last dimension of size 2: real
// part, imaginary part; `axis` does not count that dimension. Any size, fastest for products of 2, 3 and 5. f16 and
// bf16 compute in f32. Differentiable any number of times.
#pragma once
#include <tapir/ops/op.h>

namespace tapir::fft {

struct FftOptions {
  std::int64_t n = -1;  ///< cut or pad with zeros to this many along the axis before; irfft: the size of the result
  std::int64_t axis = -1;
  const char* norm = "backward";  ///< where to divide by n: "backward" (in the inverse), "forward", or "ortho": by
                                  ///< sqrt(n) in both
};

/// sum over j of x_j exp(-2 pi i j k / n), of complex x [..., n, 2]. Throws ShapeError, DTypeError, UsageError for
/// another `norm`.
Tensor fft(const Tensor& x, FftOptions options = {}, Where where = Where::current());
/// The inverse: 1/n * sum over k of x_k exp(2 pi i j k / n).
Tensor ifft(const Tensor& x, FftOptions options = {}, Where where = Where::current());
/// Of real x [..., n]: the first n/2 + 1 of the frequencies, [..., n/2 + 1, 2]; the others are their conjugates.
Tensor rfft(const Tensor& x, FftOptions options = {}, Where where = Where::current());
/// The inverse of rfft: x [..., m, 2] to real [..., n], n = 2 (m - 1) unless it is given. The imaginary parts of the
/// first frequency, and of the last one for even n, are taken as 0.
Tensor irfft(const Tensor& x, FftOptions options = {}, Where where = Where::current());

struct FftnOptions {
  Axes axes = {-2, -1};           ///< irfftn and rfftn: the last one is the real one
  const char* norm = "backward";  ///< as FftOptions
};
/// fft along several axes, the last two unless told, of complex x [..., 2].
Tensor fftn(const Tensor& x, FftnOptions options = {}, Where where = Where::current());
/// Its inverse.
Tensor ifftn(const Tensor& x, FftnOptions options = {}, Where where = Where::current());
/// rfft along the last of `axes`, then fft along the others.
Tensor rfftn(const Tensor& x, FftnOptions options = {}, Where where = Where::current());
/// Its inverse; the real axis has 2 (m - 1) elements.
Tensor irfftn(const Tensor& x, FftnOptions options = {}, Where where = Where::current());

/// The frequencies of `fft` in cycles per unit, for samples `d` apart: f32 [n], 0, 1/(nd), ..., then the negative ones.
Tensor fftfreq(std::int64_t n, double d = 1, Where where = Where::current());
/// Those of `rfft`: f32 [n/2 + 1].
Tensor rfftfreq(std::int64_t n, double d = 1, Where where = Where::current());
/// Rolls frequency 0 to the middle of `axes` (empty: all); any dtype.
Tensor fftshift(const Tensor& x, const Axes& axes = {}, Where where = Where::current());
/// Rolls it back.
Tensor ifftshift(const Tensor& x, const Axes& axes = {}, Where where = Where::current());

}  // namespace tapir::fft
