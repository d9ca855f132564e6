// small_channels: made for 1 to 4 input channels, as first layers have, where direct convolutions blocked over input
// channels reach a fraction of the machine; any number will do. Rows of output pixels go through the loops of
// conv_rows.cpp; rows that touch the padding are read from a padded copy of their KH input rows.
#include <tapir/backends/cpu/conv_row_reader.h>
#include <tapir/backends/cpu/parallel.h>

#include <fmt/format.h>

namespace tapir::cpu {
namespace {

template <class T>
void forward(const ConvProblem& p, const T* x, const T* w, T* y, const ConvBuffers& b) {
  const auto& kernels = row_kernels<T>();
  const Panels panels{kernels.lanes, p.k};
  const std::int64_t taps = p.taps() * p.c;
  ConvScratch<T> packed(taps * panels.padded());
  pack_panels(w, taps, panels, packed.data());
  parallel_for(p.n * p.out[1], conv_rows_grain(p), [&](std::int64_t begin, std::int64_t end) {
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
      b.ready(r * row.pixels * p.k, row.pixels * p.k);
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
  const std::int64_t parts = parallel_parts(rows, conv_rows_grain(p));
  ConvScratch<T> sums(parts * size);
  parallel_for(parts, 1, [&](std::int64_t part, std::int64_t end) {
    for (; part < end; ++part)
      sum_rows(p, panels, x, dy, rows * part / parts, rows * (part + 1) / parts, sums.data() + part * size);
  });
  unpack_panels(sums.data(), parts, taps, panels, dw);
}

template <class T>
void run_typed(const ConvProblem& p, ConvDirection d, const ConvBuffers& b) {
  auto *x = static_cast<T*>(b.x), *w = static_cast<T*>(b.kernel), *y = static_cast<T*>(b.y);
  if (d == ConvDirection::forward) forward<T>(p, x, w, y, b);
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
    true,
};

}  // namespace tapir::cpu
