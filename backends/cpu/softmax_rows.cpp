// Rows of softmax and its relatives, compiled once for each instruction set. A row stays in cache between its passes.
#include <tapir/backends/cpu/fold_row.h>
#include <tapir/backends/cpu/softmax.h>

#include <cmath>
#include <limits>

namespace tapir::cpu::TAPIR_ISA {
namespace {

// exp(x) for x <= 0, to 2 units in the last place; 0 below the smallest normal number; NaN for NaN.
// Cephes' polynomial on [-ln 2 / 2, ln 2 / 2], as in Eigen; the power of two comes from adding 1.5 * 2^23.
inline Register<float>::V exp_below_zero(Register<float>::V x) {
  using V = Register<float>::V;
  typedef std::uint32_t I __attribute__((vector_size(kBytes)));
  const V shifted = x * 1.44269504088896341f + 12582912.0f;
  const V n = shifted - 12582912.0f;
  V r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  V p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  I power;
  std::memcpy(&power, &shifted, sizeof power);
  power = (power << 23) + 0x3f800000;
  V scale;
  std::memcpy(&scale, &power, sizeof scale);
  const V zero{};
  return x < -87.33f ? zero : p * scale;
}
inline Register<double>::V exp_below_zero(Register<double>::V x) {
  for (int i = 0; i < Register<double>::lanes; ++i) x[i] = std::exp(x[i]);
  return x;
}

template <class T>
using Vector = typename Register<T>::V;

// f(i, v...) for each register of the row: v... are loaded at i, the last register is filled up with `pad`.
// What f returns is stored to out[i], if there is an out.
template <class T, class F, class... In>
void each_register(T* out, std::int64_t n, T pad, F f, const In*... in) {
  constexpr int L = Register<T>::lanes;
  std::int64_t i = 0;
  for (; i + L <= n; i += L) {
    Vector<T> v = f(Register<T>::load(in + i)...);
    if (out) std::memcpy(out + i, &v, sizeof v);
  }
  if (i == n) return;
  auto some = [&](const T* p) {
    T lane[L];
    for (int j = 0; j < L; ++j) lane[j] = i + j < n ? p[i + j] : pad;
    return Register<T>::load(lane);
  };
  Vector<T> v = f(some(in)...);
  if (out)
    for (int j = 0; i + j < n; ++j) out[i + j] = v[j];
}

constexpr std::int64_t kBlock = 512;  // sums join in f64 after so many elements

// sum(exp(x - m)); the terms go to y if it is not null.
template <class T>
double exp_sum(const T* x, T m, T* y, std::int64_t n) {
  double total = 0;
  for (std::int64_t b = 0; b < n; b += kBlock) {
    Vector<T> sum{};
    each_register<T>(
        y ? y + b : nullptr, std::min(kBlock, n - b), -std::numeric_limits<T>::infinity(),
        [&](Vector<T> v) {
          Vector<T> e = exp_below_zero(v - m);
          sum += e;
          return e;
        },
        x + b);
    total += double(lanes_of<SumOf<T>>(sum));
  }
  return total;
}

template <class T>
T largest(const T* x, std::int64_t n) {
  return row<ExtremeOf<T, true>>(x, n);
}

template <class T>
void softmax(const void* a, const void*, void* out, std::int64_t n) {
  auto* x = static_cast<const T*>(a);
  auto* y = static_cast<T*>(out);
  const T scale = T(1 / exp_sum(x, largest(x, n), y, n));
  each_register<T>(
      y, n, T(0), [&](Vector<T> e) { return e * scale; }, y);
}

template <class T>
void log_softmax(const void* a, const void*, void* out, std::int64_t n) {
  auto* x = static_cast<const T*>(a);
  const T m = largest(x, n), log_sum = T(std::log(exp_sum<T>(x, m, nullptr, n)));
  each_register<T>(
      static_cast<T*>(out), n, T(0), [&](Vector<T> v) { return (v - m) - log_sum; }, x);
}

template <class T>
void logsumexp(const void* a, const void*, void* out, std::int64_t n) {
  auto* x = static_cast<const T*>(a);
  T m = n ? largest(x, n) : -std::numeric_limits<T>::infinity();
  if (std::isfinite(m)) m = T(double(m) + std::log(exp_sum<T>(x, m, nullptr, n)));
  *static_cast<T*>(out) = m;
}

template <class T>
void softmax_grad(const void* a, const void* b, void* out, std::int64_t n) {
  auto *y = static_cast<const T*>(a), *dy = static_cast<const T*>(b);
  double dot = 0;
  for (std::int64_t i = 0; i < n; i += kBlock) {
    Vector<T> sum{};
    each_register<T>(
        static_cast<T*>(nullptr), std::min(kBlock, n - i), T(0), [&](Vector<T> p, Vector<T> q) { return sum += p * q; },
        y + i, dy + i);
    dot += double(lanes_of<SumOf<T>>(sum));
  }
  const T d = T(dot);
  each_register<T>(
      static_cast<T*>(out), n, T(0), [&](Vector<T> p, Vector<T> q) { return p * (q - d); }, y, dy);
}

template <class T>
void log_softmax_grad(const void* a, const void* b, void* out, std::int64_t n) {
  auto *y = static_cast<const T*>(a), *dy = static_cast<const T*>(b);
  const T sum = T(row<SumOf<T>>(dy, n));
  each_register<T>(
      static_cast<T*>(out), n, T(0), [&](Vector<T> p, Vector<T> q) { return q - exp_below_zero(p) * sum; }, y, dy);
}

template <class T>
constexpr SoftmaxRows rows_of() {
  return {softmax<T>, softmax_grad<T>, log_softmax<T>, log_softmax_grad<T>, logsumexp<T>};
}

}  // namespace

constinit const SoftmaxRows softmax_rows[2] = {rows_of<float>(), rows_of<double>()};

}  // namespace tapir::cpu::TAPIR_ISA
