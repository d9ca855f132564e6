// Batch and group normalisation: both have one statistic for some channels of an example; for batch normalisation all
// rows are one example. An example is cut into chunks that threads share; what is summed goes through f64 and does not
// depend on the number of threads.
#include <tapir/backends/cpu/batch_norm.h>
#include <tapir/backends/cpu/isa.h>
#include <tapir/backends/cpu/parallel.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/normalization_attrs.h>

#include <array>
#include <cmath>
#include <limits>
#include <numeric>

namespace tapir::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 16, kMostChunks = 64;  // elements

template <class F>
void dispatch(DType d, F&& f) {
  const BatchNormLoops& loops = by_isa(&v2::batch_norm_loops, TAPIR_TOP_ISA >= 3 ? &v3::batch_norm_loops : nullptr,
                                       TAPIR_TOP_ISA >= 4 ? &v4::batch_norm_loops : nullptr);
  if (d == DType::f32) f(loops.f32, float{});
  else f(loops.f64, double{});
}

// The parts of one call. Few channels make poor rows: `fold` positions are seen as one row, of `wide` columns.
struct Work : NormGroups {
  std::int64_t fold = 1, wide, rows, chunks;

  Work(const Shape& x, const Shape& statistics) : NormGroups(x, statistics) {
    const std::int64_t c = channels();
    if (c % 16 && c < 256) fold = 16 / std::gcd<std::int64_t>(c, 16);
    fold *= std::max<std::int64_t>(1, 64 / std::max<std::int64_t>(1, fold * c));
    if (positions < 4 * fold) fold = 1;
    wide = fold * c, rows = positions / fold;
    chunks = std::clamp<std::int64_t>(positions * c / kGrain, 1, std::clamp<std::int64_t>(rows / 32, 1, kMostChunks));
  }
  std::int64_t units() const { return examples * chunks; }
  std::int64_t example(std::int64_t unit) const { return unit / chunks; }

  // body(from, to) over units.
  template <class F>
  void share(F&& body) const {
    const std::int64_t elements = positions * channels() / chunks;
    parallel_for(units(), kGrain / std::max<std::int64_t>(1, elements) + 1, body);
  }
  // body(first element, rows, columns): the rows of a unit, and after the last of an example the positions that are
  // left.
  template <class F>
  void pieces(std::int64_t unit, F&& body) const {
    const std::int64_t k = unit % chunks, begin = rows * k / chunks, end = rows * (k + 1) / chunks;
    const std::int64_t start = example(unit) * positions * channels(), left = positions - rows * fold;
    body(start + begin * wide, end - begin, wide);
    if (left && k + 1 == chunks) body(start + rows * wide, std::int64_t(1), left * channels());
  }
};

// Numbers of the columns of an example: f(group, channel) -> {of one column, ...}, for each of `fold` positions.
template <int n, class T>
struct Columns {
  const Work& work;
  Tensor memory;
  T* of[n];
  std::int64_t filled = -1;
  explicit Columns(const Work& w)
      : work(w), memory(Tensor::empty({n * w.wide}, sizeof(T) == 4 ? DType::f32 : DType::f64)) {
    for (int i = 0; i < n; ++i) of[i] = memory.mutable_data<T>() + i * w.wide;
  }
  template <class F>
  void fill(std::int64_t example, F&& f) {
    if (std::exchange(filled, example) == example) return;
    for (std::int64_t g = 0, c = 0; g < work.groups; ++g)
      for (auto column = f(example * work.groups + g); c < (g + 1) * work.each; ++c) {
        const auto values = column(c);
        for (int i = 0; i < n; ++i) of[i][c] = values[std::size_t(i)];
      }
    for (T* p : of)
      for (std::int64_t c = work.channels(); c < work.wide; ++c) p[c] = p[c - work.channels()];
  }
};

double inverse_deviation(double variance, double epsilon) { return 1 / std::sqrt(variance + epsilon); }

// The sums of dy and of dy * (x - mean): [units][2][channels], of which each example's first unit has all of its own.
template <class T>
Tensor sums_of(const Work& work, const BatchNormLoopsOf<T>& loops, const T* x, const T* dy, const T* mean) {
  const std::int64_t c = work.channels();
  Tensor result = Tensor::empty({work.units(), 2 * c}, DType::f64);
  double* sums = result.mutable_data<double>();
  work.share([&](std::int64_t from, std::int64_t to) {
    Columns<1, T> centre(work);
    Tensor memory = Tensor::empty({2 * work.wide}, DType::f64);
    double *a = memory.mutable_data<double>(), *b = a + work.wide;
    for (std::int64_t u = from; u < to; ++u) {
      centre.fill(work.example(u),
                  [&](std::int64_t g) { return [m = mean[g]](std::int64_t) { return std::array{m}; }; });
      double* mine = sums + u * 2 * c;
      std::fill(mine, mine + 2 * c, 0.0);
      work.pieces(u, [&](std::int64_t at, std::int64_t rows, std::int64_t columns) {
        loops.sums(x + at, dy + at, centre.of[0], rows, columns, a, b);
        for (std::int64_t i = 0; i < columns; i += c)
          for (std::int64_t k = 0; k < c; ++k) mine[k] += a[i + k], mine[c + k] += b[i + k];
      });
    }
  });
  for (std::int64_t u = 0; u < work.units(); ++u)
    if (u % work.chunks)
      for (double *to = sums + work.example(u) * work.chunks * 2 * c, *from = sums + u * 2 * c, *end = from + 2 * c;
           from < end;)
        *to++ += *from++;
  return result;
}

}  // namespace

void moments(const Call& call) {
  const Tensor& x = call.in[0];
  const Work work(x.shape(), call.out[0].shape());
  dispatch(x.dtype(), [&](auto& loops, auto zero) {
    using T = decltype(zero);
    const std::int64_t c = work.channels();
    Tensor memory = Tensor::empty({work.units(), 2 * c}, DType::f64), count = Tensor::empty({work.units()}, DType::i64);
    double* parts = memory.mutable_data<double>();
    std::int64_t* counts = count.mutable_data<std::int64_t>();
    work.share([&](std::int64_t from, std::int64_t to) {
      Tensor wide = Tensor::empty({2 * work.wide}, DType::f64);
      double *mean = wide.mutable_data<double>(), *squares = mean + work.wide;
      for (std::int64_t u = from; u < to; ++u) {
        double* mine = parts + u * 2 * c;
        std::fill(mine, mine + 2 * c, 0.0);
        std::int64_t n = 0;
        work.pieces(u, [&](std::int64_t at, std::int64_t rows, std::int64_t columns) {
          loops.moments(x.data<T>() + at, rows, columns, mean, squares);
          for (std::int64_t i = 0; i < columns; i += c, n += rows)
            loops.merge(mine, mine + c, n, mean + i, squares + i, rows, c);
        });
        counts[u] = n;
      }
    });
    T *mean = call.out[0].mutable_data<T>(), *variance = call.out[1].mutable_data<T>();
    for (std::int64_t e = 0; e < work.examples; ++e) {
      double *means = parts + e * work.chunks * 2 * c, *squares = means + c;
      std::int64_t n = counts[e * work.chunks];
      for (std::int64_t k = 1; k < work.chunks; ++k) {
        const std::int64_t u = e * work.chunks + k;
        loops.merge(means, squares, n, parts + u * 2 * c, parts + u * 2 * c + c, counts[u], c);
        n += counts[u];
      }
      for (std::int64_t g = 0; g < work.groups; ++g) {  // the channels of a group have equal weights
        const double *m = means + g * work.each, *s = squares + g * work.each, k = double(work.each);
        const double centre = std::accumulate(m, m + work.each, 0.0) / k;
        double total = std::accumulate(s, s + work.each, 0.0);
        for (std::int64_t i = 0; i < work.each; ++i) total += double(n) * (m[i] - centre) * (m[i] - centre);
        const double nothing = n ? 0 : std::numeric_limits<double>::quiet_NaN();
        mean[e * work.groups + g] = T(centre + nothing), variance[e * work.groups + g] = T(total / (double(n) * k));
      }
    }
  });
}

void batch_norm(const Call& call) {
  const Work work(call.in[0].shape(), call.in[1].shape());
  const double epsilon = call.attrs.as<NormAttrs>().epsilon;
  dispatch(call.in[0].dtype(), [&](auto& loops, auto zero) {
    using T = decltype(zero);
    auto data = [&](std::size_t i) { return call.in[i].data<T>(); };
    const T *x = data(0), *mean = data(1), *variance = data(2), *scale = data(3), *offset = data(4);
    T* y = call.out[0].mutable_data<T>();
    work.share([&](std::int64_t from, std::int64_t to) {
      Columns<3, T> k(work);
      for (std::int64_t u = from; u < to; ++u) {
        k.fill(work.example(u), [&](std::int64_t g) {
          return [&, m = mean[g], inverse = inverse_deviation(variance[g], epsilon)](std::int64_t c) {
            return std::array{m, T(scale[c] * inverse), offset[c]};
          };
        });
        work.pieces(u, [&](std::int64_t at, std::int64_t rows, std::int64_t columns) {
          loops.scale(x + at, k.of[0], k.of[1], k.of[2], rows, columns, y + at);
        });
      }
    });
  });
}

// dscale and doffset from what sums_of gives.
template <class T>
static void parameter_gradients(const Work& work, const double* sums, const T* variance, double epsilon, T* dscale,
                                T* doffset) {
  const std::int64_t channels = work.channels();
  Tensor memory = Tensor::empty({2 * channels}, DType::f64);
  double *dscale_sum = memory.mutable_data<double>(), *doffset_sum = dscale_sum + channels;
  std::fill(dscale_sum, dscale_sum + 2 * channels, 0.0);
  for (std::int64_t e = 0; work.positions && e < work.examples; ++e) {
    const double* own = sums + e * work.chunks * 2 * channels;
    for (std::int64_t g = 0, c = 0; g < work.groups; ++g)
      for (const double inverse = inverse_deviation(variance[e * work.groups + g], epsilon); c < (g + 1) * work.each;
           ++c)
        doffset_sum[c] += own[c], dscale_sum[c] += own[channels + c] * inverse;
  }
  for (std::int64_t c = 0; c < channels; ++c) dscale[c] = T(dscale_sum[c]), doffset[c] = T(doffset_sum[c]);
}

// in: x, scale, mean, variance, dy; out: dscale, doffset
void norm_parameters_grad(const Call& call) {
  const Work work(call.in[0].shape(), call.in[2].shape());
  dispatch(call.in[0].dtype(), [&](auto& loops, auto zero) {
    using T = decltype(zero);
    const Tensor sums =
        sums_of<T>(work, loops, call.in[0].data<T>(), call.in[4].template data<T>(), call.in[2].template data<T>());
    parameter_gradients(work, sums.data<double>(), call.in[3].template data<T>(), call.attrs.as<NormAttrs>().epsilon,
                        call.out[0].mutable_data<T>(), call.out[1].mutable_data<T>());
  });
}

// training: do the statistics depend on x?
template <bool training>
static void gradient(const Call& call) {
  const Tensor &x = call.in[0], &statistics = call.in[2];
  const Work work(x.shape(), statistics.shape());
  const double epsilon = call.attrs.as<NormAttrs>().epsilon;
  dispatch(x.dtype(), [&](auto& loops, auto zero) {
    using T = decltype(zero);
    auto data = [&](std::size_t i) { return call.in[i].data<T>(); };
    const T *scale = data(1), *mean = data(2), *variance = data(3), *dy = data(4);
    T* dx = call.out[0].mutable_data<T>();
    const std::int64_t channels = work.channels();
    const Tensor all = sums_of<T>(work, loops, x.data<T>(), dy, mean);
    auto sums = [&](std::int64_t example) { return all.data<double>() + example * work.chunks * 2 * channels; };
    parameter_gradients(work, sums(0), variance, epsilon, call.out[1].mutable_data<T>(), call.out[2].mutable_data<T>());

    const double n = double(work.positions * work.each);
    work.share([&](std::int64_t from, std::int64_t to) {
      Columns<4, T> k(work);  // centre; dx = dy * [1] + (x - centre) * [2] + [3]
      for (std::int64_t u = from; u < to; ++u) {
        const double* own = sums(work.example(u));
        k.fill(work.example(u), [&](std::int64_t g) {
          const double inverse = inverse_deviation(variance[g], epsilon);
          double through_mean = 0, through_deviation = 0;
          const std::int64_t first = g % work.groups * work.each;
          for (std::int64_t c = first; training && c < first + work.each; ++c)
            through_mean += scale[c] * own[c], through_deviation += scale[c] * own[channels + c];
          const T m = training ? mean[g] : T(0), of_x = T(-inverse * inverse * inverse * through_deviation / n),
                  offset = T(-inverse * through_mean / n);
          return [=](std::int64_t c) { return std::array{m, T(scale[c] * inverse), of_x, offset}; };
        });
        work.pieces(u, [&](std::int64_t at, std::int64_t rows, std::int64_t columns) {
          if (training)
            loops.mix(x.data<T>() + at, dy + at, k.of[0], k.of[1], k.of[2], k.of[3], rows, columns, dx + at);
          else loops.scale(dy + at, k.of[0], k.of[1], k.of[3], rows, columns, dx + at);  // x is not needed
        });
      }
    });
  });
}

void batch_norm_grad(const Call& call) { gradient<false>(call); }
void batch_norm_training_grad(const Call& call) { gradient<true>(call); }

}  // namespace tapir::cpu
