// gemm_1x1: a 1x1 kernel multiplies the pixels of x as they lie, or those that its strides leave.
#include <tapir/backends/cpu/conv_cost.h>
#include <tapir/backends/cpu/conv_cut.h>
#include <tapir/backends/cpu/gemm.h>
#include <tapir/backends/cpu/parallel.h>

#include <algorithm>

namespace tapir::cpu {
namespace {

// Rows of output pixels that take about 20 us.
std::int64_t grain(const ConvProblem& p) {
  return std::max<std::int64_t>(1, std::int64_t(8e5 / (p.flops() / double(p.n * p.out_pixels()) + 1)));
}

bool unit_strides(const ConvProblem& p) {
  return p.stride[0] == 1 && p.stride[1] == 1 && p.stride[2] == 1 && p.pointwise();
}

// Calls f(input pixel, output pixel) for output pixels [first, last) of all images.
template <class F>
void each_pixel(const ConvProblem& p, std::int64_t first, std::int64_t last, F&& f) {
  for (std::int64_t r = first; r < last;) {
    const std::int64_t line = r / p.out[2], image = line / (p.out[0] * p.out[1]);
    const std::int64_t d = line / p.out[1] % p.out[0] * p.stride[0], h = line % p.out[1] * p.stride[1];
    const std::int64_t from = ((image * p.in[0] + d) * p.in[1] + h) * p.in[2];
    for (std::int64_t w = r % p.out[2]; w < p.out[2] && r < last; ++w, ++r) f(from + w * p.stride[2], r);
  }
}

// Output pixels [first, last) of x, where they lie or gathered into `memory`.
template <class T>
const T* pixels(const ConvProblem& p, const T* x, std::int64_t first, std::int64_t last, T* memory) {
  if (unit_strides(p)) return x + first * p.c;
  each_pixel(p, first, last,
             [&](std::int64_t in, std::int64_t out) { std::copy_n(x + in * p.c, p.c, memory + (out - first) * p.c); });
  return memory;
}

// f(first, last) for runs of output pixels on the threads.
template <class F>
void by_rows(const ConvProblem& p, F&& f) {
  constexpr std::int64_t at_once = 512;
  parallel_for(p.n * p.out_pixels(), grain(p), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; r += at_once) f(r, std::min(r + at_once, end));
  });
}

// Few rows are better cut by channels too.
bool few_rows(const ConvProblem& p) {
  return p.groups == 1 && unit_strides(p) &&
         p.n * p.out_pixels() < 128 * parallel_parts(p.n * p.out_pixels(), grain(p));
}

template <class T>
void forward(const ConvProblem& p, const T* x, const T* w, T* y, const ConvBuffers& b) {
  auto product = [&](std::int64_t rows, std::int64_t g, const T* from, T* to) {
    return Gemm{rows, p.kg(), p.cg(), from + g * p.cg(), false, p.c, w + g * p.kg(), false, p.k, to + g * p.kg(), p.k};
  };
  if (few_rows(p)) {
    const std::int64_t rows = p.n * p.out_pixels();
    gemm_shared(product(rows, 0, x, y), p.dtype);
    return b.ready(0, rows * p.k);
  }
  by_rows(p, [&](std::int64_t first, std::int64_t last) {
    ConvScratch<T> memory(unit_strides(p) ? 0 : (last - first) * p.c);
    const T* from = pixels(p, x, first, last, memory.data());
    for (std::int64_t g = 0; g < p.groups; ++g) gemm_here(product(last - first, g, from, y + first * p.k), p.dtype);
    b.ready(first * p.k, (last - first) * p.k);
  });
}

template <class T>
void input_gradient(const ConvProblem& p, T* dx, const T* w, const T* dy) {
  auto product = [&](std::int64_t rows, std::int64_t g, const T* from, T* to) {
    return Gemm{rows, p.cg(), p.kg(), from + g * p.kg(), false, p.k, w + g * p.kg(), true, p.k, to + g * p.cg(), p.c};
  };
  if (few_rows(p)) return gemm_shared(product(p.n * p.out_pixels(), 0, dy, dx), p.dtype);
  const bool plain = unit_strides(p);
  if (!plain) {
    const std::int64_t size = p.n * p.in_pixels() * p.c;
    parallel_for(size, 1 << 16, [&](std::int64_t begin, std::int64_t end) { std::fill(dx + begin, dx + end, T(0)); });
  }
  by_rows(p, [&](std::int64_t first, std::int64_t last) {
    ConvScratch<T> memory(plain ? 0 : (last - first) * p.c);
    T* to = plain ? dx + first * p.c : memory.data();
    for (std::int64_t g = 0; g < p.groups; ++g) gemm_here(product(last - first, g, dy + first * p.k, to), p.dtype);
    if (!plain)
      each_pixel(p, first, last,
                 [&](std::int64_t in, std::int64_t out) { std::copy_n(to + (out - first) * p.c, p.c, dx + in * p.c); });
  });
}

// A sum for each part, then the sum of the sums.
template <class T>
void kernel_gradient(const ConvProblem& p, const T* x, T* dw, const T* dy) {
  const std::int64_t rows = p.n * p.out_pixels(), size = p.cg() * p.k;
  const std::int64_t parts = std::min(parallel_parts(rows, grain(p)), most_kernel_sums(p));
  ConvScratch<T> others((parts - 1) * size);
  parallel_for(parts, 1, [&](std::int64_t part, std::int64_t end) {
    for (; part < end; ++part) {
      const std::int64_t first = rows * part / parts, last = rows * (part + 1) / parts;
      ConvScratch<T> memory(unit_strides(p) ? 0 : (last - first) * p.c);
      const T* from = pixels(p, x, first, last, memory.data());
      T* sum = part ? others.data() + (part - 1) * size : dw;
      for (std::int64_t g = 0; g < p.groups; ++g)
        gemm_here({p.cg(), p.kg(), last - first, from + g * p.cg(), true, p.c, dy + first * p.k + g * p.kg(), false,
                   p.k, sum + g * p.kg(), p.k},
                  p.dtype);
    }
  });
  add_kernel_sums(dw, others.data(), parts - 1, size);
}

double cost(const ConvProblem& p, ConvDirection d) {
  const ConvWork w(p);
  const double terms = w.unit * w.pixels * double(p.groups * round_up(p.cg(), w.lanes) * round_up(p.kg(), w.lanes));
  const double rows = w.pixels * double(p.groups), copied = w.strided(p) ? w.pixels * double(p.c) : 0;
  // oneDNN packs the kernel for each product, on each thread.
  const double packed = 1.1 * w.kernel * double(parallel_parts(std::int64_t(w.pixels), grain(p)));
  if (d == ConvDirection::forward)
    return (w.avx512 ? 0.75 : 1) *
               (1.12 * terms + packed + 6.2 * rows + 0.07 * (w.pixels * double(p.c) + w.y + copied)) +
           900;
  if (d == ConvDirection::kernel_gradient) return 1.02 * terms + (p.groups > 1 ? 6 : 1.5) * rows + 0.23 * copied + 1600;
  return 0.96 * terms + 6 * rows + (w.strided(p) ? 0.13 * w.x : 0) + 770;
}

}  // namespace

const ConvEntry conv_gemm_1x1 = {
    ConvAlgorithm::gemm_1x1,
    [](const ConvProblem& p, ConvDirection) -> std::string {
      for (int d = 0; d < 3; ++d) {
        if (p.kernel[d] != 1) return "it takes 1x1 kernels";
        if (p.before[d] != 0 || (p.out[d] - 1) * p.stride[d] >= p.in[d]) return "it takes no padding";
      }
      return "";
    },
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
