#include <tapir/backends/cpu/conv_depthwise_loops.h>
#include <tapir/backends/cpu/pack.h>

#include <utility>

namespace tapir::cpu::TAPIR_ISA {
namespace {

// Pixels, or taps, whose sums stay in registers. Few pixels, so that memory is walked nearly in order.
constexpr int pixel_block = 6, tap_block = 12;

// One channel, or one register of channels.
template <class T>
struct One {
  static constexpr int width = 1;
  T v;
  static One zero() { return {T(0)}; }
  static One load(const T* p) { return {*p}; }
  void store(T* p) const { *p = v; }
};
template <class T>
One<T> fma(One<T> a, One<T> b, One<T> c) {
  return {a.v * b.v + c.v};
}
template <class T>
One<T> operator+(One<T> a, One<T> b) {
  return {a.v + b.v};
}

template <class V>
V zero() {
  if constexpr (requires { V::zero(); }) return V::zero();
  else return V(0.0);
}

// Calls f<B>(begin) over [0, n) in blocks of nearly equal size, `most` at most.
template <class F, int... B>
void call_block(std::int64_t size, std::int64_t begin, const F& f, std::integer_sequence<int, B...>) {
  (void)((size == B + 1 && (f.template operator()<B + 1>(begin), true)) || ...);
}
template <int most, class F>
void in_blocks(std::int64_t n, const F& f) {
  const std::int64_t blocks = (n + most - 1) / most;
  for (std::int64_t i = 0; i < blocks; ++i) {
    const std::int64_t begin = n * i / blocks, end = n * (i + 1) / blocks;
    call_block(end - begin, begin, f, std::make_integer_sequence<int, most>());
  }
}

// Calls f<V>(channel, done) for whole registers, the last of which may overlap the one before by `done` channels;
// single channels where there are less than a register.
template <class T, class F>
void each_channel(std::int64_t channels, const F& f) {
  constexpr std::int64_t width = Pack<T>::width;
  if (channels < width) {
    for (std::int64_t c = 0; c < channels; ++c) f.template operator()<One<T>>(c, 0);
    return;
  }
  std::int64_t c = 0;
  for (; c + width <= channels; c += width) f.template operator()<Pack<T>>(c, 0);
  if (c < channels) f.template operator()<Pack<T>>(channels - width, c - (channels - width));
}

// `now` for the lanes from `done` on, `before` for the others.
template <class T>
One<T> from_lane(std::int64_t, One<T> now, One<T>) {
  return now;
}
template <class T>
Pack<T> from_lane(std::int64_t done, Pack<T> now, Pack<T> before) {
  if (!done) return now;
  T numbers[Pack<T>::width];
  for (int i = 0; i < Pack<T>::width; ++i) numbers[i] = T(i);
  return where(Pack<T>(double(done)) <= Pack<T>::load(numbers), now, before);
}

template <class T>
void apply(const DepthwiseTap* taps, std::int64_t count, std::int64_t pixels, std::int64_t channels, const T* in,
           std::int64_t in_step, const T* w, T* out, std::int64_t out_step) {
  in_blocks<pixel_block>(pixels, [&]<int B>(std::int64_t p) {
    each_channel<T>(channels, [&]<class V>(std::int64_t c, std::int64_t) {
      V sum[B];
#pragma GCC unroll 12
      for (int b = 0; b < B; ++b) sum[b] = zero<V>();
      for (std::int64_t t = 0; t < count; ++t) {
        const V weight = V::load(w + taps[t].weight + c);
        const T* from = in + taps[t].offset + p * in_step + c;
#pragma GCC unroll 12
        for (int b = 0; b < B; ++b, from += in_step) sum[b] = fma(V::load(from), weight, sum[b]);
      }
      T* to = out + p * out_step + c;
#pragma GCC unroll 12
      for (int b = 0; b < B; ++b, to += out_step) sum[b].store(to);
    });
  });
}

template <class T>
void sum(const DepthwiseTap* taps, std::int64_t count, std::int64_t pixels, std::int64_t channels, const T* x,
         std::int64_t x_step, const T* dy, std::int64_t dy_step, T* out) {
  each_channel<T>(channels, [&]<class V>(std::int64_t c, std::int64_t done) {
    in_blocks<tap_block>(count, [&]<int B>(std::int64_t first) {
      V sums[B];
      const T* from[B];
#pragma GCC unroll 12
      for (int b = 0; b < B; ++b) {
        sums[b] = zero<V>();
        from[b] = x + taps[first + b].offset + c;
      }
      const T* d = dy + c;
      for (std::int64_t p = 0, at = 0; p < pixels; ++p, at += x_step, d += dy_step) {
        const V g = V::load(d);
#pragma GCC unroll 12
        for (int b = 0; b < B; ++b) sums[b] = fma(V::load(from[b] + at), g, sums[b]);
      }
#pragma GCC unroll 12
      for (int b = 0; b < B; ++b) {
        T* to = out + taps[first + b].weight + c;
        const V before = V::load(to);
        from_lane(done, before + sums[b], before).store(to);
      }
    });
  });
}

}  // namespace

extern constinit const DepthwiseTable depthwise_loops = {{apply<float>, sum<float>}, {apply<double>, sum<double>}};

}  // namespace tapir::cpu::TAPIR_ISA
