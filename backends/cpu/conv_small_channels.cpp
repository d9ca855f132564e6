// small_channels: made for few input channels a group, as first layers and grouped convolutions have, where direct
// convolutions blocked over input channels reach a fraction of the machine; any number will do. Rows of output pixels
// go through the loops of conv_rows.cpp; where there is padding they are read from a padded copy of some input rows.
//
// The input gradient with stride 1 is the same convolution of dy by the rotated kernel.
#include <tapir/backends/cpu/conv_cost.h>
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
void sum_rows(const ConvProblem& p, const GroupPanels& all, const T* x, const T* dy, std::int64_t begin,
              std::int64_t end, T* sum) {
  const auto& kernels = row_kernels<T>();
  const Panels& panels = all.panels;
  RowReader<T> reader(p, std::min(kRows, end - begin));
  const ConvRow row = reader.row();
  ConvScratch<T> wide(row.pixels * 2 * panels.lanes) /* a group's last panel, zeros after its channels */,
      some(all.size());
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

// Multiply-adds of whole panels, a copy of x where it is padded, and what a row of a panel costs.
double cost(const ConvProblem& given, ConvDirection d) {
  const ConvProblem p = d == ConvDirection::input_gradient ? turned(given) : given;
  const ConvWork w(p);
  const std::int64_t last = p.kg() % (2 * w.lanes), reach = (p.kernel[1] - 1) * p.dilation[1] + 1;
  const std::int64_t narrow = last > 0 && last <= w.lanes, wide = p.kg() / (2 * w.lanes) + (last > w.lanes);
  const double terms = w.pixels * double(p.taps() * p.c) * w.unit * double(w.lanes);  // of a vector of outputs
  const double rows = double(p.n * p.out[1]), panels = double(p.groups * (wide + narrow));
  double time = 0.94 * terms * 2 * double(wide) + 1.2 * terms * double(narrow) + 25 * rows * panels + 200;
  if (p.before[1] || p.before[2]) {
    const std::int64_t row = ((p.out[2] - 1) * p.stride[2] + 1) * p.c * std::int64_t(size_of(p.dtype));
    const double together =
        double(std::clamp<std::int64_t>(((96 << 10) / row - reach) / p.stride[1] + 1, 1, std::min(kRows, p.out[1])));
    time += 0.12 * w.x * (1 + double(std::max<std::int64_t>(0, reach - p.stride[1])) / together / double(p.stride[1]));
  }
  if (p.kg() % w.lanes) time += 0.4 * w.pixels * double(p.groups * std::min(last, 2 * w.lanes));
  if (d == ConvDirection::kernel_gradient)
    return time + 0.35 * terms * double(narrow) + 0.62 * rows * double(p.taps() * p.c) * double(2 * wide + narrow) +
           1.3 * w.kernel + (p.taps() == 1 ? 0.1 * (w.x + w.y) : 0);
  if (p.taps() == 1) time = 1.25 * time + 0.1 * w.pixels * panels * 2 * double(w.lanes);  // short sums
  return time + (d == ConvDirection::forward ? 0.35 : 1.2) * w.kernel;
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
    // Level with oneDNN on first layers, but pooling is fused with this one alone.
    [](const ConvProblem& p, ConvDirection d) {
      return (p.c <= 4 && p.groups == 1 && d != ConvDirection::input_gradient ? 0.8 : 1.0) * cost(p, d);
    },
    [](const ConvProblem& p, ConvDirection d, const ConvBuffers& b) {
      run_typed(
          p, d, b, [&](auto* x, auto* w, auto* y) { forward(p, x, w, y, b); },
          [&](auto* x, auto* w, auto* y) { input_gradient(p, x, w, y); },
          [&](auto* x, auto* w, auto* y) { kernel_gradient(p, x, w, y); });
    },
    true,
};

}  // namespace tapir::cpu
