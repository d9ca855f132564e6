// What the algorithms over rows of output pixels share: panels of output channels, packed kernels, padded input rows.
#pragma once
#include <tapir/backends/cpu/conv.h>
#include <tapir/backends/cpu/conv_rows.h>
#include <tapir/backends/cpu/isa.h>

#include <algorithm>
#include <vector>

namespace tapir::cpu {

inline const ConvRowTable& rows_table() {
#if TAPIR_TOP_ISA >= 4
  if (isa() == Isa::v4) return v4::conv_rows;
#endif
#if TAPIR_TOP_ISA >= 3
  if (isa() >= Isa::v3) return v3::conv_rows;
#endif
  return v2::conv_rows;
}
template <class T>
const ConvRowKernels<T>& row_kernels() {
  if constexpr (std::is_same_v<T, double>) return rows_table().f64;
  else return rows_table().f32;
}

/// The output channels in panels of two vectors, the last one of one vector if that is enough.
struct Panels {
  std::int64_t lanes, k;
  std::int64_t count() const { return (k + 2 * lanes - 1) / (2 * lanes); }
  std::int64_t first(std::int64_t i) const { return i * 2 * lanes; }
  std::int64_t channels(std::int64_t i) const { return std::min(2 * lanes, k - first(i)); }
  int vectors(std::int64_t i) const { return channels(i) > lanes ? 2 : 1; }
  std::int64_t width(std::int64_t i) const { return vectors(i) * lanes; }
  std::int64_t padded() const { return first(count() - 1) + width(count() - 1); }  // of all panels together
};

/// Where the taps of an output row are, in x itself or in a padded copy of the input rows it reads.
template <class T>
class RowReader {
 public:
  explicit RowReader(const ConvProblem& p)
      : p_(p),
        width_((p.out[2] - 1) * p.stride[2] + (p.kernel[2] - 1) * p.dilation[2] + 1),
        padded_(p.before[1] > 0 || p.before[2] > 0 || width_ > p.in[2] ||
                (p.out[1] - 1) * p.stride[1] + (p.kernel[1] - 1) * p.dilation[1] + 1 > p.in[1]),
        strip_(padded_ ? p.kernel[1] * width_ * p.c : 0) {
    const std::int64_t row = padded_ ? width_ * p.c : p.in[2] * p.c * p.dilation[1];
    for (std::int64_t kh = 0; kh < p.kernel[1]; ++kh)
      for (std::int64_t kw = 0; kw < p.kernel[2]; ++kw)
        for (std::int64_t c = 0; c < p.c; ++c) offsets_.push_back(kh * row + kw * p.dilation[2] * p.c + c);
  }
  ConvRow row() const { return {std::int64_t(offsets_.size()), p_.out[2], p_.stride[2] * p_.c, offsets_.data()}; }
  /// The start of output row `r` of all images.
  const T* at(const T* x, std::int64_t r) const {
    const std::int64_t line = p_.in[2] * p_.c, top = r % p_.out[1] * p_.stride[1] - p_.before[1];
    const T* image = x + r / p_.out[1] * p_.in[1] * line;
    if (!padded_) return image + top * line;
    const std::int64_t left = std::min(p_.before[2], width_),
                       count = std::clamp<std::int64_t>(width_ - left, 0, p_.in[2]);
    for (std::int64_t kh = 0; kh < p_.kernel[1]; ++kh) {
      const std::int64_t h = top + kh * p_.dilation[1];
      T* to = strip_.data() + kh * width_ * p_.c;
      const std::int64_t n = h >= 0 && h < p_.in[1] ? count : 0;
      std::fill_n(to, left * p_.c, T(0));
      std::copy_n(image + h * line, n * p_.c, to + left * p_.c);
      std::fill_n(to + (left + n) * p_.c, (width_ - left - n) * p_.c, T(0));
    }
    return strip_.data();
  }

 private:
  const ConvProblem& p_;
  std::int64_t width_;  // input pixels that a row of outputs spans
  bool padded_;
  ConvScratch<T> strip_;
  std::vector<std::int64_t> offsets_;
};

/// Rows of outputs that take about 20 us.
inline std::int64_t conv_rows_grain(const ConvProblem& p) {
  return std::max<std::int64_t>(1, std::int64_t(8e5 / (p.flops() / double(p.n * p.out[1]) + 1)));
}

/// The kernel [taps, K] as [panel][taps][width], zeros past the last channel.
template <class T>
void pack_panels(const T* w, std::int64_t taps, const Panels& panels, T* packed) {
  for (std::int64_t i = 0; i < panels.count(); ++i)
    for (std::int64_t t = 0; t < taps; ++t) {
      T* to = packed + taps * panels.first(i) + t * panels.width(i);
      std::fill(std::copy_n(w + t * panels.k + panels.first(i), panels.channels(i), to), to + panels.width(i), T(0));
    }
}

/// dw[taps, K] = the sum of `parts` gradients in panels.
template <class T>
void unpack_panels(const T* sums, std::int64_t parts, std::int64_t taps, const Panels& panels, T* dw) {
  const std::int64_t size = taps * panels.padded();
  for (std::int64_t i = 0; i < panels.count(); ++i)
    for (std::int64_t t = 0; t < taps; ++t)
      for (std::int64_t j = 0; j < panels.channels(i); ++j) {
        T s = 0;
        for (std::int64_t part = 0; part < parts; ++part)
          s += sums[part * size + taps * panels.first(i) + t * panels.width(i) + j];
        dw[t * panels.k + panels.first(i) + j] = s;
      }
}

}  // namespace tapir::cpu
