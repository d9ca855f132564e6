// small_channels: made for few input channels a group, as first layers and grouped convolutions have, where direct
// convolutions blocked over input channels reach a fraction of the machine; any number will do. Rows of output pixels go
// through the loops of conv_rows.cpp; where there is padding they are read from a padded copy of some input rows.
//
// The input gradient with stride 1 is the same convolution of dy by the rotated kernel.
#include <tapir/backends/cpu/conv_row_reader.h>
#include <tapir/backends/cpu/parallel.h>

#include <fmt/format.h>

namespace tapir::cpu {
namespace {

// Output rows at once: a panel of the kernel is used for all of them while it is in L1.
constexpr std::int64_t kRows = 16;

// The panels of all groups, one group after the other.
struct GroupPanels {
  Panels panels;
  std::int64_t groups, taps;
  template <class T>
  static GroupPanels of(const ConvProblem& p) {
    return {{row_kernels<T>().lanes, p.kg()}, p.groups, p.taps() * p.cg()};
  }
  std::int64_t group() const { return taps * panels.padded(); }
  std::int64_t size() const { return groups * group(); }
  /// f(group, panel, where the panel begins).
  template <class F>
  void each(F&& f) const {
    for (std::int64_t g = 0; g < groups; ++g)
      for (std::int64_t i = 0; i < panels.count(); ++i) f(g, i, g * group() + taps * panels.first(i));
  }
};

template <class T>
void copy_few(const T* from, std::int64_t count, T* to) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = from[i];
}

template <class T>
void forward(const ConvProblem& p, const T* x, const T* w, T* y, const ConvBuffers& b) {
  const auto& kernels = row_kernels<T>();
  const auto all = GroupPanels::of<T>(p);
  const Panels& panels = all.panels;
  ConvScratch<T> packed(all.size());
  for (std::int64_t g = 0; g < p.groups; ++g)
    pack_panels(w + g * p.kg(), p.k, all.taps, panels, packed.data() + g * all.group());
  parallel_for(p.n * p.out[1], conv_rows_grain(p), [&](std::int64_t begin, std::int64_t end) {
    RowReader<T> reader(p, std::min(kRows, end - begin));
    const ConvRow row = reader.row();
    ConvScratch<T> spill(row.pixels * 2 * panels.lanes);
    for (std::int64_t r = begin, count; r < end; r += count) {
      count = reader.read(x, r, end);
      all.each([&](std::int64_t g, std::int64_t i, std::int64_t at) {
        const std::int64_t channels = panels.channels(i), width = panels.width(i);
        T* to = y + r * row.pixels * p.k + g * p.kg() + panels.first(i);
        for (std::int64_t j = 0; j < count; ++j, to += row.pixels * p.k) {
          const T *from = reader.at(j) + g * p.cg(), *panel = packed.data() + at;
          if (channels == width) {
            kernels.forward(row, from, panel, panels.vectors(i), to, p.k);
            continue;
          }
          kernels.forward(row, from, panel, panels.vectors(i), spill.data(), width);
          for (std::int64_t q = 0; q < row.pixels; ++q) copy_few(spill.data() + q * width, channels, to + q * p.k);
        }
      });
      b.ready(r * row.pixels * p.k, count * row.pixels * p.k);
    }
  });
}

// Sums of a row in registers, of 64 rows in `some`, of a thread in `sum`: the error stays small for any batch.
template <class T>
void sum_rows(const ConvProblem& p, const GroupPanels& all, const T* x, const T* dy, std::int64_t begin, std::int64_t end,
              T* sum) {
  const auto& kernels = row_kernels<T>();
  const Panels& panels = all.panels;
  RowReader<T> reader(p, std::min(kRows, end - begin));
  const ConvRow row = reader.row();
  ConvScratch<T> wide(row.pixels * 2 * panels.lanes) /* a group's last panel, zeros after its channels */, some(all.size());
  std::fill_n(wide.data(), row.pixels * 2 * panels.lanes, T(0));
  std::fill_n(sum, all.size(), T(0));
  for (std::int64_t r = begin; r < end;) {
    std::fill_n(some.data(), all.size(), T(0));
    std::int64_t count;
    for (const std::int64_t stop = std::min(end, r + 64); r < stop; r += count) {
      count = reader.read(x, r, stop);
      all.each([&](std::int64_t g, std::int64_t i, std::int64_t at) {
        const std::int64_t channels = panels.channels(i), width = panels.width(i);
        const T* d = dy + r * row.pixels * p.k + g * p.kg() + panels.first(i);
        for (std::int64_t j = 0; j < count; ++j, d += row.pixels * p.k) {
          const T* from = reader.at(j) + g * p.cg();
          T* to = some.data() + at;
          if (channels == width) {
            kernels.kernel_gradient(row, from, d, p.k, panels.vectors(i), to);
            continue;
          }
          for (std::int64_t q = 0; q < row.pixels; ++q) copy_few(d + q * p.k, channels, wide.data() + q * width);
          kernels.kernel_gradient(row, from, wide.data(), width, panels.vectors(i), to);
        }
      });
    }
    for (std::int64_t i = 0; i < all.size(); ++i) sum[i] += some.data()[i];
  }
}

template <class T>
void kernel_gradient(const ConvProblem& p, const T* x, T* dw, const T* dy) {
  const auto all = GroupPanels::of<T>(p);
  const std::int64_t rows = p.n * p.out[1];
  const std::int64_t most = std::max<std::int64_t>(num_threads(), (16 << 20) / all.size());
  const std::int64_t parts = std::min(parallel_parts(rows, conv_rows_grain(p)), most);
  ConvScratch<T> sums(parts * all.size());
  parallel_for(parts, 1, [&](std::int64_t part, std::int64_t end) {
    for (; part < end; ++part)
      sum_rows(p, all, x, dy, rows * part / parts, rows * (part + 1) / parts, sums.data() + part * all.size());
  });
  for (std::int64_t g = 0; g < p.groups; ++g)
    unpack_panels(sums.data() + g * all.group(), parts, all.size(), all.taps, all.panels, dw + g * p.kg(), p.k);
}

// The convolution whose input is dy and whose output is dx.
ConvProblem turned(const ConvProblem& p) {
  ConvProblem q = p;
  std::swap(q.c, q.k);
  for (int d = 0; d < 3; ++d) {
    std::swap(q.in[d], q.out[d]);
    q.before[d] = (p.kernel[d] - 1) * p.dilation[d] - p.before[d];
  }
  return q;
}

template <class T>
void input_gradient(const ConvProblem& p, T* dx, const T* w, const T* dy) {
  const ConvProblem q = turned(p);
  const std::int64_t taps = p.taps(), cg = p.cg(), kg = p.kg();
  ConvScratch<T> rotated(taps * cg * p.k);  // [taps][kg][C]
  for (std::int64_t t = 0; t < taps; ++t)
    for (std::int64_t g = 0; g < p.groups; ++g)
      for (std::int64_t c = 0; c < cg; ++c) {
        const T* from = w + ((taps - 1 - t) * cg + c) * p.k + g * kg;
        T* to = rotated.data() + t * kg * p.c + g * cg + c;
        for (std::int64_t k = 0; k < kg; ++k) to[k * p.c] = from[k];
      }
  forward<T>(q, dy, rotated.data(), dx, {});
}

template <class T>
void run_typed(const ConvProblem& p, ConvDirection d, const ConvBuffers& b) {
  auto *x = static_cast<T*>(b.x), *w = static_cast<T*>(b.kernel), *y = static_cast<T*>(b.y);
  if (d == ConvDirection::forward) forward<T>(p, x, w, y, b);
  else if (d == ConvDirection::input_gradient) input_gradient<T>(p, x, w, y);
  else kernel_gradient<T>(p, x, w, y);
}

}  // namespace

const ConvEntry conv_small_channels = {
    ConvAlgorithm::small_channels,
    [](const ConvProblem& p, ConvDirection d) -> std::string {
      if (p.kernel[0] != 1 || p.in[0] != 1 || p.out[0] != 1) return "it takes no depth";
      if (d != ConvDirection::input_gradient) return "";
      const ConvProblem q = turned(p);
      for (int i : {1, 2}) {
        if (p.stride[i] != 1) return fmt::format("stride {}, its input gradient takes 1", p.stride[i]);
        if (q.before[i] < 0) return "its input gradient takes no padding over the kernel";
      }
      return "";
    },
    [](const ConvProblem& p, ConvDirection d) -> std::string {
      if (d == ConvDirection::input_gradient) return "for now";
      if (p.groups != 1) return fmt::format("{} groups", p.groups);
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
