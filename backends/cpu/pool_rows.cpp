#include <tapir/backends/cpu/pool_rows.h>

#include <algorithm>
#include <type_traits>
#include <vector>

namespace tapir::cpu::TAPIR_ISA {
namespace {

using i64 = std::int64_t;

// The elements of one window that lie inside the image: offsets from the image's first element, numbers in the window.
struct Places {
  std::vector<i64> offset;
  std::vector<int> number;
  int count = 0;
  explicit Places(const PoolGeometry& g) {
    const auto n = std::size_t(g.size[0] * g.size[1] * g.size[2]);
    offset.resize(n);
    number.resize(n);
  }
  void find(const PoolGeometry& g, i64 od, i64 oh, i64 ow) {
    const i64 d0 = od * g.stride[0] - g.before[0], h0 = oh * g.stride[1] - g.before[1],
              w0 = ow * g.stride[2] - g.before[2];
    count = 0;
    for (i64 d = std::max<i64>(0, -d0); d < std::min(g.size[0], g.input[0] - d0); ++d)
      for (i64 h = std::max<i64>(0, -h0); h < std::min(g.size[1], g.input[1] - h0); ++h)
        for (i64 w = std::max<i64>(0, -w0); w < std::min(g.size[2], g.input[2] - w0); ++w) {
          offset[std::size_t(count)] = (((d0 + d) * g.input[1] + h0 + h) * g.input[2] + w0 + w) * g.channels;
          number[std::size_t(count++)] = int((d * g.size[1] + h) * g.size[2] + w);
        }
  }
};

// f(places, first element of the image, output element) for each output element of some rows.
template <class F>
void each_output(const PoolGeometry& g, i64 from, i64 to, F&& f) {
  Places places(g);
  const i64 image = g.input[0] * g.input[1] * g.input[2] * g.channels, rows = g.output[0] * g.output[1];
  for (i64 r = from; r < to; ++r)
    for (i64 ow = 0; ow < g.output[2]; ++ow) {
      places.find(g, r % rows / g.output[1], r % g.output[1], ow);
      f(places, r / rows * image, (r * g.output[2] + ow) * g.channels);
    }
}

// Calls f.template operator()<L>(c) on runs of L channels.
template <class F>
inline void by_lanes(i64 channels, F&& f) {
  i64 c = 0;
  for (; c + 16 <= channels; c += 16) f.template operator()<16>(c);
  for (; c + 4 <= channels; c += 4) f.template operator()<4>(c);
  for (; c < channels; ++c) f.template operator()<1>(c);
}

// The first of equals wins, and NaN over all others.
template <class T, class W, int L>
inline void max_lanes(const T* x, const Places& p, T* y, W* winners) {
  using I = std::conditional_t<sizeof(T) == 8, std::int64_t, std::int32_t>;
  T v[L];
  I k[L];
  for (int j = 0; j < L; ++j) v[j] = x[p.offset[0] + j], k[j] = I(p.number[0]);
  for (int i = 1; i < p.count; ++i) {
    const T* q = x + p.offset[std::size_t(i)];
    const I number = I(p.number[std::size_t(i)]);
    for (int j = 0; j < L; ++j) {
      const T a = q[j];
      const bool take = !(a <= v[j]) & (v[j] == v[j]);
      v[j] = take ? a : v[j];
      k[j] = take ? number : k[j];
    }
  }
  for (int j = 0; j < L; ++j) y[j] = v[j];
  if (winners)
    for (int j = 0; j < L; ++j) winners[j] = W(k[j]);
}

template <class T, class W>
void max_rows(const PoolGeometry& g, const T* x, T* y, W* winners, i64 from, i64 to) {
  each_output(g, from, to, [&](const Places& p, i64 image, i64 at) {
    by_lanes(g.channels, [&]<int L>(i64 c) {
      max_lanes<T, W, L>(x + image + c, p, y + at + c, winners ? winners + at + c : nullptr);
    });
  });
}

template <class T>
void max(const PoolGeometry& g, const T* x, T* y, void* winners, bool wide, i64 from, i64 to) {
  if (wide) max_rows(g, x, y, static_cast<std::int32_t*>(winners), from, to);
  else max_rows(g, x, y, static_cast<std::uint8_t*>(winners), from, to);
}

template <class T>
void avg(const PoolGeometry& g, const T* x, T* y, i64 from, i64 to) {
  each_output(g, from, to, [&](const Places& p, i64 image, i64 at) {
    by_lanes(g.channels, [&]<int L>(i64 c) {
      T v[L] = {};
      for (int i = 0; i < p.count; ++i) {
        const T* q = x + image + c + p.offset[std::size_t(i)];
        for (int j = 0; j < L; ++j) v[j] += q[j];
      }
      for (int j = 0; j < L; ++j) y[at + c + j] = v[j] / T(p.count);
    });
  });
}

template <class T, class W>
void pick_rows(const PoolGeometry& g, const T* x, T* y, const W* winners, i64 from, i64 to) {
  each_output(g, from, to, [&](const Places& p, i64 image, i64 at) {
    for (int i = 0; i < p.count; ++i) {
      const T* q = x + image + p.offset[std::size_t(i)];
      const W number = W(p.number[std::size_t(i)]);
      for (i64 c = 0; c < g.channels; ++c)
        if (winners[at + c] == number) y[at + c] = q[c];
    }
  });
}

template <class T>
void pick(const PoolGeometry& g, const T* x, T* y, const void* winners, bool wide, i64 from, i64 to) {
  if (wide) pick_rows(g, x, y, static_cast<const std::int32_t*>(winners), from, to);
  else pick_rows(g, x, y, static_cast<const std::uint8_t*>(winners), from, to);
}

// Whole images, since windows of neighbouring rows may overlap.
template <class T, class F>
void spread(const PoolGeometry& g, T* dx, i64 from, i64 to, F&& f) {
  const i64 image = g.input[0] * g.input[1] * g.input[2] * g.channels, rows = g.output[0] * g.output[1];
  for (i64 n = from; n < to; ++n) {
    std::fill(dx + n * image, dx + (n + 1) * image, T(0));
    each_output(g, n * rows, (n + 1) * rows, f);
  }
}

template <class T, class W>
void max_grad_images(const PoolGeometry& g, const T* dy, T* dx, const W* winners, i64 from, i64 to) {
  spread(g, dx, from, to, [&](const Places& p, i64 image, i64 at) {
    for (int i = 0; i < p.count; ++i) {
      T* q = dx + image + p.offset[std::size_t(i)];
      const W number = W(p.number[std::size_t(i)]);
      by_lanes(g.channels, [&]<int L>(i64 c) {
        for (int j = 0; j < L; ++j) q[c + j] += winners[at + c + j] == number ? dy[at + c + j] : T(0);
      });
    }
  });
}

template <class T>
void max_grad(const PoolGeometry& g, const T* dy, T* dx, const void* winners, bool wide, i64 from, i64 to) {
  if (wide) max_grad_images(g, dy, dx, static_cast<const std::int32_t*>(winners), from, to);
  else max_grad_images(g, dy, dx, static_cast<const std::uint8_t*>(winners), from, to);
}

template <class T>
void avg_grad(const PoolGeometry& g, const T* dy, T* dx, i64 from, i64 to) {
  spread(g, dx, from, to, [&](const Places& p, i64 image, i64 at) {
    for (int i = 0; i < p.count; ++i) {
      T* q = dx + image + p.offset[std::size_t(i)];
      for (i64 c = 0; c < g.channels; ++c) q[c] += dy[at + c] / T(p.count);
    }
  });
}

}  // namespace

constinit const PoolFns pool_fns = {{max<float>, pick<float>, avg<float>, max_grad<float>, avg_grad<float>},
                                    {max<double>, pick<double>, avg<double>, max_grad<double>, avg_grad<double>}};

}  // namespace tapir::cpu::TAPIR_ISA
