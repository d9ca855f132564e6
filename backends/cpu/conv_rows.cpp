#include <tapir/backends/cpu/conv_rows.h>
#include <tapir/backends/cpu/pack.h>
#include <tapir/backends/cpu/register_blocks.h>
#include <tapir/backends/cpu/vec.h>

#include <cstring>

namespace tapir::cpu::TAPIR_ISA {
namespace {

template <int V>
constexpr int block = V == 1 ? max_narrow_block : max_block;

// B pixels from x on; y[B, V * lanes]
template <class T, int V, int B>
void forward_block(const ConvRow& row, const T* x, const T* panel, T* y, std::int64_t ldy) {
  using P = Pack<T>;
  P sum[B][V];
#pragma GCC unroll 16
  for (int b = 0; b < B; ++b)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) sum[b][v] = P(0.0);
  for (std::int64_t t = 0; t < row.taps; ++t, panel += V * P::width) {
    P w[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) w[v] = P::load(panel + v * P::width);
    const T* q = x + row.offsets[t];
#pragma GCC unroll 16
    for (int b = 0; b < B; ++b, q += row.step) {
      P value(ei::pset1<typename P::P>(*q));
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sum[b][v] = fma(value, w[v], sum[b][v]);
    }
  }
#pragma GCC unroll 16
  for (int b = 0; b < B; ++b)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) sum[b][v].store(y + b * ldy + v * P::width);
}

// B taps; sum[B, V * lanes]
template <class T, int V, int B>
void gradient_block(const ConvRow& row, const std::int64_t* offsets, const T* x, const T* dy, std::int64_t ldy,
                    T* out) {
  using P = Pack<T>;
  P sum[B][V];
  const T* q[B];
#pragma GCC unroll 16
  for (int b = 0; b < B; ++b) {
    q[b] = x + offsets[b];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) sum[b][v] = P(0.0);
  }
  std::int64_t at = 0;
  for (std::int64_t p = 0; p < row.pixels; ++p, dy += ldy, at += row.step) {
    P d[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) d[v] = P::load(dy + v * P::width);
#pragma GCC unroll 16
    for (int b = 0; b < B; ++b) {
      P value(ei::pset1<typename P::P>(q[b][at]));
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sum[b][v] = fma(value, d[v], sum[b][v]);
    }
  }
#pragma GCC unroll 16
  for (int b = 0; b < B; ++b)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      T* o = out + (b * V + v) * P::width;
      (P::load(o) + sum[b][v]).store(o);
    }
}

template <class T>
void forward(const ConvRow& row, const T* x, const T* panel, int vectors, T* y, std::int64_t ldy) {
  auto run = [&]<int V>() {
    in_register_blocks<block<V>>(row.pixels, [&]<int B>(std::int64_t p) {
      forward_block<T, V, B>(row, x + p * row.step, panel, y + p * ldy, ldy);
    });
  };
  vectors == 1 ? run.template operator()<1>() : run.template operator()<2>();
}

template <class T>
void kernel_gradient(const ConvRow& row, const T* x, const T* dy, std::int64_t ldy, int vectors, T* sum) {
  auto run = [&]<int V>() {
    in_register_blocks<block<V>>(row.taps, [&]<int B>(std::int64_t t) {
      gradient_block<T, V, B>(row, row.offsets + t, x, dy, ldy, sum + t * V * Pack<T>::width);
    });
  };
  vectors == 1 ? run.template operator()<1>() : run.template operator()<2>();
}

// The numbers 0 ... 255 in the lanes of `p` as bytes.
template <class T>
inline void store_bytes(Pack<T> p, std::uint8_t* to) {
  constexpr int L = Pack<T>::width;
  Vec<std::int32_t, L> whole;
  Vec<std::uint8_t, L> bytes;
  convert(whole, std::bit_cast<Vec<T, L>>(p.p));
  convert(bytes, whole);
  std::memcpy(to, &bytes, sizeof bytes);
}

// The larger of `most` and `a`, NaN over all others; whether `most` stays.
template <class T>
inline Mask<T> keep_most(Pack<T>& most, Pack<T> a) {
  const auto keep = (a <= most) | (most != most);
  most = where(keep, most, a);
  return keep;
}

template <class T>
void max_pool(const T* y, std::int64_t pixels, int rows, int columns, std::int64_t pooled, int vectors, T* best,
              std::uint8_t* winner, std::int64_t ld) {
  using P = Pack<T>;
  const std::int64_t width = vectors * P::width;
  const int count = rows * columns;
  for (std::int64_t p = 0; p < pooled; ++p)
    for (std::int64_t j = 0; j < width; j += P::width) {
      const T* from = y + p * columns * width + j;
      P most = P::load(from), which(0.0);
      for (int k = 1; k < count; ++k) {
        P a = P::load(from + (k / columns * pixels + k % columns) * width);
        which = where(keep_most(most, a), which, P(double(k)));
      }
      most.store(best + p * ld + j);
      if (winner) store_bytes(which, winner + p * ld + j);
    }
}

// B windows of 2x2 pixels, of rows a and b; best[B, ld], winner[B, ld]
template <class T, int V, int B, bool Winners>
void pooled_forward_block(const ConvRow& row, const T* a, const T* b, const T* panel, T* best, std::uint8_t* winner,
                          std::int64_t ld) {
  using P = Pack<T>;
  P sum[B][4][V];
#pragma GCC unroll 16
  for (int i = 0; i < B; ++i)
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k)
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sum[i][k][v] = P(0.0);
  for (std::int64_t t = 0; t < row.taps; ++t, panel += V * P::width) {
    P w[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) w[v] = P::load(panel + v * P::width);
    const T* const rows[] = {a + row.offsets[t], b + row.offsets[t]};
#pragma GCC unroll 16
    for (int i = 0; i < B; ++i)
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) {
        P value(ei::pset1<typename P::P>(rows[k / 2][(2 * i + k % 2) * row.step]));
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) sum[i][k][v] = fma(value, w[v], sum[i][k][v]);
      }
  }
#pragma GCC unroll 16
  for (int i = 0; i < B; ++i)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      P most = sum[i][0][v], which(0.0);
#pragma GCC unroll 4
      for (int k = 1; k < 4; ++k) {
        const auto keep = keep_most(most, sum[i][k][v]);
        if constexpr (Winners) which = where(keep, which, P(double(k)));
      }
      most.store(best + i * ld + v * P::width);
      if constexpr (Winners) store_bytes(which, winner + i * ld + v * P::width);
    }
}

template <class T>
void forward_pooled(const ConvRow& row, const T* a, const T* b, const T* panel, int vectors, std::int64_t pooled,
                    T* best, std::uint8_t* winner, std::int64_t ld) {
  auto run = [&]<int V, bool Winners>() {
    in_register_blocks<block<V> / 4>(pooled, [&]<int B>(std::int64_t o) {
      pooled_forward_block<T, V, B, Winners>(row, a + 2 * o * row.step, b + 2 * o * row.step, panel, best + o * ld,
                                             Winners ? winner + o * ld : nullptr, ld);
    });
  };
  if (winner) vectors == 1 ? run.template operator()<1, true>() : run.template operator()<2, true>();
  else vectors == 1 ? run.template operator()<1, false>() : run.template operator()<2, false>();
}

#if defined(__AVX2__)
#if defined(__AVX512F__)
using Chosen = __m512;
inline __m512i chosen_index(const std::uint8_t* w) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w)));
}
inline Chosen choose(const float* four, __m512i index) {
  return _mm512_permutevar_ps(_mm512_broadcast_f32x4(_mm_loadu_ps(four)), index);
}
#else
using Chosen = __m256;
inline __m256i chosen_index(const std::uint8_t* w) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(w)));
}
inline Chosen choose(const float* four, __m256i index) {
  return _mm256_permutevar_ps(_mm256_broadcast_ps(reinterpret_cast<const __m128*>(four)), index);
}
#endif

template <int V, int B>
void pooled_block(std::int64_t taps, std::int64_t pooled, const float* table, const float* d,
                  const std::uint8_t* winner, std::int64_t ld, float* out) {
  using P = Pack<float>;
  P sum[B][V];
#pragma GCC unroll 16
  for (int b = 0; b < B; ++b)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) sum[b][v] = P(0.0);
  for (std::int64_t p = 0; p < pooled; ++p, table += taps * 4, d += ld, winner += ld) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      const P dv = P::load(d + v * P::width);
      const auto index = chosen_index(winner + v * P::width);
#pragma GCC unroll 16
      for (int b = 0; b < B; ++b) sum[b][v] = fma(P(choose(table + 4 * b, index)), dv, sum[b][v]);
    }
  }
#pragma GCC unroll 16
  for (int b = 0; b < B; ++b)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      float* o = out + (b * V + v) * P::width;
      (P::load(o) + sum[b][v]).store(o);
    }
}

void pooled_gradient(std::int64_t taps, std::int64_t pooled, const float* table, const float* d,
                     const std::uint8_t* winner, std::int64_t ld, int vectors, float* sum) {
  auto run = [&]<int V>() {
    in_register_blocks(taps, [&]<int B>(std::int64_t t) {
      pooled_block<V, B>(taps, pooled, table + 4 * t, d, winner, ld, sum + t * V * Pack<float>::width);
    });
  };
  vectors == 1 ? run.template operator()<1>() : run.template operator()<2>();
}
constexpr auto pooled_gradient_f32 = pooled_gradient;
#else
constexpr decltype(ConvRowKernels<float>::pooled_gradient) pooled_gradient_f32 = nullptr;
#endif

template <class T>
constexpr ConvRowKernels<T> kernels() {
  ConvRowKernels<T> k = {Pack<T>::width, forward<T>, kernel_gradient<T>, max_pool<T>, forward_pooled<T>, nullptr};
  if constexpr (std::is_same_v<T, float>) k.pooled_gradient = pooled_gradient_f32;
  return k;
}

}  // namespace

extern constinit const ConvRowTable conv_rows = {kernels<float>(), kernels<double>()};

}  // namespace tapir::cpu::TAPIR_ISA
