// Layer and root mean square normalisation: rows dealt out to threads, or pieces of rows where a row is too long for
// a cache. No result depends on the number of threads.
#include <tapir/backends/cpu/isa.h>
#include <tapir/backends/cpu/layer_norm.h>
#include <tapir/backends/cpu/parallel.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/normalization_attrs.h>

#include <vector>

namespace tapir::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 16, kMostChunks = 32, kLongRow = 4 * kGrain;  // elements

template <class F>
void dispatch(DType d, bool centred, F&& f) {
  const LayerNormLoops& loops = by_isa(&v2::layer_norm_loops, TAPIR_TOP_ISA >= 3 ? &v3::layer_norm_loops : nullptr,
                                       TAPIR_TOP_ISA >= 4 ? &v4::layer_norm_loops : nullptr);
  if (d == DType::f32) f(centred ? loops.layer_f32 : loops.rms_f32, float{});
  else f(centred ? loops.layer_f64 : loops.rms_f64, double{});
}

// The sizes of one call: `scale` holds a number for each of n elements of `groups` rows.
struct Rows {
  std::int64_t groups, n, rows, pieces;
  double epsilon;

  Rows(const Call& call)
      : groups(call.attrs.as<LayerNormAttrs>().groups),
        n(call.in[1].size() / groups),
        rows(n ? call.in[0].size() / n : 0),
        pieces(n / kGrain),
        epsilon(call.attrs.as<LayerNormAttrs>().epsilon) {}
  std::int64_t cost() const { return n + 128; }  // of a row, in elements: its statistics have a price of their own
  bool are_long() const { return n >= kLongRow; }
  std::int64_t begin(std::int64_t piece) const { return n * piece / pieces; }

  // body(row, piece, its first element in x, in scale, its size), shared out.
  template <class F>
  void share_pieces(F&& body) const {
    parallel_for(rows * pieces, 1, [&](std::int64_t from, std::int64_t to) {
      for (std::int64_t u = from; u < to; ++u) {
        const std::int64_t row = u / pieces, piece = u % pieces, at = begin(piece);
        body(row, piece, row * n + at, row % groups * n + at, begin(piece + 1) - at);
      }
    });
  }
};

template <class T>
std::vector<RowNormal<T>> normals_of_long(const LayerNormLoopsOf<T>& loops, const Rows& r, const T* x) {
  std::vector<RowMoments> parts(static_cast<std::size_t>(r.rows * r.pieces));
  r.share_pieces([&](std::int64_t row, std::int64_t piece, std::int64_t at, std::int64_t, std::int64_t size) {
    parts[std::size_t(row * r.pieces + piece)] = loops.moments(x + at, size);
  });
  std::vector<RowNormal<T>> normals;
  for (std::int64_t row = 0; row < r.rows; ++row) {
    RowMoments all{0, 0};
    for (std::int64_t k = 0; k < r.pieces; ++k) {  // Chan et al. 1979
      const RowMoments& m = parts[std::size_t(row * r.pieces + k)];
      const double before = double(r.begin(k)), size = double(r.begin(k + 1)) - before, d = m.mean - all.mean;
      all.mean += d * size / (before + size);
      all.squares += m.squares + d * d * before * size / (before + size);
    }
    normals.push_back(row_normal<T>(all, r.n, r.epsilon));
  }
  return normals;
}

template <class T>
void forward_long(const LayerNormLoopsOf<T>& loops, const Rows& r, const T* x, const T* scale, const T* offset, T* y) {
  const auto normals = normals_of_long(loops, r, x);
  r.share_pieces([&](std::int64_t row, std::int64_t, std::int64_t at, std::int64_t of_scale, std::int64_t size) {
    loops.apply(x + at, scale + of_scale, offset ? offset + of_scale : nullptr, normals[std::size_t(row)], size,
                y + at);
  });
}

template <class T>
void gradient_long(const LayerNormLoopsOf<T>& loops, const Rows& r, const T* x, const T* scale, const T* dy, T* dx,
                   T* dscale, T* doffset) {
  const auto normals = normals_of_long(loops, r, x);
  std::vector<RowProducts> parts(static_cast<std::size_t>(r.rows * r.pieces)), means(std::size_t(r.rows));
  r.share_pieces([&](std::int64_t row, std::int64_t piece, std::int64_t at, std::int64_t of_scale, std::int64_t size) {
    parts[std::size_t(row * r.pieces + piece)] =
        loops.products(x + at, scale + of_scale, dy + at, normals[std::size_t(row)], size);
  });
  for (std::size_t u = 0; u < parts.size(); ++u) {
    RowProducts& mean = means[u / std::size_t(r.pieces)];
    mean.normed += parts[u].normed / double(r.n), mean.plain += parts[u].plain / double(r.n);
  }
  // A piece of the columns takes all rows, so that nobody else adds to its sums.
  parallel_for(r.groups * r.pieces, 1, [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t u = from; u < to; ++u) {
      const std::int64_t group = u / r.pieces, at = r.begin(u % r.pieces), size = r.begin(u % r.pieces + 1) - at;
      std::vector<T> sums(static_cast<std::size_t>(2 * size));
      std::vector<double> totals(static_cast<std::size_t>(2 * size));
      auto flush = [&] {
        for (std::size_t i = 0; i < sums.size(); ++i) totals[i] += double(std::exchange(sums[i], T(0)));
      };
      std::int64_t added = 0;
      for (std::int64_t row = group; row < r.rows; row += r.groups) {
        const std::int64_t first = row * r.n + at;
        loops.mix(x + first, scale + group * r.n + at, dy + first, normals[std::size_t(row)], means[std::size_t(row)],
                  size, dx + first, sums.data(), sums.data() + size);
        if (++added % 64 == 0) flush();
      }
      flush();
      for (std::int64_t i = 0; i < size; ++i) {
        dscale[group * r.n + at + i] = T(totals[std::size_t(i)]);
        if (doffset) doffset[group * r.n + at + i] = T(totals[std::size_t(size + i)]);
      }
    }
  });
}

// in: x, scale and, for a layer norm, offset
void forward(const Call& call, bool centred) {
  const Rows r(call);
  if (r.rows == 0) return;
  dispatch(call.in[0].dtype(), centred, [&](auto& loops, auto zero) {
    using T = decltype(zero);
    const T *x = call.in[0].data<T>(), *scale = call.in[1].data<T>();
    const T* offset = centred ? call.in[2].template data<T>() : nullptr;
    T* y = call.out[0].mutable_data<T>();
    if (r.are_long()) return forward_long<T>(loops, r, x, scale, offset, y);
    parallel_for(r.rows, kGrain / r.cost() + 1, [&](std::int64_t from, std::int64_t to) {
      loops.forward(x + from * r.n, scale, offset, r.epsilon, from, to - from, r.n, r.groups, y + from * r.n);
    });
  });
}

// in: x, scale, dy; out: dx, dscale and, for a layer norm, doffset
void gradient(const Call& call, bool centred) {
  const Rows r(call);
  const std::int64_t all = r.n * r.groups, cost = r.rows * r.cost(), sums = centred ? 2 : 1;
  dispatch(call.in[0].dtype(), centred, [&](auto& loops, auto zero) {
    using T = decltype(zero);
    const T *x = call.in[0].data<T>(), *scale = call.in[1].data<T>(), *dy = call.in[2].data<T>();
    T *dx = call.out[0].mutable_data<T>(), *dscale = call.out[1].mutable_data<T>(),
      *doffset = centred ? call.out[2].template mutable_data<T>() : nullptr;
    if (r.are_long()) return gradient_long<T>(loops, r, x, scale, dy, dx, dscale, doffset);
    const std::int64_t chunks =
        std::clamp<std::int64_t>(cost / kGrain, 1, std::clamp<std::int64_t>(r.rows, 1, kMostChunks));
    Tensor memory = Tensor::empty({chunks, sums * all}, DType::f64);
    double* parts = memory.mutable_data<double>();
    parallel_for(chunks, kGrain * chunks / std::max<std::int64_t>(1, cost) + 1,
                 [&](std::int64_t from, std::int64_t to) {
                   Tensor work = Tensor::empty({2 * all}, call.in[0].dtype());
                   for (std::int64_t k = from; k < to; ++k) {
                     const std::int64_t begin = r.rows * k / chunks, end = r.rows * (k + 1) / chunks, at = begin * r.n;
                     double* mine = parts + k * sums * all;
                     std::fill(mine, mine + sums * all, 0.0);
                     loops.gradient(x + at, scale, dy + at, r.epsilon, begin, end - begin, r.n, r.groups, dx + at, mine,
                                    mine + all, work.mutable_data<T>());
                   }
                 });
    parallel_for(sums * all, kGrain / chunks, [&](std::int64_t from, std::int64_t to) {
      for (std::int64_t k = 1; k < chunks; ++k)
        for (std::int64_t i = from; i < to; ++i) parts[i] += parts[k * sums * all + i];
      for (std::int64_t i = from; i < to; ++i) (i < all ? dscale[i] : doffset[i - all]) = T(parts[i]);
    });
  });
}

}  // namespace

void layer_norm(const Call& call) { forward(call, true); }
void rms_norm(const Call& call) { forward(call, false); }
void layer_norm_grad(const Call& call) { gradient(call, true); }
void rms_norm_grad(const Call& call) { gradient(call, false); }

}  // namespace tapir::cpu
