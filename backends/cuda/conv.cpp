// Convolutions in all directions as products by cuBLAS: patches become rows of a matrix (im2col), of as many images as
// fit a bounded piece of memory; an input gradient is gathered from such rows. All groups are one batch of products.
#include <tapir/backends/cpu/conv.h>
#include <tapir/backends/cuda/copy.h>
#include <tapir/backends/cuda/gemm.h>
#include <tapir/backends/cuda/kernels.h>
#include <tapir/backends/cuda/launch.h>

namespace tapir::cuda {
namespace {

using cpu::ConvProblem;

constexpr std::int64_t kMostColumns = 64 << 20;  // elements of the matrix of patches

// The convolution without what a kernel has no use for.
struct Geometry {
  std::int64_t c, groups, in[3], kernel[3], out[3], stride[3], dilation[3], before[3];
  explicit Geometry(const ConvProblem& p) : c(p.c), groups(p.groups) {
    for (int d = 0; d < 3; ++d) {
      in[d] = p.in[d], kernel[d] = p.kernel[d], out[d] = p.out[d];
      stride[d] = p.stride[d], dilation[d] = p.dilation[d], before[d] = p.before[d];
    }
  }
};

// columns: [groups, images * out pixels, taps * channels of a group]; element i of it.
template <class T>
struct Patches {
  const T* x;
  T* columns;
  Geometry g;
  std::int64_t rows;  // images * out pixels
  TAPIR_HD void operator()(std::int64_t i) const {
    const std::int64_t cg = g.c / g.groups, channel = i % cg;
    std::int64_t rest = i / cg, at[3], tap[3];
    for (int d = 2; d >= 0; --d) tap[d] = rest % g.kernel[d], rest /= g.kernel[d];
    const std::int64_t row = rest % rows, group = rest / rows;
    rest = row;
    for (int d = 2; d >= 0; --d) at[d] = rest % g.out[d], rest /= g.out[d];
    std::int64_t pixel = rest;  // the image
    bool inside = true;
    for (int d = 0; d < 3; ++d) {
      const std::int64_t k = at[d] * g.stride[d] + tap[d] * g.dilation[d] - g.before[d];
      inside &= k >= 0 && k < g.in[d];
      pixel = pixel * g.in[d] + k;
    }
    columns[i] = inside ? x[pixel * g.c + group * cg + channel] : T(0);
  }
};

// dx of some images, from the gradients of their patches.
template <class T>
struct FromPatches {
  const T* columns;
  T* dx;
  Geometry g;
  std::int64_t rows;
  TAPIR_HD void operator()(std::int64_t i) const {
    const std::int64_t cg = g.c / g.groups, channel = i % g.c, taps = g.kernel[0] * g.kernel[1] * g.kernel[2];
    std::int64_t rest = i / g.c, at[3];
    for (int d = 2; d >= 0; --d) at[d] = rest % g.in[d], rest /= g.in[d];
    const std::int64_t image = rest, group = channel / cg;
    double sum = 0;
    for (std::int64_t t = 0; t < taps; ++t) {
      std::int64_t tap[3] = {t / (g.kernel[1] * g.kernel[2]), t / g.kernel[2] % g.kernel[1], t % g.kernel[2]};
      std::int64_t row = image;
      bool meets = true;
      for (int d = 0; d < 3; ++d) {
        const std::int64_t k = at[d] + g.before[d] - tap[d] * g.dilation[d], o = k / g.stride[d];
        meets &= k >= 0 && k % g.stride[d] == 0 && o < g.out[d];
        row = row * g.out[d] + o;
      }
      if (meets) sum += double(columns[((group * rows + row) * taps + t) * cg + channel % cg]);
    }
    dx[i] = T(sum);
  }
};

// The products of one direction, a few images at a time. x, kernel, y: one of them is written.
template <class T>
struct Products {
  ConvProblem p;
  Geometry g;
  const std::int64_t row_size, images;
  Scratch memory;
  T* columns;

  explicit Products(const ConvProblem& problem)
      : p(problem),
        g(problem),
        row_size(p.taps() * p.cg()),
        images(std::clamp<std::int64_t>(kMostColumns / std::max<std::int64_t>(1, size_of_image()), 1,
                                        std::max<std::int64_t>(p.n, 1))),
        memory(std::size_t(images * size_of_image()) * sizeof(T)),
        columns(static_cast<T*>(memory.data())) {}
  std::int64_t size_of_image() const { return p.out_pixels() * p.taps() * p.c; }
  std::int64_t rows(std::int64_t n) const { return n * p.out_pixels(); }

  // body(first image, how many)
  template <class F>
  void pieces(F&& body) const {
    for (std::int64_t n = 0; n < p.n; n += images) body(n, std::min(images, p.n - n));
  }
  void make_patches(const T* x, std::int64_t first, std::int64_t n) const {
    launch(n * size_of_image(), Patches<T>{x + first * p.in_pixels() * p.c, columns, g, rows(n)});
  }
  Gemm product() const { return {.dtype = dtype_of<T>(), .precision = p.precision, .count = p.groups}; }

  // y [rows, K] = columns [rows, row] kernel [row, K], group by group
  void forward(const T* x, const T* kernel, T* y) const {
    pieces([&](std::int64_t first, std::int64_t n) {
      make_patches(x, first, n);
      Gemm m = product();
      m.m = rows(n), m.n = p.kg(), m.k = row_size;
      m.a = columns, m.transpose_a = false, m.lda = row_size, m.stride_a = rows(n) * row_size;
      m.b = kernel, m.transpose_b = false, m.ldb = p.k, m.stride_b = p.kg();
      m.c = y + first * p.out_pixels() * p.k, m.ldc = p.k, m.stride_c = p.kg();
      gemm(m);
    });
  }
  // columns = dy kernel^T, gathered into dx
  void input_gradient(T* dx, const T* kernel, const T* dy) const {
    pieces([&](std::int64_t first, std::int64_t n) {
      Gemm m = product();
      m.m = rows(n), m.n = row_size, m.k = p.kg();
      m.a = dy + first * p.out_pixels() * p.k, m.transpose_a = false, m.lda = p.k, m.stride_a = p.kg();
      m.b = kernel, m.transpose_b = true, m.ldb = p.k, m.stride_b = p.kg();
      m.c = columns, m.ldc = row_size, m.stride_c = rows(n) * row_size;
      gemm(m);
      const std::int64_t image = p.in_pixels() * p.c;
      launch(n * image, FromPatches<T>{columns, dx + first * image, g, rows(n)});
    });
  }
  // dkernel = the sum of columns^T dy
  void kernel_gradient(const T* x, T* dkernel, const T* dy) const {
    clear(dkernel, std::size_t(row_size * p.k) * sizeof(T));
    pieces([&](std::int64_t first, std::int64_t n) {
      make_patches(x, first, n);
      Gemm m = product();
      m.m = row_size, m.n = p.kg(), m.k = rows(n), m.beta = 1;
      m.a = columns, m.transpose_a = true, m.lda = row_size, m.stride_a = rows(n) * row_size;
      m.b = dy + first * p.out_pixels() * p.k, m.transpose_b = false, m.ldb = p.k, m.stride_b = p.kg();
      m.c = dkernel, m.ldc = p.k, m.stride_c = p.kg();
      if (m.k) gemm(m);
    });
  }
};

template <class Run>
void with_products(const Shape& x, const Shape& kernel, const Shape& y, const Call& call, Run&& run) {
  const auto& a = call.attrs.as<ConvAttrs>();
  ConvProblem p = cpu::conv_problem(x, kernel, y, a, call.out[0].dtype());
  p.precision = a.precision;  // what the CPU makes of it means nothing here
  if (call.out[0].size() == 0) return;
  if (p.n == 0 || p.out_pixels() == 0 || p.c == 0 || p.k == 0)
    return clear(call.out[0].mutable_data<std::byte>(), std::size_t(call.out[0].size()) * size_of(call.out[0].dtype()));
  if (p.dtype == DType::f64) run(Products<double>(p), double{});
  else run(Products<float>(p), float{});
}

void conv(const Call& call) {
  const Tensor &x = call.in[0], &kernel = call.in[1], &y = call.out[0];
  with_products(x.shape(), kernel.shape(), y.shape(), call, [&](const auto& products, auto t) {
    using T = decltype(t);
    products.forward(x.data<T>(), kernel.data<T>(), y.mutable_data<T>());
  });
}
void conv_input_gradient(const Call& call) {
  const Tensor &dy = call.in[0], &kernel = call.in[1], &dx = call.out[0];
  with_products(dx.shape(), kernel.shape(), dy.shape(), call, [&](const auto& products, auto t) {
    using T = decltype(t);
    products.input_gradient(dx.mutable_data<T>(), kernel.data<T>(), dy.data<T>());
  });
}
void conv_kernel_gradient(const Call& call) {
  const Tensor &x = call.in[0], &dy = call.in[1], &dkernel = call.out[0];
  with_products(x.shape(), dkernel.shape(), dy.shape(), call, [&](const auto& products, auto t) {
    using T = decltype(t);
    products.kernel_gradient(x.data<T>(), dkernel.mutable_data<T>(), dy.data<T>());
  });
}

}  // namespace

void list_conv(KernelList& out) {
  const NamedKernel all[] = {
      {"conv", conv}, {"conv_input_gradient", conv_input_gradient}, {"conv_kernel_gradient", conv_kernel_gradient}};
  out.insert(out.end(), std::begin(all), std::end(all));
}

}  // namespace tapir::cuda
