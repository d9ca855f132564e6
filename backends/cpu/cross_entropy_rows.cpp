#include <tapir/backends/cpu/cross_entropy_rows.h>
#include <tapir/backends/cpu/pack.h>

#include <algorithm>
#include <cmath>

namespace tapir::cpu::TAPIR_ISA {
namespace {

using i64 = std::int64_t;

template <class T>
T largest(const T* x, i64 n) {
  T m = x[0];
  for (i64 i = 0; i < n; ++i) m = x[i] > m || x[i] != x[i] ? x[i] : m;
  return m;
}

// out[i] = exp(x[i] - m), returns their sum; a short rest goes through one padded register.
template <class T>
T exponentials(const T* x, i64 n, T m, T* out) {
  constexpr int W = Pack<T>::width;
  const Pack<T> top = Pack<T>(double(m));
  Pack<T> total(0.0);
  i64 i = 0;
  for (; i + W <= n; i += W) {
    Pack<T> e = exp(Pack<T>::load(x + i) - top);
    if (out) e.store(out + i);
    total = total + e;
  }
  T sum = ei::predux(total.p);
  if (i < n) {
    T rest[W];
    for (int j = 0; j < W; ++j) rest[j] = i + j < n ? x[i + j] : m;
    exp(Pack<T>::load(rest) - top).store(rest);
    for (int j = 0; i + j < n; ++j) {
      if (out) out[i + j] = rest[j];
      sum += rest[j];
    }
  }
  return sum;
}

template <class T>
void sparse(const i64* labels, const T* x, T* loss, i64 classes, i64 from, i64 to) {
  for (i64 r = from; r < to; ++r) {
    const T* row = x + r * classes;
    T m = largest(row, classes);
    loss[r] = std::log(exponentials<T>(row, classes, m, nullptr)) + (m - row[labels[r]]);
  }
}

template <class T>
void sparse_grad(const T* dy, const i64* labels, const T* x, T* dx, i64 classes, i64 from, i64 to) {
  for (i64 r = from; r < to; ++r) {
    T* out = dx + r * classes;
    T scale = dy[r] / exponentials(x + r * classes, classes, largest(x + r * classes, classes), out);
    for (i64 i = 0; i < classes; ++i) out[i] *= scale;
    out[labels[r]] -= dy[r];
  }
}

// Labels of zero take no part, whatever the logit.
template <class T>
void dense(const T* labels, const T* x, T* loss, i64 classes, i64 from, i64 to) {
  for (i64 r = from; r < to; ++r) {
    const T *row = x + r * classes, *p = labels + r * classes;
    T m = largest(row, classes), log_sum = std::log(exponentials<T>(row, classes, m, nullptr)), sum = 0;
    for (i64 i = 0; i < classes; ++i) sum += p[i] == T(0) ? T(0) : p[i] * (log_sum - (row[i] - m));
    loss[r] = log_sum == log_sum ? sum : log_sum;
  }
}

template <class T>
void dense_grad(const T* dy, const T* labels, const T* x, T* dx, i64 classes, i64 from, i64 to) {
  for (i64 r = from; r < to; ++r) {
    const T* p = labels + r * classes;
    T *out = dx + r * classes, total = 0;
    for (i64 i = 0; i < classes; ++i) total += p[i];
    T scale = total / exponentials(x + r * classes, classes, largest(x + r * classes, classes), out);
    for (i64 i = 0; i < classes; ++i) out[i] = (out[i] * scale - p[i]) * dy[r];
  }
}

// log(1 + e) without losing small e: log(u) * e / (u - 1) with u = 1 + e.
template <class T>
Pack<T> sigmoid_loss(Pack<T> z, Pack<T> x) {
  const Pack<T> one(1.0), zero(0.0);
  Pack<T> e = exp(-abs(x)), u = one + e;
  Pack<T> tail = where(u == one, e, log(u) * e / (u - one));
  return maximum(x, zero) - x * z + tail;
}

template <class T>
void sigmoid(const T* labels, const T* x, T* loss, i64 from, i64 to) {
  constexpr int W = Pack<T>::width;
  i64 i = from;
  for (; i + W <= to; i += W) sigmoid_loss(Pack<T>::load(labels + i), Pack<T>::load(x + i)).store(loss + i);
  if (i == to) return;
  T z[W], v[W];
  for (int j = 0; j < W; ++j) z[j] = i + j < to ? labels[i + j] : T(0), v[j] = i + j < to ? x[i + j] : T(0);
  sigmoid_loss(Pack<T>::load(z), Pack<T>::load(v)).store(v);
  for (int j = 0; i + j < to; ++j) loss[i + j] = v[j];
}

}  // namespace

constinit const CrossEntropyFns cross_entropy_fns = {
    {sparse<float>, sparse_grad<float>, dense<float>, dense_grad<float>, sigmoid<float>},
    {sparse<double>, sparse_grad<double>, dense<double>, dense_grad<double>, sigmoid<double>}};

}  // namespace tapir::cpu::TAPIR_ISA
