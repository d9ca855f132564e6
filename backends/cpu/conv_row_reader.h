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

/// The output channels (of a group) in panels of two vectors, the last one of one vector if that is enough.
struct Panels {
  std::int64_t lanes, k;
  std::int64_t count() const { return (k + 2 * lanes - 1) / (2 * lanes); }
  std::int64_t first(std::int64_t i) const { return i * 2 * lanes; }
  std::int64_t channels(std::int64_t i) const { return std::min(2 * lanes, k - first(i)); }
  int vectors(std::int64_t i) const { return channels(i) > lanes ? 2 : 1; }
  std::int64_t width(std::int64_t i) const { return vectors(i) * lanes; }
  std::int64_t padded() const { return first(count() - 1) + width(count() - 1); }  // of all panels together
};

/// Where the taps of output rows are, in x itself or in a padded copy of the input rows they read. Taps are [KH, KW,
/// C / groups].
template <class T>
class RowReader {
 public:
  /// `most` output rows are read together at most.
  explicit RowReader(const ConvProblem& p, std::int64_t most = 1)
      : p_(p),
        width_((p.out[2] - 1) * p.stride[2] + (p.kernel[2] - 1) * p.dilation[2] + 1),
        padded_(p.before[1] > 0 || p.before[2] > 0 || width_ > p.in[2] ||
                (p.out[1] - 1) * p.stride[1] + (p.kernel[1] - 1) * p.dilation[1] + 1 > p.in[1]),
        most_(padded_ ? rows_in_cache(most) : std::max<std::int64_t>(most, 1)),
        strip_(padded_ ? strip_rows(most_) * width_ * p.c : 0) {
    const std::int64_t row = !padded_ ? p.in[2] * p.c * p.dilation[1] : width_ * p.c * (most_ > 1 ? p.dilation[1] : 1);
    for (std::int64_t kh = 0; kh < p.kernel[1]; ++kh)
      for (std::int64_t kw = 0; kw < p.kernel[2]; ++kw)
        for (std::int64_t c = 0; c < p.cg(); ++c) offsets_.push_back(kh * row + kw * p.dilation[2] * p.c + c);
  }
  ConvRow row() const { return {std::int64_t(offsets_.size()), p_.out[2], p_.stride[2] * p_.c, offsets_.data()}; }
  /// Makes output rows from `r` on (of all images) ready, up to `end`, and says how many: of one image.
  std::int64_t read(const T* x, std::int64_t r, std::int64_t end) {
    const std::int64_t line = p_.in[2] * p_.c, top = r % p_.out[1] * p_.stride[1] - p_.before[1];
    const std::int64_t count = std::min({most_, end - r, p_.out[1] - r % p_.out[1]});
    const T* image = x + r / p_.out[1] * p_.in[1] * line;
    first_ = image + top * line, step_ = p_.stride[1] * line;
    if (!padded_) return count;
    const std::int64_t left = std::min(p_.before[2], width_),
                       pixels = std::clamp<std::int64_t>(width_ - left, 0, p_.in[2]);
    const std::int64_t between = most_ > 1 ? 1 : p_.dilation[1];
    for (std::int64_t i = 0; i < strip_rows(count); ++i) {
      const std::int64_t h = top + i * between;
      T* to = strip_.data() + i * width_ * p_.c;
      const std::int64_t n = h >= 0 && h < p_.in[1] ? pixels : 0;
      std::fill_n(to, left * p_.c, T(0));
      std::copy_n(image + h * line, n * p_.c, to + left * p_.c);
      std::fill_n(to + (left + n) * p_.c, (width_ - left - n) * p_.c, T(0));
    }
    first_ = strip_.data(), step_ = p_.stride[1] * width_ * p_.c;
    return count;
  }
  /// The start of output row `i` of those that are ready.
  const T* at(std::int64_t i) const { return first_ + i * step_; }
  /// The start of output row `r` of all images, alone.
  const T* at(const T* x, std::int64_t r) {
    read(x, r, r + 1);
    return first_;
  }

 private:
  // Input rows in the copy for `count` output rows; for one, only those that it reads.
  std::int64_t strip_rows(std::int64_t count) const {
    return most_ > 1 ? (count - 1) * p_.stride[1] + (p_.kernel[1] - 1) * p_.dilation[1] + 1 : p_.kernel[1];
  }
  // As many of `most` as share a copy that stays in cache.
  std::int64_t rows_in_cache(std::int64_t most) const {
    const std::int64_t row = width_ * p_.c * std::int64_t(sizeof(T)), reach = (p_.kernel[1] - 1) * p_.dilation[1] + 1;
    return std::clamp<std::int64_t>(((96 << 10) / row - reach) / p_.stride[1] + 1, 1, std::max<std::int64_t>(most, 1));
  }
  const ConvProblem& p_;
  std::int64_t width_;  // input pixels that a row of outputs spans
  bool padded_;
  std::int64_t most_;
  ConvScratch<T> strip_;
  std::vector<std::int64_t> offsets_;
  const T* first_ = nullptr;
  std::int64_t step_ = 0;
};

/// Rows of outputs that take about 20 us.
inline std::int64_t conv_rows_grain(const ConvProblem& p) {
  return std::max<std::int64_t>(1, std::int64_t(8e5 / (p.flops() / double(p.n * p.out[1]) + 1)));
}

/// The kernel [taps, K], rows ldw apart, as [panel][taps][width], zeros past the last channel.
template <class T>
void pack_panels(const T* w, std::int64_t ldw, std::int64_t taps, const Panels& panels, T* packed) {
  for (std::int64_t i = 0; i < panels.count(); ++i)
    for (std::int64_t t = 0; t < taps; ++t) {
      T* to = packed + taps * panels.first(i) + t * panels.width(i);
      std::fill(std::copy_n(w + t * ldw + panels.first(i), panels.channels(i), to), to + panels.width(i), T(0));
    }
}

/// dw[taps, K], rows ldw apart, = the sum of `parts` gradients in panels that are `size` apart.
template <class T>
void unpack_panels(const T* sums, std::int64_t parts, std::int64_t size, std::int64_t taps, const Panels& panels, T* dw,
                   std::int64_t ldw) {
  for (std::int64_t i = 0; i < panels.count(); ++i)
    for (std::int64_t t = 0; t < taps; ++t)
      for (std::int64_t j = 0; j < panels.channels(i); ++j) {
        T s = 0;
        for (std::int64_t part = 0; part < parts; ++part)
          s += sums[part * size + taps * panels.first(i) + t * panels.width(i) + j];
        dw[t * ldw + panels.first(i) + j] = s;
      }
}

}  // namespace tapir::cpu
