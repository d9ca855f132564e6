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
// 32 additions.
template <int K, class T, class F>
std::array<double, K> row_sums(std::int64_t n, F&& f) {
  constexpr int L = vec_bytes / int(sizeof(T)), U = 4;
  std::array<double, K> total{};
  std::int64_t i = 0;
  while (i + L <= n) {
    Vec<T, L> s[U][K] = {};
    for (int step = 0; step < 32 && i + U * L <= n; ++step, i += U * L)
      for (int u = 0; u < U; ++u) f.template operator()<L>(i + u * L, s[u]);
    if (n - i < U * L)
      for (; i + L <= n; i += L) f.template operator()<L>(i, s[0]);
    for (int k = 0; k < K; ++k) total[k] += double(sum_of_lanes<T, L>((s[0][k] + s[1][k]) + (s[2][k] + s[3][k])));
  }
  for (; i < n; ++i) {
    T one[K] = {};
    f.template operator()<1>(i, one);
    for (int k = 0; k < K; ++k) total[k] += double(one[k]);
  }
  return total;
}

template <int L, class T>
inline __attribute__((always_inline)) Vec<T, L> at(const T* p, std::int64_t i) {
  Vec<T, L> v;
  load(v, p + i);
  return v;
}

// What normalises a row: (x - centre) * factor + rest.
template <class T>
struct Normal {
  T centre, factor, rest;
};

// A mean in T is a little off. So deviations are taken from it, and their mean is put right.
template <bool centred, class T>
Normal<T> normal_of(const T* x, std::int64_t n, double epsilon) {
  if constexpr (!centred) {
    const auto [squares] = row_sums<1, T>(n, [&]<int L>(std::int64_t i, Vec<T, L>* s) {
      const auto v = at<L>(x, i);
      s[0] += v * v;
    });
    return {0, T(1 / std::sqrt(squares / double(n) + epsilon)), 0};
  } else {
    const auto [sum] = row_sums<1, T>(n, [&]<int L>(std::int64_t i, Vec<T, L>* s) { s[0] += at<L>(x, i); });
    const T centre = T(sum / double(n));
    const auto [rest, squares] = row_sums<2, T>(n, [&]<int L>(std::int64_t i, Vec<T, L>* s) {
      const auto v = at<L>(x, i) - centre;
      s[0] += v, s[1] += v * v;
    });
    const double off = rest / double(n), variance = std::max(squares / double(n) - off * off, 0.0);  // NaN stays
    const double factor = 1 / std::sqrt(variance + epsilon);
    return {centre, T(factor), T(-off * factor)};
  }
}

template <bool centred, int L, class T>
inline __attribute__((always_inline)) Vec<T, L> normed(const T* x, std::int64_t i, const Normal<T>& k) {
  if constexpr (centred) return (at<L>(x, i) - k.centre) * k.factor + k.rest;
  else return at<L>(x, i) * k.factor;
}

template <bool centred, class T>
void forward(const T* x, const T* scale, const T* offset, double epsilon, std::int64_t rows, std::int64_t n, T* y) {
  for (; rows > 0; --rows, x += n, y += n) {
    const auto k = normal_of<centred>(x, n, epsilon);
    by_lanes<T>(n, [&]<int L>(std::int64_t i) {
      Vec<T, L> v = normed<centred, L>(x, i, k) * at<L>(scale, i);
      if constexpr (centred) v += at<L>(offset, i);
      store(v, y + i);
    });
  }
}

template <bool centred, class T>
void gradient(const T* x, const T* scale, const T* dy, double epsilon, std::int64_t rows, std::int64_t n, T* dx,
              double* dscale, double* doffset, T* work) {
  T *of_scale = work, *of_offset = work + n;
  for (std::int64_t r = 0; r < rows;) {
    std::fill(work, work + (centred ? 2 : 1) * n, T(0));
    for (const std::int64_t end = std::min<std::int64_t>(rows, r + 64); r < end; ++r, x += n, dy += n, dx += n) {
      const auto k = normal_of<centred>(x, n, epsilon);
      const auto [product, sum] = row_sums<2, T>(n, [&]<int L>(std::int64_t i, Vec<T, L>* s) {
        const auto d = at<L>(dy, i) * at<L>(scale, i);
        s[0] += d * normed<centred, L>(x, i, k);
        if constexpr (centred) s[1] += d;
      });
      const T through_deviation = T(product / double(n)), through_mean = T(sum / double(n));
      by_lanes<T>(n, [&]<int L>(std::int64_t i) {
        const auto d = at<L>(dy, i), v = normed<centred, L>(x, i, k);
        store<Vec<T, L>>((d * at<L>(scale, i) - through_mean - v * through_deviation) * k.factor, dx + i);
        store<Vec<T, L>>(at<L>(of_scale, i) + d * v, of_scale + i);
        if constexpr (centred) store<Vec<T, L>>(at<L>(of_offset, i) + d, of_offset + i);
      });
    }
    for (std::int64_t i = 0; i < n; ++i) dscale[i] += double(of_scale[i]);
    for (std::int64_t i = 0; centred && i < n; ++i) doffset[i] += double(of_offset[i]);
  }
}

template <class T>
constexpr LayerNormRowsOf<T> rows_of() {
  return {forward<true, T>, forward<false, T>, gradient<true, T>, gradient<false, T>};
}

}  // namespace

constinit const LayerNormRows layer_norm_rows = {rows_of<float>(), rows_of<double>()};

}  // namespace tapir::cpu::TAPIR_ISA
