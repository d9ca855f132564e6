// reference: plain loops with sums in f64. What the other algorithms are tested against, and what none of them can is
// computed by.
#include <tapir/backends/cpu/conv.h>
#include <tapir/backends/cpu/parallel.h>

#include <vector>

namespace tapir::cpu {
namespace {

// Calls f(tap, input pixel) for the taps of output pixel `o` that fall inside the input.
template <class F>
void each_tap(const ConvProblem& p, std::int64_t o, F&& f) {
  const std::int64_t at[3] = {o / (p.out[1] * p.out[2]), o / p.out[2] % p.out[1], o % p.out[2]};
  std::int64_t tap = 0;
  for (std::int64_t kd = 0; kd < p.kernel[0]; ++kd)
    for (std::int64_t kh = 0; kh < p.kernel[1]; ++kh)
      for (std::int64_t kw = 0; kw < p.kernel[2]; ++kw, ++tap) {
        const std::int64_t k[3] = {kd, kh, kw};
        std::int64_t pixel = 0;
        bool inside = true;
        for (int d = 0; d < 3; ++d) {
          std::int64_t i = at[d] * p.stride[d] + k[d] * p.dilation[d] - p.before[d];
          inside &= i >= 0 && i < p.in[d];
          pixel = pixel * p.in[d] + i;
        }
        if (inside) f(tap, pixel);
      }
}

template <class T>
void forward(const ConvProblem& p, const T* x, const T* w, T* y) {
  const std::int64_t cg = p.cg(), kg = p.kg(), pixels = p.out_pixels();
  parallel_for(p.n * pixels, 64, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> sum(std::size_t(p.k));
    for (std::int64_t i = begin; i < end; ++i) {
      const T* image = x + i / pixels * p.in_pixels() * p.c;
      std::fill(sum.begin(), sum.end(), 0.0);
      each_tap(p, i % pixels, [&](std::int64_t tap, std::int64_t pixel) {
        for (std::int64_t g = 0; g < p.groups; ++g)
          for (std::int64_t c = 0; c < cg; ++c) {
            const double v = image[pixel * p.c + g * cg + c];
            const T* row = w + (tap * cg + c) * p.k + g * kg;
            for (std::int64_t k = 0; k < kg; ++k) sum[std::size_t(g * kg + k)] += v * double(row[k]);
          }
      });
      for (std::int64_t k = 0; k < p.k; ++k) y[i * p.k + k] = T(sum[std::size_t(k)]);
    }
  });
}

template <class T>
void input_gradient(const ConvProblem& p, T* dx, const T* w, const T* dy) {
  const std::int64_t cg = p.cg(), kg = p.kg(), pixels = p.out_pixels(), image = p.in_pixels() * p.c;
  parallel_for(p.n, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> sum(static_cast<std::size_t>(image));
    for (std::int64_t n = begin; n < end; ++n) {
      std::fill(sum.begin(), sum.end(), 0.0);
      for (std::int64_t o = 0; o < pixels; ++o)
        each_tap(p, o, [&](std::int64_t tap, std::int64_t pixel) {
          for (std::int64_t g = 0; g < p.groups; ++g)
            for (std::int64_t c = 0; c < cg; ++c) {
              const T *row = w + (tap * cg + c) * p.k + g * kg, *d = dy + (n * pixels + o) * p.k + g * kg;
              double s = 0;
              for (std::int64_t k = 0; k < kg; ++k) s += double(row[k]) * double(d[k]);
              sum[std::size_t(pixel * p.c + g * cg + c)] += s;
            }
        });
      for (std::int64_t i = 0; i < image; ++i) dx[n * image + i] = T(sum[std::size_t(i)]);
    }
  });
}

template <class T>
void kernel_gradient(const ConvProblem& p, const T* x, T* dw, const T* dy) {
  const std::int64_t cg = p.cg(), kg = p.kg(), pixels = p.out_pixels();
  parallel_for(p.groups, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> sum(std::size_t(p.taps() * cg * kg));
    for (std::int64_t g = begin; g < end; ++g) {
      std::fill(sum.begin(), sum.end(), 0.0);
      for (std::int64_t i = 0; i < p.n * pixels; ++i)
        each_tap(p, i % pixels, [&](std::int64_t tap, std::int64_t pixel) {
          for (std::int64_t c = 0; c < cg; ++c) {
            const double v = x[(i / pixels * p.in_pixels() + pixel) * p.c + g * cg + c];
            for (std::int64_t k = 0; k < kg; ++k)
              sum[std::size_t((tap * cg + c) * kg + k)] += v * double(dy[i * p.k + g * kg + k]);
          }
        });
      for (std::int64_t r = 0; r < p.taps() * cg; ++r)
        for (std::int64_t k = 0; k < kg; ++k) dw[r * p.k + g * kg + k] = T(sum[std::size_t(r * kg + k)]);
    }
  });
}

}  // namespace

const ConvEntry conv_reference = {
    ConvAlgorithm::reference,
    [](const ConvProblem&, ConvDirection) { return std::string(); },
    [](const ConvProblem& p, ConvDirection) { return 1e3 + 2 * p.flops(); },
    [](const ConvProblem& p, ConvDirection d, const ConvBuffers& b) {
      run_typed(
          p, d, b, [&](auto* x, auto* w, auto* y) { forward(p, x, w, y); },
          [&](auto* x, auto* w, auto* y) { input_gradient(p, x, w, y); },
          [&](auto* x, auto* w, auto* y) { kernel_gradient(p, x, w, y); });
    },
};

}  // namespace tapir::cpu
