// winograd: 3x3 kernels by Winograd's minimal filtering (Lavin and Gray, Fast Algorithms for Convolutional Neural
// Networks, CVPR 2016) on plain NHWC images. Tiles of 4x4 or 2x2 outputs are computed as 36 or 16 products of small
// matrices, one for each point of the transformed tile. A thread transforms some tiles at a time, so that what they
// become stays in cache until it has been multiplied and transformed back.
//
// The input gradient is the same convolution of dy by the rotated kernel. The kernel gradient multiplies transformed
// tiles of x and dy, [C, tiles] by [tiles, K] for each point, and transforms the sums back once.
#include <tapir/backends/cpu/conv.h>
#include <tapir/backends/cpu/conv_packed.h>
#include <tapir/backends/cpu/parallel.h>
#include <tapir/backends/cpu/winograd_loops.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace tapir::cpu {
namespace {

using Transforms = WinogradTransforms;

const WinogradLoops& loops() {
#if TAPIR_TOP_ISA >= 4
  if (isa() == Isa::v4) return v4::winograd_loops;
#endif
#if TAPIR_TOP_ISA >= 3
  if (isa() >= Isa::v3) return v3::winograd_loops;
#endif
  return v2::winograd_loops;
}

std::int64_t up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to; }
std::int64_t env(const char* n, std::int64_t d) { const char* e = std::getenv(n); return e ? std::atoll(e) : d; }

// A stack of `points` squared matrices [rows, columns] with rows padded so that neither rows nor matrices fall on the
// same cache sets.
struct Stack {
  std::int64_t points, rows, columns;
  std::int64_t row() const { return up(columns, 16) * 16 + 16; }
  std::int64_t matrix() const { return rows * row() + 16; }
  std::int64_t size() const { return points * points * matrix(); }
};

// Images [n, h, w, channels] and squares of their pixels.
struct Images {
  float* data;
  std::int64_t h, w, channels;
  std::int64_t row() const { return w * channels; }
  float* at(std::int64_t n, std::int64_t top, std::int64_t left) const {
    return data + ((n * h + top) * w + left) * channels;
  }
};
struct Square {
  float* data;
  std::int64_t row, column;
};

// Channels [first, first + count) of the square at (top, left): in place, or copied to `spare` with zeros outside.
Square read_square(const Images& from, std::int64_t n, std::int64_t top, std::int64_t left, std::int64_t size,
                   std::int64_t first, std::int64_t count, float* spare) {
  if (top >= 0 && left >= 0 && top + size <= from.h && left + size <= from.w)
    return {from.at(n, top, left) + first, from.row(), from.channels};
  for (std::int64_t i = 0; i < size; ++i)
    for (std::int64_t j = 0; j < size; ++j) {
      float* to = spare + (i * size + j) * count;
      const std::int64_t y = top + i, x = left + j;
      if (y >= 0 && x >= 0 && y < from.h && x < from.w) std::copy_n(from.at(n, y, x) + first, count, to);
      else std::fill_n(to, count, 0.0f);
    }
  return {spare, size * count, count};
}

// A 3x3 convolution of stride 1 in tiles of its output.
struct Tiling {
  const Transforms& t;
  std::int64_t n, out_h, out_w, top, left;  // padding before; may be negative
  std::int64_t rows_of_image() const { return up(out_h, t.size); }
  std::int64_t columns() const { return up(out_w, t.size); }
  std::int64_t rows() const { return n * rows_of_image(); }
  std::int64_t count() const { return rows() * columns(); }

  struct Place { std::int64_t n, y, x; };  // where a tile's output begins
  Place place(std::int64_t tile) const {
    const std::int64_t r = tile / columns();
    return {r / rows_of_image(), r % rows_of_image() * t.size, tile % columns() * t.size};
  }
};

// Tiles at once: what they become should stay in L2 with floats `channels` a tile and point, yet use each packed kernel
// often.
std::int64_t tiles_at_once(const Transforms& t, std::int64_t channels) {
  return std::clamp<std::int64_t>(env("WB", 400) * 1024 / (t.points * t.points * channels * 4), env("WMIN", 24), env("WMAX", 96));
}

// The transformed kernel, [points, points][panels][channels in][width].
struct PackedShape {
  std::int64_t points, in, out, width;
  std::int64_t panels() const { return up(out, width); }
  std::int64_t matrix() const { return panels() * in * width + 16; }
  std::size_t bytes() const { return std::size_t(points * points * matrix()) * sizeof(float); }
};

// Panels [begin, end) of the kernel [3, 3, in, out].
void pack(const Transforms& t, const PackedShape& s, const float* w, float* u, std::int64_t begin, std::int64_t end) {
  for (std::int64_t panel = begin; panel < end; ++panel) {
    const std::int64_t k = panel * s.width, count = std::min(s.width, s.out - k);
    for (std::int64_t c = 0; c < s.in; ++c) {
      float* to = u + (panel * s.in + c) * s.width;
      if (count < s.width)
        for (std::int64_t i = 0; i < s.points * s.points; ++i) std::fill_n(to + i * s.matrix(), s.width, 0.0f);
      t.kernel(w + c * s.out + k, 3 * s.in * s.out, s.in * s.out, to, s.points * s.matrix(), s.matrix(), count);
    }
  }
}
// Panels of the kernel [3, 3, out, in] turned by 180 degrees, with its channels swapped.
void pack_turned(const Transforms& t, const PackedShape& s, const float* w, float* u, std::int64_t begin,
                 std::int64_t end) {
  constexpr std::int64_t at_once = 16;
  ConvScratch<float> scratch(9 * at_once * s.width);
  float* turned = scratch.data();  // [9][in][out] of a panel
  std::fill_n(turned, 9 * at_once * s.width, 0.0f);
  for (std::int64_t panel = begin; panel < end; ++panel) {
    const std::int64_t k = panel * s.width, count = std::min(s.width, s.out - k);
    if (count < s.width) std::fill_n(turned, 9 * at_once * s.width, 0.0f);
    for (std::int64_t c = 0; c < s.in; c += at_once) {
      const std::int64_t some = std::min(at_once, s.in - c);
      for (std::int64_t tap = 0; tap < 9; ++tap)
        for (std::int64_t j = 0; j < count; ++j) {
          const float* from = w + ((8 - tap) * s.out + k + j) * s.in + c;
          float* to = turned + tap * at_once * s.width + j;
          for (std::int64_t i = 0; i < some; ++i) to[i * s.width] = from[i];
        }
      for (std::int64_t i = 0; i < some; ++i)
        t.kernel(turned + i * s.width, 3 * at_once * s.width, at_once * s.width,
                 u + (panel * s.in + c + i) * s.width, s.points * s.matrix(), s.matrix(), s.width);
    }
  }
}

PackedKernel transformed_kernel(const Transforms& t, const PackedShape& s, bool turned, const ConvBuffers& b) {
  std::string key;
  if (b.kernel_id) key = fmt::format("winograd {} {} {} {} {}", b.kernel_id, t.size, turned, s.in, s.out);
  return packed_kernel(key, s.bytes(), [&](std::byte* to) {
    const std::int64_t grain = up(20000, s.points * s.points * s.in);  // about 20 us
    parallel_for(s.panels(), grain, [&](std::int64_t begin, std::int64_t end) {
      (turned ? pack_turned : pack)(t, s, static_cast<const float*>(b.kernel), reinterpret_cast<float*>(to), begin, end);
    });
  });
}

// y = x convolved with the transformed kernel u: tiles [begin, end), panels [first, last).
class Convolution {
 public:
  Convolution(const Tiling& g, const Images& x, const PackedShape& s, const float* u, const Images& y)
      : g_(g), t_(g.t), x_(x), y_(y), s_(s), u_(u), at_once_(tiles_at_once(g.t, x.channels + s.panels() * s.width)) {}

  template <class Done>
  void run(std::int64_t begin, std::int64_t end, std::int64_t first, std::int64_t last, const Done& done) const {
    const std::int64_t chunks = up(end - begin, at_once_), most = up(end - begin, chunks);
    const Stack in{t_.points, most, s_.in}, out{t_.points, most, (last - first) * s_.width};
    ConvScratch<float> v(in.size()), m(out.size()),
        spare(t_.points * t_.points * std::max(s_.in, (last - first) * s_.width));
    for (std::int64_t i = 0; i < chunks; ++i) {
      const std::int64_t from = begin + (end - begin) * i / chunks, to = begin + (end - begin) * (i + 1) / chunks;
      for (std::int64_t j = from; j < to; ++j) read(j, in, v.data() + (j - from) * in.row(), spare.data());
      multiply(to - from, first, last, in, v.data(), out, m.data());
      for (std::int64_t j = from; j < to; ++j)
        write(j, out, m.data() + (j - from) * out.row(), first * s_.width, last * s_.width, spare.data());
      done(from, to);
    }
  }

 private:
  void read(std::int64_t tile, const Stack& in, float* v, float* spare) const {
    const auto at = g_.place(tile);
    const Square q = read_square(x_, at.n, at.y - g_.top, at.x - g_.left, t_.points, 0, s_.in, spare);
    t_.input(q.data, q.row, q.column, v, t_.points * in.matrix(), in.matrix(), s_.in);
  }
  void multiply(std::int64_t rows, std::int64_t first, std::int64_t last, const Stack& in, const float* v,
                const Stack& out, float* m) const {
    const std::int64_t parts = up(s_.in, 320);  // of the sum, so that a panel stays in L1
    for (std::int64_t i = 0; i < t_.points * t_.points; ++i)
      for (std::int64_t part = 0; part < parts; ++part) {
        const std::int64_t c = s_.in * part / parts, depth = s_.in * (part + 1) / parts - c;
        for (std::int64_t panel = first; panel < last; ++panel) {
          const float* u = u_ + i * s_.matrix() + (panel * s_.in + c) * s_.width;
          loops().product(rows, depth, v + i * in.matrix() + c, in.row(), u, s_.width, part > 0,
                          m + i * out.matrix() + (panel - first) * s_.width, out.row(), u + s_.in * s_.width);
        }
      }
  }
  // Channels [first, last) of the tile's output.
  void write(std::int64_t tile, const Stack& out, const float* m, std::int64_t first, std::int64_t last,
             float* spare) const {
    const auto at = g_.place(tile);
    const std::int64_t count = std::min(last, s_.out) - first;
    float* to = y_.at(at.n, at.y, at.x) + first;
    const std::int64_t h = std::min<std::int64_t>(t_.size, y_.h - at.y), w = std::min<std::int64_t>(t_.size, y_.w - at.x);
    if (h == t_.size && w == t_.size)
      return t_.output(m, t_.points * out.matrix(), out.matrix(), to, y_.row(), y_.channels, count);
    t_.output(m, t_.points * out.matrix(), out.matrix(), spare, t_.size * count, count, count);
    for (std::int64_t i = 0; i < h; ++i)
      for (std::int64_t j = 0; j < w; ++j)
        std::copy_n(spare + (i * t_.size + j) * count, count, to + i * y_.row() + j * y_.channels);
  }

  const Tiling& g_;
  const Transforms& t_;
  const Images &x_, &y_;
  const PackedShape& s_;
  const float* u_;
  std::int64_t at_once_;
};

void convolve(const Tiling& g, const Images& x, const PackedShape& s, const float* u, const Images& y,
              const ConvBuffers& b) {
  const Convolution c(g, x, s, u, y);
  const std::int64_t threads = num_threads(), columns = g.columns();
  // Few tiles: each thread takes all of them, and a part of the kernel.
  if (g.count() < 48 * threads && threads > 1 && s.panels() >= threads) {
    parallel_for(s.panels(), 1, [&](std::int64_t first, std::int64_t last) {
      c.run(0, g.count(), first, last, [](std::int64_t, std::int64_t) {});
    });
    if (b.after) b.after->over_all();
    return;
  }
  const double work = double(g.t.points * g.t.points * columns * s.in) * double(s.out);  // of a row of tiles
  parallel_for(g.rows(), std::int64_t(1e6 / work) + 1, [&](std::int64_t begin, std::int64_t end) {
    c.run(begin * columns, end * columns, 0, s.panels(), [&](std::int64_t from, std::int64_t to) {
      if (!b.after) return;
      for (std::int64_t row = up(from - columns + 1, columns); row < to / columns; ++row) {
        const auto at = g.place(row * columns);
        const std::int64_t h = std::min<std::int64_t>(g.t.size, y.h - at.y);
        b.ready(y.at(at.n, at.y, 0) - y.data, h * y.row());
      }
    });
  });
}

// The sums over tiles of the products of x's and dy's, for channels [first, last) of x.
class KernelGradient {
 public:
  KernelGradient(const Tiling& g, const Images& x, const Images& dy, float* dw)
      : g_(g), t_(g.t), x_(x), dy_(dy), dw_(dw) {}

  Stack sums(std::int64_t channels) const { return {t_.points, channels, dy_.channels}; }

  void add_up(std::int64_t begin, std::int64_t end, std::int64_t first, std::int64_t last, float* sum) const {
    const std::int64_t width = loops().width, k = dy_.channels, panels = up(k, width), count = last - first;
    const std::int64_t chunks = up(end - begin, tiles_at_once(t_, count + k)), most = up(end - begin, chunks);
    const Stack vs{t_.points, most, count}, ds{t_.points, most, k}, ss = sums(count);
    ConvScratch<float> v(vs.size()), d(ds.size()), spare(t_.points * t_.points * std::max(count, k));
    if (k % width) std::fill_n(d.data(), ds.size(), 0.0f);
    for (std::int64_t i = 0; i < chunks; ++i) {
      const std::int64_t from = begin + (end - begin) * i / chunks, to = begin + (end - begin) * (i + 1) / chunks;
      for (std::int64_t j = from; j < to; ++j) {
        const auto at = g_.place(j);
        Square q = read_square(x_, at.n, at.y - g_.top, at.x - g_.left, t_.points, first, count, spare.data());
        t_.input(q.data, q.row, q.column, v.data() + (j - from) * vs.row(), t_.points * vs.matrix(), vs.matrix(), count);
        q = read_square(dy_, at.n, at.y, at.x, t_.size, 0, k, spare.data());
        t_.output_gradient(q.data, q.row, q.column, d.data() + (j - from) * ds.row(), t_.points * ds.matrix(),
                           ds.matrix(), k);
      }
      for (std::int64_t a = 0; a < t_.points * t_.points; ++a)
        for (std::int64_t panel = 0; panel < panels; ++panel) {
          const float* b = d.data() + a * ds.matrix() + panel * width;
          loops().transposed_product(count, to - from, v.data() + a * vs.matrix(), vs.row(), b, ds.row(), i > 0,
                                     sum + a * ss.matrix() + panel * width, ss.row(), b + width);
        }
    }
  }
  // Transforms the sums for `first` and following channels back.
  void finish(std::int64_t first, std::int64_t last, const float* sum) const {
    const std::int64_t tap = x_.channels * dy_.channels;
    const Stack s = sums(last - first);
    for (std::int64_t c = first; c < last; ++c)
      t_.kernel_gradient(sum + (c - first) * s.row(), t_.points * s.matrix(), s.matrix(), dw_ + c * dy_.channels,
                         3 * tap, tap, dy_.channels);
  }

  void run() const {
    const std::int64_t c = x_.channels, threads = num_threads(), bytes = t_.points * t_.points * dy_.channels * 4;
    // Channels in parts whose sums stay in cache, tiles in parts where those are too few for the threads.
    std::int64_t parts = std::clamp<std::int64_t>(up(c * bytes, env("WACC", 2400) << 10), 1, up(c, 32));
    if (parts > 1 && parts % threads && c / up(parts, threads) / threads >= 32) parts = up(parts, threads) * threads;
    const std::int64_t shares = std::clamp<std::int64_t>(
        std::min<std::int64_t>(up(threads, parts), (64 << 20) / (c * bytes)), 1, up(g_.count(), 24));
    const std::int64_t size = sums(up(c, parts)).size();
    auto begin_of = [&](std::int64_t part) { return c * part / parts; };
    if (shares == 1)
      return parallel_for(parts, 1, [&](std::int64_t part, std::int64_t end) {
        ConvScratch<float> sum(size);
        for (; part < end; ++part) {
          add_up(0, g_.count(), begin_of(part), begin_of(part + 1), sum.data());
          finish(begin_of(part), begin_of(part + 1), sum.data());
        }
      });
    ConvScratch<float> all(parts * shares * size);
    parallel_for(parts * shares, 1, [&](std::int64_t i, std::int64_t end) {
      for (; i < end; ++i)
        add_up(g_.count() * (i % shares) / shares, g_.count() * (i % shares + 1) / shares, begin_of(i / shares),
               begin_of(i / shares + 1), all.data() + i * size);
    });
    for (std::int64_t part = 0; part < parts; ++part) {
      float* sum = all.data() + part * shares * size;
      const std::int64_t used = sums(begin_of(part + 1) - begin_of(part)).size();
      parallel_for(used, 1 << 15, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t share = 1; share < shares; ++share)
          for (std::int64_t j = begin; j < end; ++j) sum[j] += sum[share * size + j];
      });
      finish(begin_of(part), begin_of(part + 1), sum);
    }
  }

 private:
  const Tiling& g_;
  const Transforms& t_;
  const Images &x_, &dy_;
  float* dw_;
};

void run(const ConvProblem& p, ConvDirection d, const ConvBuffers& b) {
  const Transforms& t = env("WTILE", 4) == 4 ? loops().four : loops().two;
  const Images x{static_cast<float*>(b.x), p.in[1], p.in[2], p.c}, y{static_cast<float*>(b.y), p.out[1], p.out[2], p.k};
  const Tiling outward{t, p.n, p.out[1], p.out[2], p.before[1], p.before[2]};
  if (d == ConvDirection::kernel_gradient) return KernelGradient(outward, x, y, static_cast<float*>(b.kernel)).run();
  const bool back = d == ConvDirection::input_gradient;
  const PackedShape s{t.points, back ? p.k : p.c, back ? p.c : p.k, loops().width};
  const PackedKernel u = transformed_kernel(t, s, back, b);
  const float* packed = reinterpret_cast<const float*>(u.get());
  if (!back) return convolve(outward, x, s, packed, y, b);
  const Tiling inward{t, p.n, p.in[1], p.in[2], 2 - p.before[1], 2 - p.before[2]};
  convolve(inward, y, s, packed, x, {});
}

}  // namespace

const ConvEntry conv_winograd = {
    ConvAlgorithm::winograd,
    [](const ConvProblem& p, ConvDirection) -> std::string {
      if (p.dtype != DType::f32) return fmt::format("it takes f32, not {}", name_of(p.dtype));
      if (p.groups != 1) return fmt::format("{} groups, it takes 1", p.groups);
      if (p.kernel[0] != 1 || p.in[0] != 1 || p.out[0] != 1) return "it takes no depth";
      if (p.kernel[1] != 3 || p.kernel[2] != 3)
        return fmt::format("a {}x{} kernel, it takes 3x3", p.kernel[1], p.kernel[2]);
      for (int i : {1, 2}) {
        if (p.stride[i] != 1) return fmt::format("stride {}, it takes 1", p.stride[i]);
        if (p.dilation[i] != 1) return fmt::format("dilation {}, it takes 1", p.dilation[i]);
      }
      return "";
    },
    [](const ConvProblem&, ConvDirection) -> std::string { return "not tuned yet"; },
    run,
    true,
};

}  // namespace tapir::cpu
