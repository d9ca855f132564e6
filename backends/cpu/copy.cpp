#include <tapir/backends/cpu/by_item.h>
#include <tapir/backends/cpu/copy.h>
#include <tapir/backends/cpu/parallel.h>

#include <emmintrin.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace tapir::cpu {
namespace {

constexpr std::int64_t kShare = 128 << 10;  // bytes worth a thread

// The dimensions that matter: none of size 1, neighbours merged where both sides allow.
struct Dims {
  int rank = 0;
  std::int64_t size[Shape::max_rank], to[Shape::max_rank], from[Shape::max_rank];

  Dims(const Shape& shape, const Shape& t, const Shape& f) {
    for (int i = 0; i < shape.rank(); ++i) {
      if (shape[i] == 1) continue;
      const int k = rank - 1;
      if (rank && to[k] == t[i] * shape[i] && from[k] == f[i] * shape[i]) {
        size[k] *= shape[i], to[k] = t[i], from[k] = f[i];
      } else {
        put(shape[i], t[i], f[i]);
      }
    }
    if (!rank) put(1, 1, 1);
  }
  void put(std::int64_t n, std::int64_t t, std::int64_t f) { size[rank] = n, to[rank] = t, from[rank++] = f; }
  void move_to(int from_at, int to_at) {
    for (auto* a : {size, to, from}) {
      if (from_at < to_at) std::rotate(a + from_at, a + from_at + 1, a + to_at + 1);
      else std::rotate(a + to_at, a + from_at, a + from_at + 1);
    }
  }
};

// Offsets of the k-th combination of the first `rank` dimensions.
std::pair<std::int64_t, std::int64_t> offsets_of(const Dims& d, int rank, std::int64_t k) {
  std::int64_t to = 0, from = 0;
  for (int i = rank - 1; i >= 0; --i) {
    std::int64_t at = k % d.size[i];
    k /= d.size[i];
    to += at * d.to[i];
    from += at * d.from[i];
  }
  return {to, from};
}

template <class T>
void row(T* to, std::int64_t to_step, const T* from, std::int64_t from_step, std::int64_t n) {
  if (to_step == 1 && from_step == 1 && n >= 16) {
    std::memcpy(to, from, std::size_t(n) * sizeof(T));
  } else if (to_step == 1 && from_step == 1) {
    for (std::int64_t i = 0; i < n; ++i) to[i] = from[i];
  } else if (to_step == 1 && from_step == 0) {
    std::fill(to, to + n, *from);
  } else if (to_step == 1 && from_step == -1) {
    for (std::int64_t i = 0; i < n; ++i) to[i] = from[-i];
  } else {
    for (std::int64_t i = 0; i < n; ++i) to[i * to_step] = from[i * from_step];
  }
}

// Plain loops: rows along the last dimension, a long row in pieces.
template <class T>
void copy_rows(T* to, const T* from, const Dims& d) {
  const int last = d.rank - 1, mid = d.rank >= 2 ? last - 1 : last;
  const std::int64_t n = d.size[last], rows = mid < last ? d.size[mid] : 1;
  const std::int64_t to_row = mid < last ? d.to[mid] : 0, from_row = mid < last ? d.from[mid] : 0;
  std::int64_t outer = 1;
  for (int i = 0; i < mid; ++i) outer *= d.size[i];
  const std::int64_t piece = std::max<std::int64_t>(1, kShare / 2 / std::int64_t(sizeof(T)));
  const std::int64_t columns = (n + piece - 1) / piece;             // pieces of a row
  const std::int64_t group = std::max<std::int64_t>(1, piece / n);  // rows of a task
  const std::int64_t groups = (rows + group - 1) / group, tasks = outer * groups * columns;
  const std::int64_t task_bytes = std::min(n, piece) * std::min(group, rows) * std::int64_t(sizeof(T));
  parallel_for(tasks, std::max<std::int64_t>(1, kShare / task_bytes), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      std::int64_t c = t % columns, g = t / columns % groups;
      auto [a, b] = offsets_of(d, mid, t / columns / groups);
      std::int64_t i0 = c * piece, count = std::min(piece, n - i0), r1 = std::min(rows, (g + 1) * group);
      for (std::int64_t r = g * group; r < r1; ++r)
        row(to + a + r * to_row + i0 * d.to[last], d.to[last], from + b + r * from_row + i0 * d.from[last],
            d.from[last], count);
    }
  });
}

template <std::size_t item>
__m128i low(__m128i a, __m128i b) {
  if constexpr (item == 1) return _mm_unpacklo_epi8(a, b);
  else if constexpr (item == 2) return _mm_unpacklo_epi16(a, b);
  else if constexpr (item == 4) return _mm_unpacklo_epi32(a, b);
  else return _mm_unpacklo_epi64(a, b);
}
template <std::size_t item>
__m128i high(__m128i a, __m128i b) {
  if constexpr (item == 1) return _mm_unpackhi_epi8(a, b);
  else if constexpr (item == 2) return _mm_unpackhi_epi16(a, b);
  else if constexpr (item == 4) return _mm_unpackhi_epi32(a, b);
  else return _mm_unpackhi_epi64(a, b);
}

// Transposes a W x W square, W items filling a register: interleaving the halves log2 W times does it.
template <class T>
void square(const T* from, std::int64_t from_row, T* to, std::int64_t to_row) {
  constexpr int W = 16 / sizeof(T);
  __m128i a[W], b[W];
  for (int i = 0; i < W; ++i) a[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i * from_row));
#pragma GCC unroll 4
  for (int step = 1; step < W; step *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < W / 2; ++i) {
      b[2 * i] = low<sizeof(T)>(a[i], a[i + W / 2]);
      b[2 * i + 1] = high<sizeof(T)>(a[i], a[i + W / 2]);
    }
    std::copy(b, b + W, a);
  }
  for (int i = 0; i < W; ++i) _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i * to_row), a[i]);
}

// to[j * to_row + i] = from[i * from_row + j]. Each cache line is read once and written once, whole: rows a power of
// two apart fall into the same set of the cache, where they would push each other out.
template <class T>
void transpose(T* to, std::int64_t to_row, const T* from, std::int64_t from_row, std::int64_t nj, std::int64_t ni) {
  constexpr int L = 64 / sizeof(T), W = 16 / sizeof(T);
  if (nj <= 4) {
    for (std::int64_t j = 0; j < nj; ++j)
      for (std::int64_t i = 0; i < ni; ++i) to[j * to_row + i] = from[i * from_row + j];
    return;
  }
  alignas(64) T in[L * L], out[L * L];
  for (std::int64_t i0 = 0; i0 < ni; i0 += L)
    for (std::int64_t j0 = 0; j0 < nj; j0 += L) {
      const std::int64_t hi = std::min<std::int64_t>(L, ni - i0), hj = std::min<std::int64_t>(L, nj - j0);
      if (hi == L && hj == L) {
        for (int i = 0; i < L; ++i) std::memcpy(in + i * L, from + (i0 + i) * from_row + j0, 64);
        for (int i = 0; i < L; i += W)
          for (int j = 0; j < L; j += W) square(in + i * L + j, L, out + j * L + i, L);
        for (int j = 0; j < L; ++j) std::memcpy(to + (j0 + j) * to_row + i0, out + j * L, 64);
      } else {
        for (std::int64_t j = j0; j < j0 + hj; ++j)
          for (std::int64_t i = i0; i < i0 + hi; ++i) to[j * to_row + i] = from[i * from_row + j];
      }
    }
}

// The last two dimensions are a transpose: dimension rank-2 steps by 1 in `from`, rank-1 steps by 1 in `to`.
template <class T>
void copy_transposed(T* to, const T* from, const Dims& d) {
  const int j = d.rank - 2, i = d.rank - 1;
  constexpr std::int64_t L = 64 / sizeof(T);
  const std::int64_t nj = d.size[j], ni = d.size[i], strip = 4 * L, piece = 16 * L;
  const std::int64_t js = (nj + strip - 1) / strip, is = (ni + piece - 1) / piece;
  std::int64_t outer = 1;
  for (int k = 0; k < j; ++k) outer *= d.size[k];
  const std::int64_t bytes = std::min(strip, nj) * std::min(piece, ni) * std::int64_t(sizeof(T));
  parallel_for(outer * js * is, std::max<std::int64_t>(1, kShare / bytes), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      std::int64_t i0 = t % is * piece, j0 = t / is % js * strip;
      auto [a, b] = offsets_of(d, j, t / is / js);
      transpose(to + a + j0 * d.to[j] + i0, d.to[j], from + b + i0 * d.from[i] + j0, d.from[i],
                std::min(strip, nj - j0), std::min(piece, ni - i0));
    }
  });
}

template <class T>
void copy_items(T* to, const T* from, Dims d) {
  const int last = d.rank - 1;
  if (d.to[last] == 1 && d.from[last] != 1 && d.from[last] != 0)
    for (int k = 0; k < last; ++k)
      if (d.from[k] == 1) {
        d.move_to(k, last - 1);
        return copy_transposed(to, from, d);
      }
  copy_rows(to, from, d);
}

}  // namespace

void copy_strided(std::byte* to, const Shape& to_strides, const std::byte* from, const Shape& from_strides,
                  const Shape& shape, std::size_t item) {
  if (shape.size() == 0) return;
  by_item(item, [&](auto t) {
    using T = decltype(t);
    copy_items(reinterpret_cast<T*>(to), reinterpret_cast<const T*>(from), Dims(shape, to_strides, from_strides));
  });
}

void fill_items(std::byte* to, const void* value, std::int64_t n, std::size_t item) {
  by_item(item, [&](auto t) {
    using T = decltype(t);
    T v;
    std::memcpy(&v, value, sizeof v);
    auto* p = reinterpret_cast<T*>(to);
    parallel_for(n, 2 * kShare / std::int64_t(item), [&](std::int64_t b, std::int64_t e) {
      if (v == T(0)) std::memset(p + b, 0, std::size_t(e - b) * sizeof(T));
      else std::fill(p + b, p + e, v);
    });
  });
}

}  // namespace tapir::cpu
