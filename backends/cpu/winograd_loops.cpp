#include <tapir/backends/cpu/register_blocks.h>
#include <tapir/backends/cpu/vec.h>
#include <tapir/backends/cpu/winograd_loops.h>

namespace tapir::cpu::TAPIR_ISA {
namespace {

constexpr int lanes = vec_bytes / int(sizeof(float));

#define INLINE inline __attribute__((always_inline))

// Polynomials of degree 3 from their values at 0, 1, -1 and the leading coefficient.
struct Input2 {
  static constexpr int from = 4, to = 4;
  template <class V>
  static INLINE void apply(const V* x, V* t) {
    t[0] = x[0] - x[2], t[1] = x[2] + x[1], t[2] = x[2] - x[1], t[3] = x[3] - x[1];
  }
};
struct Kernel2 {
  static constexpr int from = 3, to = 4;
  template <class V>
  static INLINE void apply(const V* w, V* t) {
    const V even = 0.5f * (w[0] + w[2]), odd = 0.5f * w[1];
    t[0] = w[0], t[1] = even + odd, t[2] = even - odd, t[3] = w[2];
  }
};
struct Output2 {
  static constexpr int from = 4, to = 2;
  template <class V>
  static INLINE void apply(const V* t, V* y) {
    y[0] = t[0] + (t[1] + t[2]), y[1] = (t[1] - t[2]) + t[3];
  }
};
struct OutputGradient2 {
  static constexpr int from = 2, to = 4;
  template <class V>
  static INLINE void apply(const V* y, V* t) {
    const V even = 0.5f * y[0], odd = 0.5f * y[1];
    t[0] = y[0], t[1] = even + odd, t[2] = even - odd, t[3] = y[1];
  }
};
struct KernelGradient2 {
  static constexpr int from = 4, to = 3;
  template <class V>
  static INLINE void apply(const V* t, V* w) {
    const V even = t[1] + t[2];
    w[0] = t[0] + even, w[1] = t[1] - t[2], w[2] = even + t[3];
  }
};

// Polynomials of degree 5 from their values at 0, p, -p, q, -q and the leading coefficient. These points leave half the
// error of the usual 1 and 2.
constexpr float p = 0.625f, q = 1.5f, p2 = p * p, q2 = q * q;
constexpr float np = 1 / (2 * p2 * (p2 - q2)), nq = 1 / (2 * q2 * (q2 - p2)), n0 = 1 / (p2 * q2);

struct Input4 {
  static constexpr int from = 6, to = 6;
  template <class V>
  static INLINE void apply(const V* x, V* t) {
    const V even_p = x[4] - q2 * x[2], odd_p = p * (x[3] - q2 * x[1]);
    const V even_q = x[4] - p2 * x[2], odd_q = q * (x[3] - p2 * x[1]);
    t[0] = p2 * q2 * x[0] + (x[4] - (p2 + q2) * x[2]);
    t[1] = even_p + odd_p, t[2] = even_p - odd_p;
    t[3] = even_q + odd_q, t[4] = even_q - odd_q;
    t[5] = p2 * q2 * x[1] + (x[5] - (p2 + q2) * x[3]);
  }
};
struct Kernel4 {
  static constexpr int from = 3, to = 6;
  template <class V>
  static INLINE void apply(const V* w, V* t) {
    const V even_p = np * w[0] + np * p2 * w[2], odd_p = np * p * w[1];
    const V even_q = nq * w[0] + nq * q2 * w[2], odd_q = nq * q * w[1];
    t[0] = n0 * w[0];
    t[1] = even_p + odd_p, t[2] = even_p - odd_p;
    t[3] = even_q + odd_q, t[4] = even_q - odd_q;
    t[5] = w[2];
  }
};
struct Output4 {
  static constexpr int from = 6, to = 4;
  template <class V>
  static INLINE void apply(const V* t, V* y) {
    const V even_p = t[1] + t[2], odd_p = t[1] - t[2], even_q = t[3] + t[4], odd_q = t[3] - t[4];
    y[0] = t[0] + (even_p + even_q);
    y[1] = p * odd_p + q * odd_q;
    y[2] = p2 * even_p + q2 * even_q;
    y[3] = t[5] + (p2 * p * odd_p + q2 * q * odd_q);
  }
};
struct OutputGradient4 {
  static constexpr int from = 4, to = 6;
  template <class V>
  static INLINE void apply(const V* y, V* t) {
    const V even_p = np * y[0] + np * p2 * y[2], odd_p = np * p * y[1] + np * p2 * p * y[3];
    const V even_q = nq * y[0] + nq * q2 * y[2], odd_q = nq * q * y[1] + nq * q2 * q * y[3];
    t[0] = n0 * y[0];
    t[1] = even_p + odd_p, t[2] = even_p - odd_p;
    t[3] = even_q + odd_q, t[4] = even_q - odd_q;
    t[5] = y[3];
  }
};
struct KernelGradient4 {
  static constexpr int from = 6, to = 3;
  template <class V>
  static INLINE void apply(const V* t, V* w) {
    const V even_p = t[1] + t[2], odd_p = t[1] - t[2], even_q = t[3] + t[4], odd_q = t[3] - t[4];
    w[0] = t[0] + (even_p + even_q);
    w[1] = p * odd_p + q * odd_q;
    w[2] = t[5] + (p2 * even_p + q2 * even_q);
  }
};

// L channels. Places are handed over by value: the stores might change those in a closure.
template <class F, int L>
void transform_lanes(const float* from, std::int64_t from_row, std::int64_t from_column, float* to, std::int64_t to_row,
                     std::int64_t to_column) {
  using V = Vec<float, L>;
  V half[F::to][F::from], in[F::from], out[F::to];
#pragma GCC unroll 6
  for (int s = 0; s < F::from; ++s) {
#pragma GCC unroll 6
    for (int r = 0; r < F::from; ++r) load(in[r], from + r * from_row + s * from_column);
    F::apply(in, out);
#pragma GCC unroll 6
    for (int i = 0; i < F::to; ++i) half[i][s] = out[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < F::to; ++i) {
    F::apply(half[i], out);
#pragma GCC unroll 6
    for (int j = 0; j < F::to; ++j) store(out[j], to + i * to_row + j * to_column);
  }
}

template <class F>
void transform(const float* from, std::int64_t from_row, std::int64_t from_column, float* to, std::int64_t to_row,
               std::int64_t to_column, std::int64_t channels) {
  by_lanes<float>(channels, [&]<int L>(std::int64_t c) {
    transform_lanes<F, L>(from + c, from_row, from_column, to + c, to_row, to_column);
  });
}

// R rows of the product, two vectors wide; asks for rows [ahead, ahead + rows_ahead) of the next B meanwhile.
template <bool Transposed, int R>
void product_block(std::int64_t depth, const float* a, std::int64_t lda, const float* b, std::int64_t ldb, bool add,
                   float* c, std::int64_t ldc, const float* ahead, std::int64_t rows_ahead) {
  using V = Vec<float, lanes>;
  V sum[R][2] = {};
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) __builtin_prefetch(c + r * ldc, 1);
  std::int64_t k = 0;
  auto step = [&]() __attribute__((always_inline)) {
    V left, right;
    load(left, b), load(right, b + lanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const float value = Transposed ? a[k * lda + r] : a[r * lda + k];
      sum[r][0] += value * left, sum[r][1] += value * right;
    }
    ++k, b += ldb;
  };
  while (k < rows_ahead) {
    __builtin_prefetch(ahead, 0, 2);
    if constexpr (lanes > 8) __builtin_prefetch(ahead + lanes, 0, 2);
    step();
    ahead += ldb;
  }
#pragma GCC unroll 2
  while (k < depth) step();
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r, c += ldc)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      V before = {};
      if (add) load(before, c + v * lanes);
      store(sum[r][v] + before, c + v * lanes);
    }
}

template <bool Transposed>
void product(std::int64_t rows, std::int64_t depth, const float* a, std::int64_t lda, const float* b, std::int64_t ldb,
             bool add, float* c, std::int64_t ldc, const float* next) {
  in_register_blocks(rows, [&]<int R>(std::int64_t r) {
    const std::int64_t ahead = depth * r / rows, rows_ahead = depth * (r + R) / rows - ahead;
    product_block<Transposed, R>(depth, a + (Transposed ? r : r * lda), lda, b, ldb, add, c + r * ldc, ldc,
                                 next + ahead * ldb, rows_ahead);
  });
}

constexpr WinogradTransforms two = {2,
                                    4,
                                    transform<Input2>,
                                    transform<Kernel2>,
                                    transform<Output2>,
                                    transform<OutputGradient2>,
                                    transform<KernelGradient2>},
                             four = {4,
                                     6,
                                     transform<Input4>,
                                     transform<Kernel4>,
                                     transform<Output4>,
                                     transform<OutputGradient4>,
                                     transform<KernelGradient4>};

}  // namespace

extern constinit const WinogradLoops winograd_loops = {2 * lanes, two, four, product<false>, product<true>};

}  // namespace tapir::cpu::TAPIR_ISA
