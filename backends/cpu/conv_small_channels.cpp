// small_channels: made for 1 to 4 input channels, as first layers have, where direct convolutions blocked over input
// channels reach a fraction of the machine; any number will do. Rows of output pixels go through the loops of
// conv_rows.cpp; rows that touch the padding are read from a padded copy of their KH input rows.
#include <tapir/backends/cpu/conv.h>
#include <tapir/backends/cpu/conv_rows.h>
#include <tapir/backends/cpu/isa.h>
#include <tapir/backends/cpu/parallel.h>

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace tapir::cpu {
namespace {

const ConvRowTable& rows_table() {
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

// The output channels in panels of two vectors, the last one of one vector if that is enough.
struct Panels {
  std::int64_t lanes, k;
  std::int64_t count() const { return (k + 2 * lanes - 1) / (2 * lanes); }
  std::int64_t first(std::int64_t i) const { return i * 2 * lanes; }
  std::int64_t channels(std::int64_t i) const { return std::min(2 * lanes, k - first(i)); }
  int vectors(std::int64_t i) const { return channels(i) > lanes ? 2 : 1; }
  std::int64_t width(std::int64_t i) const { return vectors(i) * lanes; }
  std::int64_t padded() const { return first(count() - 1) + width(count() - 1); }  // of all panels together
};

// Where the taps of an output row are, in x itself or in a padded copy of the input rows it reads.
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

// Rows of outputs that take about 20 us.
std::int64_t grain(const ConvProblem& p) {
  return std::max<std::int64_t>(1, std::int64_t(8e5 / (p.flops() / double(p.n * p.out[1]) + 1)));
}

template <class T>
void forward(const ConvProblem& p, const T* x, const T* w, T* y) {
  const auto& kernels = row_kernels<T>();
  const Panels panels{kernels.lanes, p.k};
  const std::int64_t taps = p.taps() * p.c;
  ConvScratch<T> packed(taps * panels.padded());  // [panel][taps][width], zeros past the last channel
  for (std::int64_t i = 0; i < panels.count(); ++i)
    for (std::int64_t t = 0; t < taps; ++t) {
      T* to = packed.data() + taps * panels.first(i) + t * panels.width(i);
      std::fill(std::copy_n(w + t * p.k + panels.first(i), panels.channels(i), to), to + panels.width(i), T(0));
    }
  parallel_for(p.n * p.out[1], grain(p), [&](std::int64_t begin, std::int64_t end) {
    RowReader<T> reader(p);
    const ConvRow row = reader.row();
    const std::int64_t last = panels.count() - 1;
    const bool ragged = panels.channels(last) < panels.width(last);
    ConvScratch<T> spill(ragged ? row.pixels * panels.width(last) : 0);
    for (std::int64_t r = begin; r < end; ++r) {
      const T* from = reader.at(x, r);
      T* to = y + r * row.pixels * p.k;
      for (std::int64_t i = 0; i <= last; ++i) {
        const T* panel = packed.data() + taps * panels.first(i);
        if (i < last || !ragged) {
          kernels.forward(row, from, panel, panels.vectors(i), to + panels.first(i), p.k);
          continue;
        }
        kernels.forward(row, from, panel, panels.vectors(i), spill.data(), panels.width(i));
        for (std::int64_t q = 0; q < row.pixels; ++q)
          std::copy_n(spill.data() + q * panels.width(i), panels.channels(i), to + q * p.k + panels.first(i));
      }
    }
  });
}

// Sums of a row in registers, of 64 rows in `some`, of a thread in `sum`: the error stays small for any batch.
template <class T>
void sum_rows(const ConvProblem& p, const Panels& panels, const T* x, const T* dy, std::int64_t begin, std::int64_t end,
              T* sum) {
  const auto& kernels = row_kernels<T>();
  RowReader<T> reader(p);
  const ConvRow row = reader.row();
  const std::int64_t last = panels.count() - 1, size = row.taps * panels.padded();
  const bool ragged = panels.channels(last) < panels.width(last);
  ConvScratch<T> wide(ragged ? row.pixels * panels.width(last) : 0), some(size);
  if (ragged) std::fill_n(wide.data(), row.pixels * panels.width(last), T(0));
  std::fill_n(sum, size, T(0));
  for (std::int64_t r = begin; r < end;) {
    std::fill_n(some.data(), size, T(0));
    for (const std::int64_t stop = std::min(end, r + 64); r < stop; ++r) {
      const T *from = reader.at(x, r), *d = dy + r * row.pixels * p.k;
      for (std::int64_t i = 0; i <= last; ++i) {
        T* to = some.data() + row.taps * panels.first(i);
        if (i < last || !ragged) {
          kernels.kernel_gradient(row, from, d + panels.first(i), p.k, panels.vectors(i), to);
          continue;
        }
        for (std::int64_t q = 0; q < row.pixels; ++q)
          std::copy_n(d + q * p.k + panels.first(i), panels.channels(i), wide.data() + q * panels.width(i));
        kernels.kernel_gradient(row, from, wide.data(), panels.width(i), panels.vectors(i), to);
      }
    }
    for (std::int64_t i = 0; i < size; ++i) sum[i] += some.data()[i];
  }
}

template <class T>
void kernel_gradient(const ConvProblem& p, const T* x, T* dw, const T* dy) {
  const Panels panels{row_kernels<T>().lanes, p.k};
  const std::int64_t taps = p.taps() * p.c, size = taps * panels.padded(), rows = p.n * p.out[1];
  const std::int64_t parts = std::clamp<std::int64_t>(rows / grain(p), 1, num_threads());
  ConvScratch<T> sums(parts * size);
  parallel_for(parts, 1, [&](std::int64_t part, std::int64_t end) {
    for (; part < end; ++part)
      sum_rows(p, panels, x, dy, rows * part / parts, rows * (part + 1) / parts, sums.data() + part * size);
  });
  for (std::int64_t i = 0; i < panels.count(); ++i)
    for (std::int64_t t = 0; t < taps; ++t)
      for (std::int64_t j = 0; j < panels.channels(i); ++j) {
        T s = 0;
        for (std::int64_t part = 0; part < parts; ++part)
          s += sums.data()[part * size + taps * panels.first(i) + t * panels.width(i) + j];
        dw[t * p.k + panels.first(i) + j] = s;
      }
}

template <class T>
void run_typed(const ConvProblem& p, ConvDirection d, const ConvBuffers& b) {
  auto *x = static_cast<T*>(b.x), *w = static_cast<T*>(b.kernel), *y = static_cast<T*>(b.y);
  if (d == ConvDirection::forward) forward<T>(p, x, w, y);
  else kernel_gradient<T>(p, x, w, y);
}

}  // namespace

const ConvEntry conv_small_channels = {
    ConvAlgorithm::small_channels,
    [](const ConvProblem& p, ConvDirection d) -> std::string {
      if (d == ConvDirection::input_gradient) return "it has no input gradient";
      if (p.groups != 1) return fmt::format("{} groups, it takes 1", p.groups);
      if (p.kernel[0] != 1 || p.in[0] != 1 || p.out[0] != 1) return "it takes no depth";
      return "";
    },
    [](const ConvProblem& p, ConvDirection d) -> std::string {
      if (p.c <= 4) return "";
      // Measured on Zen 4: level with oneDNN, ahead of im2col with Eigen's products, but where rows are short.
      const auto* direct = find_conv_entry(ConvAlgorithm::direct);
      if (direct && direct->refuses(p, d).empty()) return fmt::format("{} input channels, it pays up to 4", p.c);
      if (p.pointwise()) return "a 1x1 kernel";
      if (d == ConvDirection::kernel_gradient && p.out[2] < 24) return fmt::format("rows of {} pixels, few", p.out[2]);
      return "";
    },
    [](const ConvProblem& p, ConvDirection d, const ConvBuffers& b) {
      p.dtype == DType::f64 ? run_typed<double>(p, d, b) : run_typed<float>(p, d, b);
    },
};

}  // namespace tapir::cpu
