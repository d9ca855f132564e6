// Loops of batch and group normalisation, compiled once for each instruction set. A few rows are done together, so that
// what belongs to the columns is loaded once for all of them.
#include <tapir/backends/cpu/batch_norm.h>
#include <tapir/backends/cpu/vec.h>

#include <algorithm>

namespace tapir::cpu::TAPIR_ISA {
namespace {

constexpr std::int64_t kBlock = 64, kStrip = 256;  // rows whose sums fit f32; columns whose sums stay in L1
constexpr int kTogether = 8;

// f.template operator()<R>(r): R rows from r.
template <int together, class F>
void by_rows(std::int64_t rows, F&& f) {
  std::int64_t r = 0;
  for (; r + together <= rows; r += together) f.template operator()<together>(r);
  for (; r < rows; ++r) f.template operator()<1>(r);
}

// f(row, rows, column, columns) over blocks of rows and strips of columns.
template <class F>
void by_blocks(std::int64_t rows, std::int64_t columns, F&& f) {
  for (std::int64_t r = 0; r < rows; r += kBlock)
    for (std::int64_t c = 0; c < columns; c += kStrip)
      f(r, std::min(kBlock, rows - r), c, std::min(kStrip, columns - c));
}

void merge(double* mean, double* squares, std::int64_t n, const double* mean_m, const double* squares_m, std::int64_t m,
           std::int64_t columns) {
  if (m == 0) return;
  const double share = double(m) / double(n + m), both = double(n) * share;
  for (std::int64_t c = 0; c < columns; ++c) {
    const double d = mean_m[c] - mean[c];
    mean[c] += d * share;
    squares[c] += squares_m[c] + d * d * both;
  }
}

// Each block is taken relative to its first row: what cancels then is small against the block's own spread.
template <class T>
void moments(const T* x, std::int64_t rows, std::int64_t columns, double* mean, double* squares) {
  std::fill(mean, mean + columns, 0.0), std::fill(squares, squares + columns, 0.0);
  by_blocks(rows, columns, [&](std::int64_t r0, std::int64_t n, std::int64_t c0, std::int64_t width) {
    T sum[kStrip], sum2[kStrip];
    std::fill(sum, sum + width, T(0)), std::fill(sum2, sum2 + width, T(0));
    const T* first = x + r0 * columns + c0;
    by_rows<kTogether>(n, [&]<int R>(std::int64_t r) {
      by_lanes<T>(width, [&]<int L>(std::int64_t c) {
        Vec<T, L> s, s2, shift;
        load(s, sum + c), load(s2, sum2 + c), load(shift, first + c);
        for (int i = 0; i < R; ++i) {
          Vec<T, L> v;
          load(v, first + (r + i) * columns + c);
          v -= shift;
          s += v, s2 += v * v;
        }
        store(s, sum + c), store(s2, sum2 + c);
      });
    });
    double block_mean[kStrip], block_squares[kStrip];
    const double one = 1.0 / double(n);
    for (std::int64_t c = 0; c < width; ++c) {
      const double s = sum[c], away = s * one;
      block_mean[c] = double(first[c]) + away;
      block_squares[c] = std::max(double(sum2[c]) - s * away, 0.0);  // NaN stays
    }
    merge(mean + c0, squares + c0, r0, block_mean, block_squares, n, width);
  });
}

template <class T>
void sums(const T* x, const T* dy, const T* centre, std::int64_t rows, std::int64_t columns, double* dy_sum,
          double* product_sum) {
  std::fill(dy_sum, dy_sum + columns, 0.0), std::fill(product_sum, product_sum + columns, 0.0);
  by_blocks(rows, columns, [&](std::int64_t r0, std::int64_t n, std::int64_t c0, std::int64_t width) {
    T sum[kStrip], product[kStrip];
    std::fill(sum, sum + width, T(0)), std::fill(product, product + width, T(0));
    by_rows<kTogether>(n, [&]<int R>(std::int64_t r) {
      const std::int64_t at = (r0 + r) * columns + c0;
      by_lanes<T>(width, [&]<int L>(std::int64_t c) {
        Vec<T, L> s, p, m;
        load(s, sum + c), load(p, product + c), load(m, centre + c0 + c);
        for (int i = 0; i < R; ++i) {
          Vec<T, L> v, d;
          load(v, x + at + i * columns + c), load(d, dy + at + i * columns + c);
          s += d, p += d * (v - m);
        }
        store(s, sum + c), store(p, product + c);
      });
    });
    for (std::int64_t c = 0; c < width; ++c)
      dy_sum[c0 + c] += double(sum[c]), product_sum[c0 + c] += double(product[c]);
  });
}

template <class T>
void scale(const T* x, const T* centre, const T* factor, const T* offset, std::int64_t rows, std::int64_t columns,
           T* y) {
  by_rows<4>(rows, [&]<int R>(std::int64_t r) {
    by_lanes<T>(columns, [&]<int L>(std::int64_t c) {
      Vec<T, L> m, f, o;
      load(m, centre + c), load(f, factor + c), load(o, offset + c);
      for (std::int64_t i = r; i < r + R; ++i) {
        Vec<T, L> v;
        load(v, x + i * columns + c);
        v = (v - m) * f + o;
        store(v, y + i * columns + c);
      }
    });
  });
}

template <class T>
void mix(const T* x, const T* dy, const T* centre, const T* of_dy, const T* of_x, const T* offset, std::int64_t rows,
         std::int64_t columns, T* dx) {
  by_rows<4>(rows, [&]<int R>(std::int64_t r) {
    by_lanes<T>(columns, [&]<int L>(std::int64_t c) {
      Vec<T, L> m, a, b, o;
      load(m, centre + c), load(a, of_dy + c), load(b, of_x + c), load(o, offset + c);
      for (std::int64_t i = r; i < r + R; ++i) {
        Vec<T, L> v, d;
        load(v, x + i * columns + c), load(d, dy + i * columns + c);
        v = d * a + (v - m) * b + o;
        store(v, dx + i * columns + c);
      }
    });
  });
}

template <class T>
constexpr BatchNormLoopsOf<T> loops_of() {
  return {moments<T>, merge, scale<T>, sums<T>, mix<T>};
}

}  // namespace

constinit const BatchNormLoops batch_norm_loops = {loops_of<float>(), loops_of<double>()};

}  // namespace tapir::cpu::TAPIR_ISA
