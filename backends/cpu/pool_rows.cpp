#include <tapir/backends/cpu/pool_rows.h>
#include <tapir/backends/cpu/vec.h>

#include <algorithm>
#include <type_traits>
#include <vector>

namespace tapir::cpu::TAPIR_ISA {
namespace {

using i64 = std::int64_t;

// The elements of one window that lie inside the image: offsets from its first element (which may lie outside), and
// numbers in the window.
struct Places {
  std::vector<i64> offset;
  std::vector<int> number;
  int count = 0;
  bool whole = false;  // the window before was inside too, so that nothing has changed
  explicit Places(const PoolGeometry& g) {
    const auto n = std::size_t(g.size[0] * g.size[1] * g.size[2]);
    offset.resize(n);
    number.resize(n);
  }
  void find(const PoolGeometry& g, const i64 (&first)[3]) {
    i64 from[3], to[3];
    bool inside = true;
    for (int d = 0; d < 3; ++d) {
      from[d] = std::max<i64>(0, -first[d]), to[d] = std::min(g.size[d], g.input[d] - first[d]);
      inside &= from[d] == 0 && to[d] == g.size[d];
    }
    if (inside && whole) return;
    whole = inside;
    count = 0;
    for (i64 d = from[0]; d < to[0]; ++d)
      for (i64 h = from[1]; h < to[1]; ++h)
        for (i64 w = from[2]; w < to[2]; ++w) {
          offset[std::size_t(count)] = ((d * g.input[1] + h) * g.input[2] + w) * g.channels;
          number[std::size_t(count++)] = int((d * g.size[1] + h) * g.size[2] + w);
        }
  }
};

// f(places, where the window starts, output element) for each output element of some rows.
template <class F>
void each_output(const PoolGeometry& g, i64 from, i64 to, F&& f) {
  Places places(g);
  const i64 image = g.input[0] * g.input[1] * g.input[2] * g.channels, rows = g.output[0] * g.output[1];
  for (i64 r = from; r < to; ++r) {
    i64 first[3] = {r % rows / g.output[1] * g.stride[0] - g.before[0], r % g.output[1] * g.stride[1] - g.before[1], 0};
    const i64 row = r / rows * image + (first[0] * g.input[1] + first[1]) * g.input[2] * g.channels;
    for (i64 ow = 0; ow < g.output[2]; ++ow) {
      first[2] = ow * g.stride[2] - g.before[2];
      places.find(g, first);
      f(places, row + first[2] * g.channels, (r * g.output[2] + ow) * g.channels);
    }
  }
}

template <class T>
using IntOf = std::conditional_t<sizeof(T) == 8, std::int64_t, std::int32_t>;

// The first of equals wins, and NaN over all others.
template <class T, class W>
void max_rows(const PoolGeometry& g, const T* x, T* y, W* winners, i64 from, i64 to) {
  each_output(g, from, to, [&](const Places& p, i64 window, i64 at) {
    by_lanes<T>(g.channels, [&]<int L>(i64 c) {
      Vec<T, L> best, a;
      Vec<IntOf<T>, L> winner = Vec<IntOf<T>, L>{} + IntOf<T>(p.number[0]);
      load(best, x + window + p.offset[0] + c);
      for (int i = 1; i < p.count; ++i) {
        load(a, x + window + p.offset[std::size_t(i)] + c);
        auto keep = (a <= best) | (best != best);
        best = keep ? best : a;
        winner = keep ? winner : Vec<IntOf<T>, L>{} + IntOf<T>(p.number[std::size_t(i)]);
      }
      store(best, y + at + c);
      if (!winners) return;
      Vec<W, L> narrow;
      convert(narrow, winner);
      store(narrow, winners + at + c);
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
  each_output(g, from, to, [&](const Places& p, i64 window, i64 at) {
    by_lanes<T>(g.channels, [&]<int L>(i64 c) {
      Vec<T, L> sum = {}, a;
      for (int i = 0; i < p.count; ++i) {
        load(a, x + window + p.offset[std::size_t(i)] + c);
        sum += a;
      }
      store(sum / T(p.count), y + at + c);
    });
  });
}

template <class T, class W>
void pick_rows(const PoolGeometry& g, const T* x, T* y, const W* winners, i64 from, i64 to) {
  each_output(g, from, to, [&](const Places& p, i64 window, i64 at) {
    for (int i = 0; i < p.count; ++i) {
      const T* q = x + window + p.offset[std::size_t(i)];
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

// Gradients: rows whose windows touch no other row's are written once; else they are added up, whole images at a time.
template <class T>
void clear_rows(const PoolGeometry& g, T* dx, i64 from, i64 to) {
  const i64 rows = g.output[0] * g.output[1], image = g.input[0] * g.input[1] * g.input[2] * g.channels;
  if (g.covered()) return;
  std::fill(dx + from / rows * image, dx + to / rows * image, T(0));
}

template <class T, class W>
void max_grad_rows(const PoolGeometry& g, const T* dy, T* dx, const W* winners, i64 from, i64 to) {
  clear_rows(g, dx, from, to);
  const bool add = !g.covered();
  each_output(g, from, to, [&](const Places& p, i64 window, i64 at) {
    by_lanes<T>(g.channels, [&]<int L>(i64 c) {
      Vec<T, L> d, old;
      Vec<W, L> narrow;
      Vec<IntOf<T>, L> winner;
      load(d, dy + at + c);
      load(narrow, winners + at + c);
      convert(winner, narrow);
      for (int i = 0; i < p.count; ++i) {
        T* q = dx + window + p.offset[std::size_t(i)] + c;
        Vec<T, L> mine = winner == IntOf<T>(p.number[std::size_t(i)]) ? d : Vec<T, L>{};
        if (add) load(old, q), mine += old;
        store(mine, q);
      }
    });
  });
}

template <class T>
void max_grad(const PoolGeometry& g, const T* dy, T* dx, const void* winners, bool wide, i64 from, i64 to) {
  if (wide) max_grad_rows(g, dy, dx, static_cast<const std::int32_t*>(winners), from, to);
  else max_grad_rows(g, dy, dx, static_cast<const std::uint8_t*>(winners), from, to);
}

template <class T>
void avg_grad(const PoolGeometry& g, const T* dy, T* dx, i64 from, i64 to) {
  clear_rows(g, dx, from, to);
  const bool add = !g.covered();
  each_output(g, from, to, [&](const Places& p, i64 window, i64 at) {
    by_lanes<T>(g.channels, [&]<int L>(i64 c) {
      Vec<T, L> d, old;
      load(d, dy + at + c);
      d /= T(p.count);
      for (int i = 0; i < p.count; ++i) {
        T* q = dx + window + p.offset[std::size_t(i)] + c;
        Vec<T, L> mine = d;
        if (add) load(old, q), mine += old;
        store(mine, q);
      }
    });
  });
}

}  // namespace

constinit const PoolFns pool_fns = {{max<float>, pick<float>, avg<float>, max_grad<float>, avg_grad<float>},
                                    {max<double>, pick<double>, avg<double>, max_grad<double>, avg_grad<double>}};

}  // namespace tapir::cpu::TAPIR_ISA
