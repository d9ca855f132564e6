// One convolution as the algorithms see it, and the ordered lists of algorithms; conv.cpp chooses among them.
#pragma once
#include <tapir/backends/cpu/epilogue.h>
#include <tapir/ops/conv_attrs.h>

namespace tapir::cpu {

/// Spatial ranks 1 and 2 are written as 3, with leading sizes of 1. Memory is dense: x [N, in..., C],
/// kernel [kernel..., C / groups, K], y [N, out..., K].
struct ConvProblem {
  std::int64_t n, c, k, groups;
  std::int64_t in[3], kernel[3], out[3], stride[3], dilation[3], before[3];
  DType dtype;
  Precision precision = Precision::highest;  // what this machine can make of the one asked for

  std::int64_t cg() const { return c / groups; }  // input channels of a group
  std::int64_t kg() const { return k / groups; }  // output channels of a group
  std::int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  std::int64_t in_pixels() const { return in[0] * in[1] * in[2]; }
  std::int64_t out_pixels() const { return out[0] * out[1] * out[2]; }
  double flops() const { return 2.0 * double(n * out_pixels()) * double(taps() * cg() * k); }
  /// A 1x1 kernel whose patches are x itself.
  bool pointwise() const;
  friend bool operator==(const ConvProblem&, const ConvProblem&) = default;
};
ConvProblem conv_problem(const Shape& x, const Shape& kernel, const Shape& y, const ConvAttrs& a, DType dtype);

/// The dense operands of the three directions; the one that the direction computes is written.
struct ConvBuffers {
  void *x, *kernel, *y;
  std::uint64_t kernel_id = 0;      // of the kernel's value, for caches of packed kernels; 0: unknown
  const Epilogue* after = nullptr;  // forward, and ConvEntry::in_pieces: to be called on pieces of y as they are ready
  void ready(std::int64_t begin, std::int64_t count) const {
    if (after) (*after)(begin, count);
  }
};

/// Uninitialised working memory of one call, from tapir's allocator.
template <class T>
class ConvScratch {
 public:
  explicit ConvScratch(std::int64_t count)
      : bytes_(std::size_t(count) * sizeof(T)),
        data_(bytes_ ? static_cast<T*>(tapir::detail::allocate_bytes(bytes_)) : nullptr) {}
  ~ConvScratch() {
    if (data_) tapir::detail::free_bytes(data_, bytes_);
  }
  ConvScratch(const ConvScratch&) = delete;
  ConvScratch& operator=(const ConvScratch&) = delete;
  T* data() const { return data_; }

 private:
  std::size_t bytes_;
  T* data_;
};

struct ConvEntry {
  ConvAlgorithm algorithm;
  /// Empty if it can compute the problem, else why not.
  std::string (*refuses)(const ConvProblem& p, ConvDirection d);
  /// The nanoseconds that it is expected to take on one thread, if it can. A forward kernel is expected to come again.
  double (*cost)(const ConvProblem& p, ConvDirection d);
  void (*run)(const ConvProblem& p, ConvDirection d, const ConvBuffers& b);
  bool in_pieces = false;  // its forward calls ConvBuffers::ready
};

/// Calls the function of the direction with x, kernel and y, as float* or double*.
template <class Forward, class InputGradient, class KernelGradient>
void run_typed(const ConvProblem& p, ConvDirection d, const ConvBuffers& b, Forward&& forward,
               InputGradient&& input_gradient, KernelGradient&& kernel_gradient) {
  auto run = [&](auto zero) {
    using T = decltype(zero);
    auto *x = static_cast<T*>(b.x), *w = static_cast<T*>(b.kernel), *y = static_cast<T*>(b.y);
    if (d == ConvDirection::forward) forward(x, w, y);
    else if (d == ConvDirection::input_gradient) input_gradient(x, w, y);
    else kernel_gradient(x, w, y);
  };
  p.dtype == DType::f64 ? run(double{}) : run(float{});
}

/// The last one refuses nothing.
std::span<const ConvEntry* const> conv_entries();
/// The entry of that name; null if this build has none.
const ConvEntry* find_conv_entry(ConvAlgorithm algorithm);
/// `forced` if it can, else the one of those that can which is expected to take the least time.
const ConvEntry& choose_conv(const ConvProblem& p, ConvDirection d, ConvAlgorithm forced);

extern const ConvEntry conv_small_channels, conv_depthwise, conv_winograd, conv_direct, conv_bf16, conv_gemm_1x1,
    conv_im2col, conv_reference;

}  // namespace tapir::cpu
