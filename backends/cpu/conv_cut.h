// One convolution as several smaller ones that can be done at once: groups of images, or where images are few, blocks
// of rows of each. Images are dense, so that a part is a dense convolution of its own, with its own padding.
#pragma once
#include <tapir/backends/cpu/conv.h>
#include <tapir/backends/cpu/parallel.h>

namespace tapir::cpu {

struct ConvPart {
  ConvProblem problem;
  std::int64_t x, y;  // where it begins, in elements
};

class ConvCut {
 public:
  /// About `wanted` parts. Forward and kernel gradient: rows of y and what they read of x; input gradient: rows of x
  /// and what reaches them from y.
  ConvCut(const ConvProblem& p, ConvDirection d, std::int64_t wanted);
  std::int64_t parts() const { return blocks_ > 1 ? p_.n * blocks_ : parts_; }
  /// Of an input gradient, a part that nothing reaches has no rows of y (problem.out_pixels() is 0).
  ConvPart part(std::int64_t i) const;

 private:
  std::int64_t rows() const { return of_input_ ? p_.in[dim_] : p_.out[dim_]; }
  ConvProblem p_;
  bool of_input_;
  int dim_ = 0;                          // the outermost spatial dimension: where a block of rows is dense
  std::int64_t parts_ = 1, blocks_ = 1;  // of all images; of each image
};

/// In how many parts, each with a sum of its own, a kernel gradient is worth cutting: one a thread at least, and more
/// where adding them up is little beside the work and they take little memory.
std::int64_t most_kernel_sums(const ConvProblem& p);

/// Adds the sums of the other parts to that of the first one, in order. others: [count, size].
template <class T>
void add_kernel_sums(T* sum, const T* others, std::int64_t count, std::int64_t size) {
  parallel_for(size, 1 << 14, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = 0; part < count; ++part)
      for (std::int64_t i = begin; i < end; ++i) sum[i] += others[part * size + i];
  });
}

}  // namespace tapir::cpu
