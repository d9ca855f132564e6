// Rows of layer and root mean square normalisation, compiled once for each instruction set.
#include <tapir/backends/cpu/layer_norm.h>
#include <tapir/backends/cpu/vec.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace tapir::cpu::TAPIR_ISA {
namespace {

template <class T, int L>
inline __attribute__((always_inline)) T sum_of_lanes(const Vec<T, L>& v) {
  if constexpr (L == 1) {
    return v;
  } else {
    Vec<T, L / 2> half[2];
    std::memcpy(half, &v, sizeof half);
    return sum_of_lanes<T, L / 2>(half[0] + half[1]);
  }
}

// K sums over a row: f.template operator()<L>(i, sums) adds what elements i to i + L give. Registers join in f64 after
// 32 additions. Short rows are all tail.
template <int K, class T, class F>
inline __attribute__((always_inline)) std::array<double, K> row_sums(std::int64_t n, F&& f) {
  constexpr int L = vec_bytes / int(sizeof(T)), U = 4;
  std::array<double, K> total{};
  std::int64_t i = 0;
  while (i + U * L <= n) {
    Vec<T, L> s[U][K] = {};
    for (int step = 0; step < 32 && i + U * L <= n; ++step, i += U * L)
      for (int u = 0; u < U; ++u) f.template operator()<L>(i + u * L, s[u]);
    for (int k = 0; k < K; ++k) total[k] += double(sum_of_lanes<T, L>((s[0][k] + s[1][k]) + (s[2][k] + s[3][k])));
  }
  auto tail = [&]<int lanes>() {
    if (i + lanes > n) return;
    Vec<T, lanes> s[K] = {};
    for (; i + lanes <= n; i += lanes) f.template operator()<lanes>(i, s);
    for (int k = 0; k < K; ++k) total[k] += double(sum_of_lanes<T, lanes>(s[k]));
  };
  tail.template operator()<L>();
  if constexpr (L > 4) tail.template operator()<4>();
  tail.template operator()<1>();
  return total;
}

template <int L, class T>
inline __attribute__((always_inline)) Vec<T, L> at(const T* p, std::int64_t i) {
  Vec<T, L> v;
  load(v, p + i);
  return v;
}

// A mean in T is a little off. So deviations are taken from it, and their mean is put right.
template <bool centred, class T>
RowMoments moments(const T* x, std::int64_t n) {
  if constexpr (!centred) {
    const auto [squares] = row_sums<1, T>(n, [&]<int L>(std::int64_t i, Vec<T, L>* s) {
      const auto v = at<L>(x, i);
      s[0] += v * v;
    });
    return {0, squares};
  } else {
    const auto [sum] = row_sums<1, T>(n, [&]<int L>(std::int64_t i, Vec<T, L>* s) { s[0] += at<L>(x, i); });
    const double one = 1 / double(n);
    const T centre = T(sum * one);
    const auto [rest, squares] = row_sums<2, T>(n, [&]<int L>(std::int64_t i, Vec<T, L>* s) {
      const auto v = at<L>(x, i) - centre;
      s[0] += v, s[1] += v * v;
    });
    const double off = rest * one;
    return {double(centre) + off, std::max(squares - rest * off, 0.0)};  // NaN stays
  }
}

template <bool centred, int L, class T>
inline __attribute__((always_inline)) Vec<T, L> normed(const T* x, std::int64_t i, const RowNormal<T>& k) {
  if constexpr (centred) return (at<L>(x, i) - k.centre) * k.factor + k.rest;
  else return at<L>(x, i) * k.factor;
}

template <bool centred, class T>
void apply(const T* x, const T* scale, const T* offset, const RowNormal<T>& k, std::int64_t n, T* y) {
  by_lanes<T>(n, [&]<int L>(std::int64_t i) {
    Vec<T, L> v = normed<centred, L>(x, i, k) * at<L>(scale, i);
    if constexpr (centred) v += at<L>(offset, i);
    store(v, y + i);
  });
}

template <bool centred, class T>
RowProducts products(const T* x, const T* scale, const T* dy, const RowNormal<T>& k, std::int64_t n) {
  const auto [product, sum] = row_sums<2, T>(n, [&]<int L>(std::int64_t i, Vec<T, L>* s) {
    const auto d = at<L>(dy, i) * at<L>(scale, i);
    s[0] += d * normed<centred, L>(x, i, k);
    if constexpr (centred) s[1] += d;
  });
  return {product, sum};
}

template <bool centred, class T>
void mix(const T* x, const T* scale, const T* dy, const RowNormal<T>& k, RowProducts means, std::int64_t n, T* dx,
         T* of_scale, T* of_offset) {
  const T through_deviation = T(means.normed), through_mean = T(means.plain);
  by_lanes<T>(n, [&]<int L>(std::int64_t i) {
    const auto d = at<L>(dy, i), v = normed<centred, L>(x, i, k);
    store<Vec<T, L>>((d * at<L>(scale, i) - through_mean - v * through_deviation) * k.factor, dx + i);
    store<Vec<T, L>>(at<L>(of_scale, i) + d * v, of_scale + i);
    if constexpr (centred) store<Vec<T, L>>(at<L>(of_offset, i) + d, of_offset + i);
  });
}

template <bool centred, class T>
void forward(const T* x, const T* scale, const T* offset, double epsilon, std::int64_t first, std::int64_t rows,
             std::int64_t n, std::int64_t groups, T* y) {
  for (std::int64_t r = first; r < first + rows; ++r, x += n, y += n) {
    const std::int64_t part = r % groups * n;
    const auto k = row_normal<T>(moments<centred>(x, n), n, epsilon);
    apply<centred>(x, scale + part, offset + part, k, n, y);
  }
}

template <bool centred, class T>
void gradient(const T* x, const T* scale, const T* dy, double epsilon, std::int64_t first, std::int64_t rows,
              std::int64_t n, std::int64_t groups, T* dx, double* dscale, double* doffset, T* work) {
  const std::int64_t all = groups * n;
  T *of_scale = work, *of_offset = work + all;
  for (std::int64_t r = first, last = first + rows; r < last;) {
    std::fill(work, work + (centred ? 2 : 1) * all, T(0));
    for (const std::int64_t end = std::min(last, r + 64 * groups); r < end; ++r, x += n, dy += n, dx += n) {
      const std::int64_t part = r % groups * n;
      const auto k = row_normal<T>(moments<centred>(x, n), n, epsilon);
      const RowProducts sums = products<centred>(x, scale + part, dy, k, n);
      mix<centred>(x, scale + part, dy, k, {sums.normed / double(n), sums.plain / double(n)}, n, dx, of_scale + part,
                   of_offset + part);
    }
    for (std::int64_t i = 0; i < all; ++i) dscale[i] += double(of_scale[i]);
    for (std::int64_t i = 0; centred && i < all; ++i) doffset[i] += double(of_offset[i]);
  }
}

template <bool centred, class T>
constexpr LayerNormLoopsOf<T> loops_of() {
  return {forward<centred, T>, gradient<centred, T>, moments<centred, T>,
          apply<centred, T>,   products<centred, T>, mix<centred, T>};
}

}  // namespace

constinit const LayerNormLoops layer_norm_loops = {loops_of<true, float>(), loops_of<false, float>(),
                                                   loops_of<true, double>(), loops_of<false, double>()};

}  // namespace tapir::cpu::TAPIR_ISA
