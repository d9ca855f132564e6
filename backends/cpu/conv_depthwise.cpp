// depthwise: one input and one output channel a group. Pixels of a row whose taps all fall inside go through the loops
// of conv_depthwise_loops.cpp together; pixels at the edges one by one, with the taps that they have. Forward and input
// gradient are one: both gather, with strides on the one side or on the other.
#include <tapir/backends/cpu/conv.h>
#include <tapir/backends/cpu/conv_cost.h>
#include <tapir/backends/cpu/conv_depthwise_loops.h>
#include <tapir/backends/cpu/isa.h>
#include <tapir/backends/cpu/parallel.h>

#include <algorithm>
#include <vector>

namespace tapir::cpu {
namespace {

const DepthwiseTable& table() {
#if TAPIR_TOP_ISA >= 4
  if (isa() == Isa::v4) return v4::depthwise_loops;
#endif
#if TAPIR_TOP_ISA >= 3
  if (isa() >= Isa::v3) return v3::depthwise_loops;
#endif
  return v2::depthwise_loops;
}
template <class T>
const DepthwiseKernels<T>& loops() {
  if constexpr (std::is_same_v<T, double>) return table().f64;
  else return table().f32;
}

// How results find their sources along one axis: result `r` reads source `at(k, r)` with tap k, if that is inside.
// Results come in `phases` classes r % phases; within one, the next result reads `step` further.
struct Axis {
  std::int64_t kernel, stride, dilation, before, sources, results;
  bool backward;
  Axis(const ConvProblem& p, int d, bool back)
      : kernel(p.kernel[d]),
        stride(p.stride[d]),
        dilation(p.dilation[d]),
        before(p.before[d]),
        sources(back ? p.out[d] : p.in[d]),
        results(back ? p.in[d] : p.out[d]),
        backward(back) {}
  std::int64_t phases() const { return backward ? stride : 1; }
  std::int64_t step() const { return backward ? 1 : stride; }
  // False if no source belongs to the pair. The source may be outside.
  bool at(std::int64_t k, std::int64_t r, std::int64_t& source) const {
    if (!backward) return source = r * stride + k * dilation - before, true;
    source = r + before - k * dilation;
    if (source % stride) return false;
    source /= stride;
    return true;
  }
  bool inside(std::int64_t source) const { return source >= 0 && source < sources; }
};

// Calls f(first result, count, taps) for a row of results that has the row taps `rows` {source row, kh}: the taps of
// the first of `count` results, which are phases() apart.
template <class F>
void each_run(const Axis& axis, const std::vector<DepthwiseTap>& rows, std::int64_t channels, F&& f) {
  std::vector<DepthwiseTap> taps;
  auto run = [&](std::int64_t first, std::int64_t count) {
    taps.clear();
    std::int64_t s;
    for (auto& row : rows)
      for (std::int64_t k = 0; k < axis.kernel; ++k)
        if (axis.at(k, first, s) && axis.inside(s))
          taps.push_back({(row.offset * axis.sources + s) * channels, (row.weight * axis.kernel + k) * channels});
    f(first, count, taps);
  };
  for (std::int64_t phase = 0; phase < std::min(axis.phases(), axis.results); ++phase) {
    // Results [low, high) of this phase have every tap inside.
    const std::int64_t n = (axis.results - phase + axis.phases() - 1) / axis.phases();
    std::int64_t low = 0, high = n, s;
    for (std::int64_t k = 0; k < axis.kernel; ++k) {
      if (!axis.at(k, phase, s)) continue;
      if (s < 0) low = std::max(low, (-s + axis.step() - 1) / axis.step());
      high = std::min(high, s >= axis.sources ? 0 : (axis.sources - 1 - s) / axis.step() + 1);
    }
    low = std::min(low, n), high = std::max(low, high);
    for (std::int64_t j = 0; j < low; ++j) run(phase + j * axis.phases(), 1);
    if (high > low) run(phase + low * axis.phases(), high - low);
    for (std::int64_t j = high; j < n; ++j) run(phase + j * axis.phases(), 1);
  }
}

// The taps {source row, kh} of a row of results.
void row_taps(const Axis& axis, std::int64_t r, std::vector<DepthwiseTap>& rows) {
  rows.clear();
  std::int64_t s;
  for (std::int64_t k = 0; k < axis.kernel; ++k)
    if (axis.at(k, r, s) && axis.inside(s)) rows.push_back({s, k});
}

// Rows that take about 20 us.
std::int64_t grain(const ConvProblem& p, std::int64_t rows) {
  return std::max<std::int64_t>(1, std::int64_t(4e5 / (p.flops() / double(rows) + 1)));
}

template <class T>
void gather(const ConvProblem& p, const T* source, const T* w, T* result, bool backward) {
  const Axis high(p, 1, backward), wide(p, 2, backward);
  const std::int64_t rows = p.n * high.results;
  parallel_for(rows, grain(p, rows), [&](std::int64_t begin, std::int64_t end) {
    std::vector<DepthwiseTap> of_row;
    for (std::int64_t r = begin; r < end; ++r) {
      row_taps(high, r % high.results, of_row);
      const T* from = source + r / high.results * high.sources * wide.sources * p.c;
      T* to = result + r * wide.results * p.c;
      each_run(wide, of_row, p.c, [&](std::int64_t first, std::int64_t count, const std::vector<DepthwiseTap>& taps) {
        loops<T>().apply(taps.data(), std::int64_t(taps.size()), count, p.c, from, wide.step() * p.c, w,
                         to + first * p.c, wide.phases() * p.c);
      });
    }
  });
}

// Sums of a row in registers, of 64 rows in `some`, of a thread in its part of `sums`.
template <class T>
void kernel_gradient(const ConvProblem& p, const T* x, T* dw, const T* dy) {
  const Axis high(p, 1, false), wide(p, 2, false);
  const std::int64_t rows = p.n * p.out[1], size = p.taps() * p.c;
  const std::int64_t parts = parallel_parts(rows, grain(p, rows));
  ConvScratch<T> sums(parts * size);
  parallel_for(parts, 1, [&](std::int64_t part, std::int64_t last_part) {
    ConvScratch<T> some(size);
    std::vector<DepthwiseTap> of_row;
    for (; part < last_part; ++part) {
      T* sum = sums.data() + part * size;
      std::fill_n(sum, size, T(0));
      const std::int64_t end = rows * (part + 1) / parts;
      for (std::int64_t r = rows * part / parts; r < end;) {
        std::fill_n(some.data(), size, T(0));
        for (const std::int64_t stop = std::min(end, r + 64); r < stop; ++r) {
          row_taps(high, r % p.out[1], of_row);
          const T *image = x + r / p.out[1] * p.in[1] * p.in[2] * p.c, *d = dy + r * p.out[2] * p.c;
          each_run(wide, of_row, p.c,
                   [&](std::int64_t first, std::int64_t count, const std::vector<DepthwiseTap>& taps) {
                     loops<T>().sum(taps.data(), std::int64_t(taps.size()), count, p.c, image, wide.step() * p.c,
                                    d + first * p.c, p.c, some.data());
                   });
        }
        for (std::int64_t i = 0; i < size; ++i) sum[i] += some.data()[i];
      }
    }
  });
  std::copy_n(sums.data(), size, dw);
  for (std::int64_t part = 1; part < parts; ++part)
    for (std::int64_t i = 0; i < size; ++i) dw[i] += sums.data()[part * size + i];
}

// Multiply-adds of whole vectors, rows, and pixels at the edges, which go alone.
double cost(const ConvProblem& p, ConvDirection d) {
  const ConvWork w(p);
  const bool back = d == ConvDirection::input_gradient;
  const std::int64_t channels = p.c < w.lanes ? p.c * w.lanes : round_up(p.c, w.lanes);  // one by one below a vector
  const double rows = double(p.n * (back ? p.in[1] : p.out[1]));
  const std::int64_t width = back ? p.in[2] : p.out[2], reach = (p.kernel[2] - 1) * p.dilation[2];
  const bool padded = back || p.before[2] > 0 || (p.out[2] - 1) * p.stride[2] + reach >= p.in[2];
  const double edges = rows * double(padded ? std::min(width, reach) : 0) * double(p.taps()),
               vectors = edges * double(channels) / double(w.lanes);
  const double terms = w.unit * w.pixels * double(p.taps() * channels),
               odd = p.c % w.lanes ? 1 : 0,  // loads cross lines
      skipped = w.strided(p) ? w.x : 0;
  if (d == ConvDirection::forward)
    return (2.1 + odd) * terms + 1.3 * edges + 2.2 * w.unit * 8 * vectors + 150 * rows + 0.3 * skipped + 1500;
  if (back) return (2.5 + 0.7 * odd) * terms + 1.2 * edges + w.unit * 8 * vectors + 95 * rows + 0.15 * skipped + 1500;
  return (1.9 + 0.5 * odd) * terms + 0.7 * edges + 5.9 * w.unit * 8 * vectors + (padded ? 300 : 110) * rows +
         0.95 * rows * double(p.taps() * channels) / double(w.lanes) + 3700;
}

}  // namespace

const ConvEntry conv_depthwise = {
    ConvAlgorithm::depthwise,
    [](const ConvProblem& p, ConvDirection) -> std::string {
      if (p.groups != p.c || p.k != p.c) return "it takes one input and one output channel a group";
      if (p.kernel[0] != 1 || p.in[0] != 1 || p.out[0] != 1) return "it takes no depth";
      return "";
    },
    cost,
    [](const ConvProblem& p, ConvDirection d, const ConvBuffers& b) {
      run_typed(
          p, d, b, [&](auto* x, auto* w, auto* y) { gather(p, x, w, y, false); },
          [&](auto* x, auto* w, auto* y) { gather(p, y, w, x, true); },
          [&](auto* x, auto* w, auto* y) { kernel_gradient(p, x, w, y); });
    },
};

}  // namespace tapir::cpu
