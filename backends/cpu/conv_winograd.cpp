// winograd: 3x3 kernels by Winograd's minimal filtering (Lavin and Gray, Fast Algorithms for Convolutional Neural
// Networks, CVPR 2016) on plain NHWC images. Tiles of 4x4 or 2x2 outputs are computed as 36 or 16 products of small
// matrices, one for each point of the transformed tile. A thread transforms some tiles at a time, so that what they
// become stays in cache until it has been multiplied and transformed back.
//
// The input gradient is the same convolution of dy by the rotated kernel. The kernel gradient multiplies transformed
// tiles of x and dy, [C, tiles] by [tiles, K] for each point, and transforms the sums back once.
#include <tapir/backends/cpu/conv.h>
#include <tapir/backends/cpu/conv_cost.h>
#include <tapir/backends/cpu/conv_packed.h>
#include <tapir/backends/cpu/parallel.h>
#include <tapir/backends/cpu/winograd_loops.h>

#include <fmt/format.h>

#include <algorithm>

namespace tapir::cpu {
namespace {

using Transforms = WinogradTransforms;

constexpr std::size_t kHuge = 64 << 20;  // bytes of a transformed kernel that are neither kept nor made at once

const WinogradLoops& loops() {
#if TAPIR_TOP_ISA >= 4
  if (isa() == Isa::v4) return v4::winograd_loops;
#endif
#if TAPIR_TOP_ISA >= 3
  if (isa() >= Isa::v3) return v3::winograd_loops;
#endif
  return v2::winograd_loops;
}

std::int64_t ceil_div(std::int64_t n, std::int64_t by) { return (n + by - 1) / by; }

// A stack of `points` squared matrices [rows, columns] with rows padded so that neither rows nor matrices fall on the
// same cache sets.
struct Stack {
  std::int64_t points, rows, columns;
  std::int64_t row() const { return ceil_div(columns, 16) * 16 + 16; }
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
  std::int64_t rows_of_image() const { return ceil_div(out_h, t.size); }
  std::int64_t columns() const { return ceil_div(out_w, t.size); }
  std::int64_t rows() const { return n * rows_of_image(); }
  std::int64_t count() const { return rows() * columns(); }

  // Where a tile's output begins.
  struct Place {
    std::int64_t n, y, x;
  };
  Place place(std::int64_t tile) const {
    const std::int64_t r = tile / columns();
    return {r / rows_of_image(), r % rows_of_image() * t.size, tile % columns() * t.size};
  }
};

// Tiles at once: what they become, `channels` floats for each tile and point, should stay in L2, yet each row of a
// kernel be used often.
std::int64_t tiles_at_once(const Transforms& t, std::int64_t channels) {
  return std::clamp<std::int64_t>((640 << 10) / (t.points * t.points * channels * 4), 36, 96);
}

// What is multiplied with x: w [3, 3, in, out], or w [3, 3, out, in] turned by 180 degrees for the input gradient.
struct Kernel {
  const float* w;
  std::int64_t in, out;
  bool turned;
  std::int64_t panels() const { return ceil_div(out, loops().width); }
};

// Panels [first, last) of the transformed kernel: [points, points][panels][in][width].
struct Packed {
  const Kernel& kernel;
  const Transforms& t;
  std::int64_t first, last;
  float* data = nullptr;
  std::int64_t width = loops().width;

  std::int64_t matrix() const { return (last - first) * kernel.in * width + 16; }
  std::int64_t size() const { return t.points * t.points * matrix(); }
  float* at(std::int64_t panel, std::int64_t c) const { return data + ((panel - first) * kernel.in + c) * width; }

  // Writes panels [begin, end).
  void pack(std::int64_t begin, std::int64_t end) const {
    if (!kernel.turned)
      for (std::int64_t c = 0; c < kernel.in; ++c)
        for (std::int64_t panel = begin; panel < end; ++panel) pack_straight(panel, c);
    else
      for (std::int64_t panel = begin; panel < end; ++panel) pack_turned(panel);
  }
  void pack_all() const {
    const std::int64_t grain = ceil_div(20000, t.points * t.points * kernel.in);  // about 20 us
    parallel_for(last - first, grain, [&](std::int64_t begin, std::int64_t end) { pack(first + begin, first + end); });
  }

 private:
  std::int64_t channels(std::int64_t panel) const { return std::min(width, kernel.out - panel * width); }
  void pack_straight(std::int64_t panel, std::int64_t c) const {
    const std::int64_t tap = kernel.in * kernel.out, count = channels(panel);
    float* to = at(panel, c);
    if (count < width)
      for (std::int64_t i = 0; i < t.points * t.points; ++i) std::fill_n(to + i * matrix(), width, 0.0f);
    t.kernel(kernel.w + c * kernel.out + panel * width, 3 * tap, tap, to, t.points * matrix(), matrix(), count);
  }
  void pack_turned(std::int64_t panel) const {
    const std::int64_t k = panel * width, count = channels(panel);
    constexpr std::int64_t at_once = 16;
    const std::int64_t tap = at_once * width;
    ConvScratch<float> turned(9 * tap);  // [9][at_once][width]
    std::fill_n(turned.data(), 9 * tap, 0.0f);
    for (std::int64_t c = 0; c < kernel.in; c += at_once) {
      const std::int64_t some = std::min(at_once, kernel.in - c);
      for (std::int64_t i = 0; i < 9; ++i)
        for (std::int64_t j = 0; j < count; ++j) {
          const float* from = kernel.w + ((8 - i) * kernel.out + k + j) * kernel.in + c;
          float* to = turned.data() + i * tap + j;
          for (std::int64_t l = 0; l < some; ++l) to[l * width] = from[l];
        }
      for (std::int64_t l = 0; l < some; ++l)
        t.kernel(turned.data() + l * width, 3 * tap, tap, at(panel, c + l), t.points * matrix(), matrix(), width);
    }
  }
};

// y = x convolved with a kernel.
class Convolution {
 public:
  Convolution(const Tiling& g, const Images& x, const Kernel& kernel, const Images& y)
      : g_(g), t_(g.t), x_(x), y_(y), kernel_(kernel) {}

  void run(const ConvBuffers& b) const {
    const std::int64_t panels = kernel_.panels(), threads = num_threads();
    Packed whole{kernel_, t_, 0, panels};
    const std::size_t bytes = std::size_t(whole.size()) * sizeof(float);
    const PackedKernel kept = kept_kernel(whole, bytes, b.kernel_id);
    whole.data = reinterpret_cast<float*>(kept.get());
    // Few tiles: each thread takes all of them, and a part of the kernel.
    if (g_.count() < 48 * threads && panels >= threads) {
      parallel_for(panels, 1, [&](std::int64_t first, std::int64_t last) {
        kept ? tiles(0, g_.count(), whole, first, last) : panels_in_turn(first, last);
      });
      if (b.after) b.after->over_all();
      return;
    }
    if (kept) return rows(whole, b);
    // A huge kernel in parts.
    const std::int64_t parts = std::clamp<std::int64_t>(std::int64_t(bytes / kHuge), 1, panels);
    for (std::int64_t i = 0; i < parts; ++i) {
      Packed part{kernel_, t_, panels * i / parts, panels * (i + 1) / parts};
      ConvScratch<float> memory(part.size());
      part.data = memory.data();
      part.pack_all();
      rows(part, parts == 1 ? b : ConvBuffers{});
    }
    if (parts > 1 && b.after) b.after->over_all();
  }

 private:
  // The whole kernel, transformed, if it comes again.
  PackedKernel kept_kernel(Packed whole, std::size_t bytes, std::uint64_t id) const {
    if (!id || bytes > kHuge) return nullptr;
    const auto key = fmt::format("winograd {} {} {} {} {}", id, t_.size, kernel_.turned, kernel_.in, kernel_.out);
    if (auto found = find_packed(key)) return found;
    if (!worth_packing(key)) return nullptr;
    PackedKernel made = packed_memory(bytes);
    whole.data = reinterpret_cast<float*>(made.get());
    whole.pack_all();
    keep_packed(key, made, bytes);
    return made;
  }

  // All tiles, with a few panels at a time that are transformed just before they are used.
  void panels_in_turn(std::int64_t first, std::int64_t last) const {
    constexpr std::int64_t at_once = 4;
    Packed some{kernel_, t_, first, std::min(last, first + at_once)};
    ConvScratch<float> memory(some.size());
    some.data = memory.data();
    for (; some.first < last; some.first = some.last) {
      some.last = std::min(last, some.first + at_once);
      some.pack(some.first, some.last);
      tiles(0, g_.count(), some, some.first, some.last);
    }
  }

  // All tiles by rows, with all panels of u.
  void rows(const Packed& u, const ConvBuffers& b) const {
    const std::int64_t columns = g_.columns();
    const double work = double(t_.points * t_.points * columns * kernel_.in) * double((u.last - u.first) * u.width);
    parallel_for(g_.rows(), std::int64_t(1e6 / work) + 1, [&](std::int64_t begin, std::int64_t end) {
      tiles(begin * columns, end * columns, u, u.first, u.last, [&](std::int64_t from, std::int64_t to) {
        for (std::int64_t row = from / columns; b.after && row < to / columns; ++row) {
          const auto at = g_.place(row * columns);
          b.ready(y_.at(at.n, at.y, 0) - y_.data, std::min<std::int64_t>(t_.size, y_.h - at.y) * y_.row());
        }
      });
    });
  }

  // Tiles [begin, end) with panels [first, last) of u; done(from, to) after some of the tiles.
  template <class Done>
  void tiles(std::int64_t begin, std::int64_t end, const Packed& u, std::int64_t first, std::int64_t last,
             const Done& done) const {
    const std::int64_t channels = (last - first) * u.width, in = kernel_.in;
    const std::int64_t chunks = ceil_div(end - begin, tiles_at_once(t_, in + channels)),
                       most = ceil_div(end - begin, chunks);
    const Stack vs{t_.points, most, in}, ms{t_.points, most, channels};
    ConvScratch<float> v(vs.size()), m(ms.size()), spare(t_.points * t_.points * std::max(in, channels));
    for (std::int64_t i = 0; i < chunks; ++i) {
      const std::int64_t from = begin + (end - begin) * i / chunks, to = begin + (end - begin) * (i + 1) / chunks;
      for (std::int64_t j = from; j < to; ++j) read(j, vs, v.data() + (j - from) * vs.row(), spare.data());
      multiply(to - from, vs, v.data(), u, first, last, ms, m.data());
      const std::int64_t c = first * u.width, count = std::min(channels, kernel_.out - c);
      for (std::int64_t j = from; j < to; ++j) write(j, ms, m.data() + (j - from) * ms.row(), c, count, spare.data());
      done(from, to);
    }
  }
  void tiles(std::int64_t begin, std::int64_t end, const Packed& u, std::int64_t first, std::int64_t last) const {
    tiles(begin, end, u, first, last, [](std::int64_t, std::int64_t) {});
  }

  void read(std::int64_t tile, const Stack& s, float* v, float* spare) const {
    const auto at = g_.place(tile);
    const Square q = read_square(x_, at.n, at.y - g_.top, at.x - g_.left, t_.points, 0, kernel_.in, spare);
    t_.input(q.data, q.row, q.column, v, t_.points * s.matrix(), s.matrix(), kernel_.in);
  }
  void multiply(std::int64_t rows, const Stack& vs, const float* v, const Packed& u, std::int64_t first,
                std::int64_t last, const Stack& ms, float* m) const {
    const std::int64_t parts = ceil_div(kernel_.in, 320);  // of the sums, so that a panel stays in L1
    for (std::int64_t i = 0; i < t_.points * t_.points; ++i)
      for (std::int64_t part = 0; part < parts; ++part) {
        const std::int64_t c = kernel_.in * part / parts, depth = kernel_.in * (part + 1) / parts - c;
        for (std::int64_t panel = first; panel < last; ++panel)
          loops().product(rows, depth, v + i * vs.matrix() + c, vs.row(), u.at(panel, c) + i * u.matrix(), u.width,
                          part > 0, m + i * ms.matrix() + (panel - first) * u.width, ms.row(),
                          u.at(panel + 1, c) + i * u.matrix());
      }
  }
  // `count` channels from c on of the tile's output.
  void write(std::int64_t tile, const Stack& s, const float* m, std::int64_t c, std::int64_t count,
             float* spare) const {
    const auto at = g_.place(tile);
    float* to = y_.at(at.n, at.y, at.x) + c;
    const std::int64_t h = std::min<std::int64_t>(t_.size, y_.h - at.y),
                       w = std::min<std::int64_t>(t_.size, y_.w - at.x);
    if (h == t_.size && w == t_.size)
      return t_.output(m, t_.points * s.matrix(), s.matrix(), to, y_.row(), y_.channels, count);
    t_.output(m, t_.points * s.matrix(), s.matrix(), spare, t_.size * count, count, count);
    for (std::int64_t i = 0; i < h; ++i)
      for (std::int64_t j = 0; j < w; ++j)
        std::copy_n(spare + (i * t_.size + j) * count, count, to + i * y_.row() + j * y_.channels);
  }

  const Tiling& g_;
  const Transforms& t_;
  const Images &x_, &y_;
  const Kernel& kernel_;
};

// The sums over tiles of the products of x's and dy's, for channels [first, last) of x.
class KernelGradient {
 public:
  KernelGradient(const Tiling& g, const Images& x, const Images& dy, float* dw)
      : g_(g), t_(g.t), x_(x), dy_(dy), dw_(dw) {}

  Stack sums(std::int64_t channels) const { return {t_.points, channels, dy_.channels}; }

  void add_up(std::int64_t begin, std::int64_t end, std::int64_t first, std::int64_t last, float* sum) const {
    const std::int64_t width = loops().width, k = dy_.channels, panels = ceil_div(k, width), count = last - first;
    const std::int64_t chunks = ceil_div(end - begin, tiles_at_once(t_, count + k)),
                       most = ceil_div(end - begin, chunks);
    const Stack vs{t_.points, most, count}, ds{t_.points, most, k}, ss = sums(count);
    ConvScratch<float> v(vs.size()), d(ds.size()), spare(t_.points * t_.points * std::max(count, k));
    if (k % width) std::fill_n(d.data(), ds.size(), 0.0f);
    for (std::int64_t i = 0; i < chunks; ++i) {
      const std::int64_t from = begin + (end - begin) * i / chunks, to = begin + (end - begin) * (i + 1) / chunks;
      for (std::int64_t j = from; j < to; ++j) {
        const auto at = g_.place(j);
        Square q = read_square(x_, at.n, at.y - g_.top, at.x - g_.left, t_.points, first, count, spare.data());
        t_.input(q.data, q.row, q.column, v.data() + (j - from) * vs.row(), t_.points * vs.matrix(), vs.matrix(),
                 count);
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
    std::int64_t parts = std::clamp<std::int64_t>(ceil_div(c * bytes, 2400 << 10), 1, ceil_div(c, 32));
    if (parts > 1 && parts % threads && c / ceil_div(parts, threads) / threads >= 32)
      parts = ceil_div(parts, threads) * threads;
    const std::int64_t shares = std::clamp<std::int64_t>(
        std::min<std::int64_t>(ceil_div(threads, parts), (64 << 20) / (c * bytes)), 1, ceil_div(g_.count(), 24));
    const std::int64_t size = sums(ceil_div(c, parts)).size();
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

double transform_time(std::int64_t channels) {  // for each point: whole vectors, fours, ones
  const std::int64_t lanes = loops().width / 2;
  return double(channels / lanes + (lanes > 4 ? channels % lanes / 4 : 0) + channels % 4);
}
// Estimated nanoseconds on one thread: products, transforms, and the transformed kernel, made and read once or kept.
double time_of(const Transforms& t, const ConvProblem& p, ConvDirection d) {
  const bool inward = d == ConvDirection::input_gradient, of_kernel = d == ConvDirection::kernel_gradient;
  const auto* sizes = inward ? p.in : p.out;
  const double tiles = double(p.n * ceil_div(sizes[1], t.size) * ceil_div(sizes[2], t.size)),
               points = double(t.points * t.points);
  const std::int64_t width = loops().width;
  const double kernel = points * double(inward ? p.k * round_up(p.c, width) : p.c * round_up(p.k, width));
  // One that comes from memory in each call does so no faster for more threads.
  const bool large = kernel >= 1 << 20;
  const double waits = large && !of_kernel ? std::min(num_threads(), 4) : 1;
  const double kernel_time = (large ? 0.6 : 0.2) * (of_kernel ? 0.35 : inward ? 0.6 : 0.2) * waits;
  return (of_kernel ? 1.19 : 1.02) * multiply_add_time(p.dtype) * kernel * tiles + kernel_time * kernel +
         points * tiles * (3.6 + 1.35 * (transform_time(p.c) + transform_time(p.k))) + 500;
}
const Transforms& best_tile(const ConvProblem& p, ConvDirection d) {
  return time_of(loops().four, p, d) <= time_of(loops().two, p, d) ? loops().four : loops().two;
}

void run(const ConvProblem& p, ConvDirection d, const ConvBuffers& b) {
  const Transforms& t = best_tile(p, d);
  const Images x{static_cast<float*>(b.x), p.in[1], p.in[2], p.c}, y{static_cast<float*>(b.y), p.out[1], p.out[2], p.k};
  const Tiling outward{t, p.n, p.out[1], p.out[2], p.before[1], p.before[2]};
  if (d == ConvDirection::kernel_gradient) return KernelGradient(outward, x, y, static_cast<float*>(b.kernel)).run();
  const float* w = static_cast<const float*>(b.kernel);
  if (d == ConvDirection::forward) return Convolution(outward, x, {w, p.c, p.k, false}, y).run(b);
  const Tiling inward{t, p.n, p.in[1], p.in[2], 2 - p.before[1], 2 - p.before[2]};
  Convolution(inward, y, {w, p.k, p.c, true}, x).run(b);
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
    // First layers are left to small_channels, which pooling is fused with.
    [](const ConvProblem& p, ConvDirection d) { return (p.c <= 4 ? 4 : 1) * time_of(best_tile(p, d), p, d); },
    run,
    true,
};

}  // namespace tapir::cpu
