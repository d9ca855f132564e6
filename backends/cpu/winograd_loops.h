// The inner loops of Winograd's convolutions, one set for each instruction set: transforms of tiles, with channels in
// SIMD lanes, and the product of small matrices between them. What surrounds them is in conv_winograd.cpp.
#pragma once
#include <tapir/backends/cpu/isa.h>

#include <cstdint>

namespace tapir::cpu {

/// to[i, j] = sum over r, s of M[i, r] M[j, s] from[r, s] for each of `channels`, where M is the matrix of the
/// transform; rows and columns are that many floats apart.
using WinogradTransform = void (*)(const float* from, std::int64_t from_row, std::int64_t from_column, float* to,
                                   std::int64_t to_row, std::int64_t to_column, std::int64_t channels);

/// For tiles of `size` by `size` outputs of a 3x3 kernel, which see `points` by `points` inputs. The image of the
/// output in the space of products is the product of those of input and kernel; the kernel's gradient likewise is that
/// of input and output gradient.
struct WinogradTransforms {
  int size, points;
  WinogradTransform input;            // [points, points] -> [points, points]
  WinogradTransform kernel;           // [3, 3] -> [points, points]
  WinogradTransform output;           // [points, points] -> [size, size]
  WinogradTransform output_gradient;  // [size, size] -> [points, points]
  WinogradTransform kernel_gradient;  // [points, points] -> [3, 3]
};

/// C[rows, width] = A[rows, depth] B[depth, width] (+ C if `add`), row-major. `next` is the B of the next call, or this
/// one's: it is asked into the cache meanwhile.
using WinogradProduct = void (*)(std::int64_t rows, std::int64_t depth, const float* a, std::int64_t lda,
                                 const float* b, std::int64_t ldb, bool add, float* c, std::int64_t ldc,
                                 const float* next);

struct WinogradLoops {
  std::int64_t width;  // of a panel of the product's columns
  WinogradTransforms two, four;
  WinogradProduct product, transposed_product;  // A stored [rows, depth], [depth, rows]
};
namespace v2 {
extern const WinogradLoops winograd_loops;
}
namespace v3 {
extern const WinogradLoops winograd_loops;
}
namespace v4 {
extern const WinogradLoops winograd_loops;
}

}  // namespace tapir::cpu
