#include <tapir/backends/cpu/conv_cut.h>
#include <tapir/backends/cpu/parallel.h>

#include <algorithm>

namespace tapir::cpu {

// What one step along dimension d skips.
static std::int64_t pixels_below(const std::int64_t* sizes, int d) {
  std::int64_t n = 1;
  for (int i = d + 1; i < 3; ++i) n *= sizes[i];
  return n;
}

static std::int64_t extent(const ConvProblem& p, int d) { return (p.kernel[d] - 1) * p.dilation[d] + 1; }

ConvCut::ConvCut(const ConvProblem& p, ConvDirection d, std::int64_t wanted)
    : p_(p), of_input_(d == ConvDirection::input_gradient), parts_(std::clamp<std::int64_t>(p.n, 1, wanted)) {
  if (p.n >= wanted) return;
  while (dim_ < 2 && p.in[dim_] == 1 && p.out[dim_] == 1 && p.kernel[dim_] == 1) ++dim_;
  const std::int64_t reach = extent(p, dim_), stride = p.stride[dim_];
  // Each window sees some of x, and where parts of x are written windows leave no gaps: every part is a convolution.
  if (p.before[dim_] >= reach || (p.out[dim_] - 1) * stride - p.before[dim_] >= p.in[dim_]) return;
  if (of_input_ && reach < stride) return;
  blocks_ = std::clamp<std::int64_t>((wanted + p.n - 1) / p.n, 1, std::max<std::int64_t>(1, rows() / (2 * stride)));
}

ConvPart ConvCut::part(std::int64_t i) const {
  ConvPart part{p_, 0, 0};
  ConvProblem& q = part.problem;
  const std::int64_t x_image = p_.in_pixels() * p_.c, y_image = p_.out_pixels() * p_.k;
  if (blocks_ == 1) {
    const std::int64_t first = p_.n * i / parts_;
    q.n = p_.n * (i + 1) / parts_ - first;
    part.x = first * x_image, part.y = first * y_image;
    return part;
  }
  const std::int64_t image = i / blocks_, block = i % blocks_;
  const std::int64_t reach = extent(p_, dim_), stride = p_.stride[dim_], before = p_.before[dim_];
  auto edge = [&](std::int64_t k) {
    const std::int64_t step = of_input_ ? stride : 1;
    return k == blocks_ ? rows() : rows() * k / blocks_ / step * step;
  };
  const std::int64_t a = edge(block), b = edge(block + 1);
  std::int64_t in = a, in_end = b, out = a, out_end = b;
  if (of_input_) {
    out = std::max<std::int64_t>(0, (a + before - reach + stride) / stride);  // rounded up; negative is 0 all the same
    out_end = std::min(p_.out[dim_], (b - 1 + before) / stride + 1);
    out_end = std::max(out, out_end);
  } else {
    in = std::max<std::int64_t>(0, a * stride - before);
    // With the rows that a stride skips after the last window: oneDNN's 1x1 convolutions want whole strides.
    in_end = std::min(p_.in[dim_], (b - 1) * stride - before + std::max(reach, stride));
  }
  q.n = 1;
  q.in[dim_] = in_end - in, q.out[dim_] = out_end - out;
  q.before[dim_] = in + before - out * stride;
  part.x = image * x_image + in * pixels_below(p_.in, dim_) * p_.c;
  part.y = image * y_image + out * pixels_below(p_.out, dim_) * p_.k;
  return part;
}

std::int64_t most_kernel_sums(const ConvProblem& p) {
  const std::int64_t size = p.taps() * p.cg() * p.k, pixels = p.n * p.out_pixels();
  return std::max<std::int64_t>(num_threads(), std::min(pixels / 512, (16 << 20) / std::max<std::int64_t>(size, 1)));
}

}  // namespace tapir::cpu
