// im2col: the patches of a run of output pixels as rows of a matrix, then a matrix product with the kernel. Patches are
// made for as many pixels as stay in the L2 cache.
#include <tapir/backends/cpu/conv_cost.h>
#include <tapir/backends/cpu/conv_cut.h>
#include <tapir/backends/cpu/conv_gemm.h>
#include <tapir/backends/cpu/isa.h>
#include <tapir/backends/cpu/onednn.h>
#include <tapir/backends/cpu/parallel.h>

#include <algorithm>
#include <cstring>

namespace tapir::cpu {
namespace {

const ConvGemms& gemms() {
#if TAPIR_TOP_ISA >= 4
  if (isa() == Isa::v4) return v4::conv_gemms;
#endif
#if TAPIR_TOP_ISA >= 3
  if (isa() >= Isa::v3) return v3::conv_gemms;
#endif
  return v2::conv_gemms;
}

#ifdef TAPIR_ONEDNN
void onednn_gemm(bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, const float* a, std::int64_t lda,
                 const float* b, std::int64_t ldb, bool add, float* c, std::int64_t ldc) {
  onednn::sgemm(ta, tb, m, n, k, a, lda, b, ldb, add ? 1.0f : 0.0f, c, ldc);
}
#endif

template <class T>
ConvGemm<T> gemm() {
  if constexpr (std::is_same_v<T, double>) return gemms().f64;
#ifdef TAPIR_ONEDNN
  else return onednn_gemm;
#else
  else return gemms().f32;
#endif
}

// Walks the patches of one group, row by row. Patch row: [taps, cg].
template <class T>
struct Patches {
  const ConvProblem& p;
  std::int64_t group;
  std::int64_t width() const { return p.taps() * p.cg(); }
  // Rows that fit in about half an L2 cache; enough for the product to be worth its packing.
  std::int64_t rows_at_once() const {
    return std::max<std::int64_t>(64, (256 << 10) / (width() * std::int64_t(sizeof(T))));
  }

  // Calls f(patch offset, input offset or -1, count) for the runs of channels of output pixel `row` of all images.
  template <class F>
  void runs(std::int64_t row, F&& f) const {
    const std::int64_t cg = p.cg(), image = row / p.out_pixels(), o = row % p.out_pixels();
    std::int64_t at[3] = {o / (p.out[1] * p.out[2]), o / p.out[2] % p.out[1], o % p.out[2]}, start[3];
    for (int d = 0; d < 3; ++d) start[d] = at[d] * p.stride[d] - p.before[d];
    const bool whole = p.groups == 1 && p.dilation[2] == 1 && start[2] >= 0 && start[2] + p.kernel[2] <= p.in[2];
    std::int64_t to = 0;
    for (std::int64_t kd = 0; kd < p.kernel[0]; ++kd)
      for (std::int64_t kh = 0; kh < p.kernel[1]; ++kh) {
        std::int64_t d = start[0] + kd * p.dilation[0], h = start[1] + kh * p.dilation[1];
        const bool inside = d >= 0 && d < p.in[0] && h >= 0 && h < p.in[1];
        const std::int64_t line = ((image * p.in[0] + d) * p.in[1] + h) * p.in[2], count = p.kernel[2] * cg;
        if (!inside || whole) {
          f(to, inside ? (line + start[2]) * p.c + group * cg : -1, count);
          to += count;
          continue;
        }
        for (std::int64_t kw = 0; kw < p.kernel[2]; ++kw, to += cg) {
          std::int64_t w = start[2] + kw * p.dilation[2];
          f(to, w >= 0 && w < p.in[2] ? (line + w) * p.c + group * cg : -1, cg);
        }
      }
  }
  void gather(const T* x, std::int64_t begin, std::int64_t end, T* cols) const {
    for (std::int64_t r = begin; r < end; ++r, cols += width())
      runs(r, [&](std::int64_t to, std::int64_t from, std::int64_t n) {
        if (from < 0) std::fill_n(cols + to, n, T(0));
        else if (n < 16) std::copy_n(x + from, n, cols + to);
        else std::memcpy(cols + to, x + from, std::size_t(n) * sizeof(T));
      });
  }
  void scatter_add(const T* cols, std::int64_t begin, std::int64_t end, T* dx) const {
    for (std::int64_t r = begin; r < end; ++r, cols += width())
      runs(r, [&](std::int64_t from, std::int64_t to, std::int64_t n) {
        if (to < 0) return;
        for (std::int64_t i = 0; i < n; ++i) dx[to + i] += cols[from + i];
      });
  }
};

// Rows of output pixels that take about 20 us.
std::int64_t grain(const ConvProblem& p) {
  return std::max<std::int64_t>(1, std::int64_t(4e5 / (p.flops() / double(p.n * p.out_pixels()) + 1)));
}

template <class T>
void forward(const ConvProblem& p, const T* x, const T* w, T* y, const ConvBuffers& b) {
  parallel_for(p.n * p.out_pixels(), grain(p), [&](std::int64_t first, std::int64_t last) {
    Patches<T> patches{p, 0};
    const std::int64_t width = patches.width(), step = patches.rows_at_once();
    ConvScratch<T> cols(std::min(step, last - first) * width);
    for (; patches.group < p.groups; ++patches.group)
      for (std::int64_t r = first; r < last; r += step) {
        const std::int64_t rows = std::min(step, last - r), g = patches.group;
        patches.gather(x, r, r + rows, cols.data());
        gemm<T>()(false, false, rows, p.kg(), width, cols.data(), width, w + g * p.kg(), p.k, false,
                  y + r * p.k + g * p.kg(), p.k);
        if (g + 1 == p.groups) b.ready(r * p.k, rows * p.k);
      }
  });
}

template <class T>
void input_gradient(const ConvProblem& p, T* dx, const T* w, const T* dy) {
  const std::int64_t pixels = p.out_pixels();
  parallel_for(p.n, std::max<std::int64_t>(1, grain(p) / pixels), [&](std::int64_t first, std::int64_t last) {
    Patches<T> patches{p, 0};
    const std::int64_t width = patches.width(), step = std::min(patches.rows_at_once(), pixels);
    const std::int64_t image = p.in_pixels() * p.c;
    ConvScratch<T> cols(step * width);
    std::fill_n(dx + first * image, (last - first) * image, T(0));
    for (; patches.group < p.groups; ++patches.group)
      for (std::int64_t r = first * pixels; r < last * pixels; r += step) {
        const std::int64_t rows = std::min(step, last * pixels - r), g = patches.group;
        gemm<T>()(false, true, rows, width, p.kg(), dy + r * p.k + g * p.kg(), p.k, w + g * p.kg(), p.k, false,
                  cols.data(), width);
        patches.scatter_add(cols.data(), r, r + rows, dx);
      }
  });
}

// A sum for each part, then the sum of the sums.
template <class T>
void kernel_gradient(const ConvProblem& p, const T* x, T* dw, const T* dy) {
  const std::int64_t total = p.n * p.out_pixels(), size = p.taps() * p.cg() * p.k;
  const std::int64_t parts = std::min(parallel_parts(total, grain(p)), most_kernel_sums(p));
  ConvScratch<T> partial((parts - 1) * size);
  parallel_for(parts, 1, [&](std::int64_t part, std::int64_t last_part) {
    for (; part < last_part; ++part) {
      T* sum = part == 0 ? dw : partial.data() + (part - 1) * size;
      const std::int64_t first = total * part / parts, last = total * (part + 1) / parts;
      Patches<T> patches{p, 0};
      const std::int64_t width = patches.width(), step = patches.rows_at_once();
      ConvScratch<T> cols(std::min(step, last - first) * width);
      for (; patches.group < p.groups; ++patches.group)
        for (std::int64_t r = first; r < last; r += step) {
          const std::int64_t rows = std::min(step, last - r), g = patches.group;
          patches.gather(x, r, r + rows, cols.data());
          gemm<T>()(true, false, width, p.kg(), rows, cols.data(), width, dy + r * p.k + g * p.kg(), p.k, r != first,
                    sum + g * p.kg(), p.k);
        }
    }
  });
  add_kernel_sums(dw, partial.data(), parts - 1, size);
}

// Multiply-adds, and the runs of channels that patches are made of.
double cost(const ConvProblem& p, ConvDirection d) {
  const ConvWork w(p);
  const bool in_rows = p.groups == 1 && p.dilation[2] == 1;  // a row of a patch is one run
  const double runs = w.pixels * double(p.groups * (in_rows ? p.taps() / p.kernel[2] : p.taps()));
  const std::int64_t width = p.taps() * p.cg();
  const double filters =
      double(round_up(std::max(p.kg(), 2 * w.lanes), w.lanes)) + 0.75 * double(w.lanes);  // few are slow
  const double terms = 0.98 * w.unit * w.pixels * double(p.groups) * filters;
  const double rows = w.pixels * double(p.groups);
  // oneDNN packs the kernel for each product.
  const double packed = 0.5 * double(width * p.kg()) * rows / double(Patches<float>{p, 0}.rows_at_once());
  if (d == ConvDirection::forward)
    return (w.avx512 ? 0.8 : 1) *
               ((p.taps() == 1 ? 1.5 : 1.0) * terms * double(width) + packed + 3.4 * runs + 16 * rows) +
           350;
  if (d == ConvDirection::kernel_gradient)
    return terms * double(round_up(width, w.lanes)) + 0.07 * w.patches + 3.1 * runs + 12 * rows + 400;
  return 1.05 * terms * double(width) + 0.036 * w.patches + 3 * runs + 24 * rows + 0.1 * (w.x + w.kernel) + 430;
}

}  // namespace

const ConvEntry conv_im2col = {
    ConvAlgorithm::im2col,
    [](const ConvProblem&, ConvDirection) { return std::string(); },
    cost,
    [](const ConvProblem& p, ConvDirection d, const ConvBuffers& b) {
      run_typed(
          p, d, b, [&](auto* x, auto* w, auto* y) { forward(p, x, w, y, b); },
          [&](auto* x, auto* w, auto* y) { input_gradient(p, x, w, y); },
          [&](auto* x, auto* w, auto* y) { kernel_gradient(p, x, w, y); });
    },
    true,
};

}  // namespace tapir::cpu
