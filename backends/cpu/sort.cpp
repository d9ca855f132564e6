// Sorting rows: every element becomes an unsigned key whose order is the element's, with its index below it in the same
// word, so that any sort is stable. Long rows are sorted by radix.
#include <tapir/backends/cpu/parallel.h>
#include <tapir/ops/functors/sort_key.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/reduce_attrs.h>
#include <tapir/ops/sort.h>

#include <cstring>
#include <limits>
#include <vector>

namespace tapir::cpu {
namespace {

using vmath::Key;
using vmath::key_of;

template <class T>
using Word = std::conditional_t<sizeof(T) == 8, unsigned __int128, std::uint64_t>;

// By the upper half of each word, a byte at a time; the lower half is in order already.
template <class W>
void radix_sort(std::vector<W>& v, std::vector<W>& other) {
  constexpr int bytes = int(sizeof(W)) / 2, shift = bytes * 8;
  std::vector<std::size_t> count(std::size_t(bytes) * 256);
  for (const W& w : v)
    for (int b = 0; b < bytes; ++b) ++count[std::size_t(b) * 256 + std::size_t(w >> (shift + 8 * b) & 255)];
  other.resize(v.size());
  for (int b = 0; b < bytes; ++b) {
    std::size_t* c = &count[std::size_t(b) * 256];
    if (c[std::size_t(v[0] >> (shift + 8 * b) & 255)] == v.size()) continue;  // all the same
    std::size_t at = 0;
    for (int i = 0; i < 256; ++i) at += std::exchange(c[i], at);
    for (const W& w : v) other[c[std::size_t(w >> (shift + 8 * b) & 255)]++] = w;
    v.swap(other);
  }
}

constexpr std::size_t kRadix = 1024;

template <class W>
void order(std::vector<W>& v, std::vector<W>& other, std::size_t k) {
  if (k < v.size()) {
    if (k == 0) return;
    std::nth_element(v.begin(), v.begin() + std::ptrdiff_t(k - 1), v.end());
    std::sort(v.begin(), v.begin() + std::ptrdiff_t(k));
  } else if (k >= kRadix) {
    radix_sort(v, other);
  } else {
    std::sort(v.begin(), v.end());
  }
}

template <class T>
void sort_rows(const Call& call) {
  const auto& a = call.attrs.as<SortAttrs>();
  const AroundAxis s(call.in[0].shape(), a.axis);
  if (sizeof(T) < 8 && s.n > std::int64_t(std::numeric_limits<std::uint32_t>::max()))
    throw ShapeError("sort: more than 2^32 elements along the axis.");
  using W = Word<T>;
  constexpr int half = int(sizeof(W)) * 4;
  const Key<T> flip = a.descending ? std::numeric_limits<Key<T>>::max() : Key<T>(0);
  const T* x = call.in[0].data<T>();
  T* values = call.out[0].mutable_data<T>();
  auto* indices = call.out[1].mutable_data<std::int64_t>();
  parallel_for(s.outer * s.inner, std::max<std::int64_t>(1, 1024 / s.n), [&](std::int64_t begin, std::int64_t end) {
    std::vector<W> row(static_cast<std::size_t>(s.n)), other;
    for (std::int64_t u = begin; u < end; ++u) {
      const T* in = x + u / s.inner * s.n * s.inner + u % s.inner;
      const std::int64_t out = u / s.inner * a.k * s.inner + u % s.inner;
      for (std::int64_t i = 0; i < s.n; ++i)
        row[std::size_t(i)] = W(Key<T>(key_of(in[i * s.inner]) ^ flip)) << half | W(i);
      order(row, other, std::size_t(a.k));
      for (std::int64_t i = 0; i < a.k; ++i) {
        const auto from = std::int64_t(row[std::size_t(i)] & ((W(1) << half) - 1));
        values[out + i * s.inner] = in[from * s.inner];
        indices[out + i * s.inner] = from;
      }
    }
  });
}

template <class F>
void visit_full(DType d, F&& f) {  // halves come as f32
  visit_dtype(d, [&](auto t) {
    if constexpr (!std::is_same_v<decltype(t), float16> && !std::is_same_v<decltype(t), bfloat16>) f(t);
  });
}

// f(offset along the whole tensor with n, offset in that with k) for each index.
template <class F>
void each_index(const Shape& whole, const Tensor& indices, int axis, F f) {
  const AroundAxis w(whole, axis), p(indices.shape(), axis);
  auto* index = indices.data<std::int64_t>();
  for (std::int64_t o = 0; o < p.outer; ++o)
    for (std::int64_t i = 0; i < p.n; ++i)
      for (std::int64_t j = 0; j < p.inner; ++j) {
        const std::int64_t part = (o * p.n + i) * p.inner + j;
        f((o * w.n + index[part]) * w.inner + j, part);
      }
}

}  // namespace

void sort(const Call& call) {
  visit_full(call.in[0].dtype(), [&](auto t) { sort_rows<decltype(t)>(call); });
}

void gather_along(const Call& call) {
  const Tensor &x = call.in[0], &y = call.out[0];
  visit_dtype(x.dtype(), [&](auto t) {
    using T = decltype(t);
    each_index(x.shape(), call.in[1], call.attrs.as<SortAttrs>().axis,
               [from = x.data<T>(), to = y.mutable_data<T>()](auto w, auto p) { to[p] = from[w]; });
  });
}

void scatter_along(const Call& call) {
  const Tensor &x = call.in[0], &y = call.out[0];
  std::memset(y.mutable_data<std::byte>(), 0, std::size_t(y.size()) * size_of(y.dtype()));
  if (x.size() == 0) return;
  visit_dtype(x.dtype(), [&](auto t) {
    using T = decltype(t);
    each_index(y.shape(), call.in[1], call.attrs.as<SortAttrs>().axis,
               [from = x.data<T>(), to = y.mutable_data<T>()](auto w, auto p) { to[w] = from[p]; });
  });
}

void searchsorted(const Call& call) {
  const bool right = call.attrs.as<Side>() == Side::right;
  visit_full(call.in[0].dtype(), [&](auto t) {
    using T = decltype(t);
    const T *first = call.in[0].data<T>(), *last = first + call.in[0].size(), *v = call.in[1].data<T>();
    auto* out = call.out[0].mutable_data<std::int64_t>();
    auto less = [](T a, T b) { return key_of(a) < key_of(b); };
    parallel_for(call.in[1].size(), 512, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        out[i] =
            (right ? std::upper_bound(first, last, v[i], less) : std::lower_bound(first, last, v[i], less)) - first;
    });
  });
}

}  // namespace tapir::cpu
