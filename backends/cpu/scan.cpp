// Scans along one axis of a contiguous tensor seen as [outer, n, inner]. f32 accumulates in f64.
#include <tapir/backends/cpu/parallel.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/reduce_attrs.h>

#include <cstring>

namespace tapir::cpu {
namespace {

constexpr std::int64_t kColumns = 256, kGrain = 1 << 14;

template <class F>
void visit_number(DType d, F&& f) {
  visit_dtype(d, [&](auto t) {
    using T = decltype(t);
    if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double> ||
                  (std::is_integral_v<T> && !std::is_same_v<T, bool>))
      f(t);
  });
}
// i64 in unsigned arithmetic wraps as every smaller integer does.
template <class T>
using Wide = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;

// body(offset of the first element, number of columns) for each block of columns.
template <class F>
void each_block(const AroundAxis& a, F body) {
  const std::int64_t blocks = (a.inner + kColumns - 1) / kColumns;
  const std::int64_t work = a.n * std::min(a.inner, kColumns);
  parallel_for(a.outer * blocks, std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, work)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t u = begin; u < end; ++u) {
                   std::int64_t first = u % blocks * kColumns;
                   body(u / blocks * a.n * a.inner + first, std::min(kColumns, a.inner - first));
                 }
               });
}

// step(accumulator, offset) is called in scan order and gives the next accumulator; out gets it, or the one before.
template <class T, class Step>
void scan(const AroundAxis& a, const ScanAttrs& s, T* y, double start, Step step) {
  each_block(a, [&](std::int64_t base, std::int64_t columns) {
    if (columns == 1) {
      Wide<T> acc(start);
      const std::int64_t by = s.reverse ? -a.inner : a.inner;
      std::int64_t i = base + (s.reverse ? (a.n - 1) * a.inner : 0);
      for (std::int64_t k = 0; k < a.n; ++k, i += by) {
        const Wide<T> next = step(acc, i);
        y[i] = T(s.exclusive ? acc : next);
        acc = next;
      }
      return;
    }
    Wide<T> acc[kColumns];
    std::fill_n(acc, columns, Wide<T>(start));
    for (std::int64_t k = 0; k < a.n; ++k) {
      const std::int64_t row = base + (s.reverse ? a.n - 1 - k : k) * a.inner;
      if (s.exclusive)
        for (std::int64_t j = 0; j < columns; ++j) {
          y[row + j] = T(acc[j]);
          acc[j] = step(acc[j], row + j);
        }
      else
        for (std::int64_t j = 0; j < columns; ++j) {
          acc[j] = step(acc[j], row + j);
          y[row + j] = T(acc[j]);
        }
    }
  });
}

}  // namespace

void cumulative_sum(const Call& call) {
  const auto& s = call.attrs.as<ScanAttrs>();
  visit_number(call.in[0].dtype(), [&](auto t) {
    using T = decltype(t);
    const T* x = call.in[0].data<T>();
    scan<T>(AroundAxis(call.in[0].shape(), s.axis), s, call.out[0].mutable_data<T>(), 0,
            [x](Wide<T> acc, std::int64_t i) { return acc + Wide<T>(x[i]); });
  });
}

void cumulative_prod(const Call& call) {
  const auto& s = call.attrs.as<ScanAttrs>();
  visit_number(call.in[0].dtype(), [&](auto t) {
    using T = decltype(t);
    const T* x = call.in[0].data<T>();
    scan<T>(AroundAxis(call.in[0].shape(), s.axis), s, call.out[0].mutable_data<T>(), 1,
            [x](Wide<T> acc, std::int64_t i) { return acc * Wide<T>(x[i]); });
  });
}

void linear_scan(const Call& call) {
  const auto& s = call.attrs.as<ScanAttrs>();
  const AroundAxis around(call.in[0].shape(), s.axis);
  visit_number(call.in[0].dtype(), [&](auto t) {
    using T = decltype(t);
    const T *a = call.in[0].data<T>(), *b = call.in[1].data<T>();
    T* h = call.out[0].mutable_data<T>();
    each_block(around, [&](std::int64_t base, std::int64_t columns) {
      Wide<T> acc[kColumns];
      const std::int64_t step = s.reverse ? -around.inner : around.inner;
      std::int64_t row = base + (s.reverse ? (around.n - 1) * around.inner : 0);
      for (std::int64_t k = 0; k < around.n; ++k, row += step)
        for (std::int64_t j = 0; j < columns; ++j) {
          const std::int64_t i = row + j;
          acc[j] = Wide<T>(b[i]) + (k ? Wide<T>(a[s.exclusive ? i - step : i]) * acc[j] : 0);
          h[i] = T(acc[j]);
        }
    });
  });
}

void shift(const Call& call) {
  const auto& s = call.attrs.as<ShiftAttrs>();
  const Tensor &x = call.in[0], &y = call.out[0];
  const AroundAxis from(x.shape(), s.axis), to(y.shape(), s.axis);
  const auto row = std::int64_t(size_of(x.dtype())) * from.inner;
  const std::int64_t first = std::clamp<std::int64_t>(s.offset, 0, to.n);
  const std::int64_t last = std::clamp<std::int64_t>(from.n + s.offset, first, to.n);
  for (std::int64_t o = 0; o < to.outer; ++o) {
    auto* p = y.mutable_data<std::byte>() + o * to.n * row;
    auto* q = x.data<std::byte>() + o * from.n * row;
    std::memset(p, 0, std::size_t(first * row));
    if (last > first) std::memcpy(p + first * row, q + (first - s.offset) * row, std::size_t((last - first) * row));
    std::memset(p + last * row, 0, std::size_t((to.n - last) * row));
  }
}

}  // namespace tapir::cpu
