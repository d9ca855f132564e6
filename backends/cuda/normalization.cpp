// Batch, group, layer and root mean square normalisation. Sums are made in f64 by `fold`; what is written is one launch
// over the elements.
#include <tapir/backends/cuda/kernels.h>
#include <tapir/backends/cuda/launch.h>
#include <tapir/backends/cuda/row_sums.h>
#include <tapir/ops/normalization_attrs.h>

#include <cmath>

namespace tapir::cuda {
namespace {

template <class F>
void dispatch(const Call& call, F&& f) {
  if (call.in[0].dtype() == DType::f64) f(double{});
  else f(float{});
}

// x as [examples, positions, groups, each], with statistics [examples, groups].
struct Groups {
  std::int64_t examples, positions, groups, each;
  explicit Groups(const NormGroups& g) : examples(g.examples), positions(g.positions), groups(g.groups), each(g.each) {}
  TAPIR_HD std::int64_t channels() const { return groups * each; }
  TAPIR_HD std::int64_t statistic(std::int64_t i) const {  // of element i
    return i / (positions * channels()) * groups + i % channels() / each;
  }
  std::int64_t statistics() const { return examples * groups; }
  std::int64_t size() const { return examples * positions * channels(); }
};

template <class T>
struct FoldMoments {
  using Acc = Moments;
  Groups g;
  const T* x;
  T *mean, *variance;
  TAPIR_HD Acc start() const { return {}; }
  TAPIR_HD void take(Acc& a, std::int64_t r, std::int64_t k) const {
    a.take(double(x[(r / g.groups * g.positions + k / g.each) * g.channels() + r % g.groups * g.each + k % g.each]));
  }
  TAPIR_HD void join(Acc& a, const Acc& b) const { a.join(b); }
  TAPIR_HD void give(std::int64_t r, const Acc& a) const {
    mean[r] = T(a.count > 0 ? a.mean : 0.0 / a.count), variance[r] = T(a.squares / a.count);  // NaN of nothing
  }
};

void moments(const Call& call) {
  const Groups g(NormGroups(call.in[0].shape(), call.out[0].shape()));
  dispatch(call, [&](auto t) {
    using T = decltype(t);
    fold(g.statistics(), g.positions * g.each,
         FoldMoments<T>{g, call.in[0].data<T>(), call.out[0].mutable_data<T>(), call.out[1].mutable_data<T>()});
  });
}

TAPIR_HD double inverse_deviation(double variance, double epsilon) { return 1 / std::sqrt(variance + epsilon); }

template <class T>
struct Normalise {
  Groups g;
  const T *x, *mean, *variance, *scale, *offset;
  T* y;
  double epsilon;
  TAPIR_HD void operator()(std::int64_t i) const {
    const std::int64_t s = g.statistic(i), c = i % g.channels();
    y[i] = (x[i] - mean[s]) * T(double(scale[c]) * inverse_deviation(variance[s], epsilon)) + offset[c];
  }
};

void batch_norm(const Call& call) {
  const Groups g(NormGroups(call.in[0].shape(), call.in[1].shape()));
  dispatch(call, [&](auto t) {
    using T = decltype(t);
    launch(g.size(),
           Normalise<T>{g, call.in[0].data<T>(), call.in[1].data<T>(), call.in[2].data<T>(), call.in[3].data<T>(),
                        call.in[4].data<T>(), call.out[0].mutable_data<T>(), call.attrs.as<NormAttrs>().epsilon});
  });
}

// For each example and channel: the sums of dy and of dy * (x - mean).
template <class T>
struct FoldGradient {
  using Acc = TwoSums;
  Groups g;
  const T *x, *mean, *dy;
  TwoSums* sums;
  TAPIR_HD Acc start() const { return {}; }
  TAPIR_HD void take(Acc& a, std::int64_t r, std::int64_t k) const {
    const std::int64_t c = r % g.channels(), example = r / g.channels();
    const std::int64_t i = (example * g.positions + k) * g.channels() + c;
    a.a += double(dy[i]), a.b += double(dy[i]) * double(x[i] - mean[example * g.groups + c / g.each]);
  }
  TAPIR_HD void join(Acc& a, const Acc& b) const { a.join(b); }
  TAPIR_HD void give(std::int64_t r, const Acc& a) const { sums[r] = a; }
};

template <class T>
struct ParameterGradients {
  Groups g;
  const TwoSums* sums;
  const T* variance;
  double epsilon;
  T *dscale, *doffset;
  TAPIR_HD void operator()(std::int64_t c) const {
    TwoSums all;
    for (std::int64_t e = 0; e < g.examples; ++e) {
      const TwoSums& s = sums[e * g.channels() + c];
      all.a += s.a, all.b += s.b * inverse_deviation(variance[e * g.groups + c / g.each], epsilon);
    }
    dscale[c] = T(all.b), doffset[c] = T(all.a);
  }
};

// For each statistic: what flows back through the mean and through the deviation.
template <class T>
struct ThroughStatistics {
  Groups g;
  const TwoSums* sums;
  const T* scale;
  TwoSums* through;
  TAPIR_HD void operator()(std::int64_t s) const {
    TwoSums all;
    const std::int64_t first = s % g.groups * g.each;
    for (std::int64_t c = first; c < first + g.each; ++c) {
      const TwoSums& own = sums[s / g.groups * g.channels() + c];
      all.a += double(scale[c]) * own.a, all.b += double(scale[c]) * own.b;
    }
    through[s] = all;
  }
};

template <class T>
struct NormaliseGradient {
  Groups g;
  const T *x, *scale, *mean, *variance, *dy;
  const TwoSums* through;  // null: statistics that do not depend on x
  double epsilon;
  T* dx;
  TAPIR_HD void operator()(std::int64_t i) const {
    const std::int64_t s = g.statistic(i), c = i % g.channels();
    const double inverse = inverse_deviation(variance[s], epsilon), n = double(g.positions * g.each);
    double d = double(dy[i]) * double(scale[c]) * inverse;
    if (through)
      d -= inverse * inverse * inverse * through[s].b / n * double(x[i] - mean[s]) + inverse * through[s].a / n;
    dx[i] = T(d);
  }
};

// in: x, scale, mean, variance, dy; out: dx (if `whole`), dscale, doffset
template <bool whole, bool training>
void gradient(const Call& call) {
  const Groups g(NormGroups(call.in[0].shape(), call.in[2].shape()));
  const double epsilon = call.attrs.as<NormAttrs>().epsilon;
  dispatch(call, [&](auto t) {
    using T = decltype(t);
    auto in = [&](std::size_t i) { return call.in[i].data<T>(); };
    auto out = [&](std::size_t i) { return call.out[i].template mutable_data<T>(); };
    Scratch sum_memory(std::size_t(g.examples * g.channels()) * sizeof(TwoSums));
    Scratch through_memory(std::size_t(g.statistics()) * sizeof(TwoSums));
    auto* sums = static_cast<TwoSums*>(sum_memory.data());
    auto* through = static_cast<TwoSums*>(through_memory.data());
    fold(g.examples * g.channels(), g.positions, FoldGradient<T>{g, in(0), in(2), in(4), sums});
    launch(g.channels(), ParameterGradients<T>{g, sums, in(3), epsilon, out(whole), out(whole + 1)});
    if (!whole) return;
    if (training) launch(g.statistics(), ThroughStatistics<T>{g, sums, in(1), through});
    launch(g.size(),
           NormaliseGradient<T>{g, in(0), in(1), in(2), in(3), in(4), training ? through : nullptr, epsilon, out(0)});
  });
}

// Layer and rms norms: rows of n, of which row r has part r % groups of the parameters.
template <class T>
struct FoldRow {
  using Acc = Moments;
  const T* x;
  std::int64_t n;
  bool centred;
  double epsilon;
  TwoSums* normals;  // mean and 1 / deviation
  TAPIR_HD Acc start() const { return {}; }
  TAPIR_HD void take(Acc& a, std::int64_t r, std::int64_t k) const {
    const double v = double(x[r * n + k]);
    if (centred) return a.take(v);
    a.count += 1, a.squares += v * v;
  }
  TAPIR_HD void join(Acc& a, const Acc& b) const { a.join(b); }
  TAPIR_HD void give(std::int64_t r, const Acc& a) const {
    normals[r] = {a.mean, inverse_deviation(a.squares / a.count, epsilon)};
  }
};
template <class T>
struct NormaliseRow {
  const T *x, *scale, *offset;  // null: none
  const TwoSums* normals;
  std::int64_t n, groups;
  T* y;
  TAPIR_HD void operator()(std::int64_t i) const {
    const std::int64_t row = i / n, c = row % groups * n + i % n;
    const double v = (double(x[i]) - normals[row].a) * normals[row].b * double(scale[c]);
    y[i] = T(offset ? v + double(offset[c]) : v);
  }
};
// The sums of d * normed x and of d, where d = dy * scale.
template <class T>
struct FoldRowGradient {
  using Acc = TwoSums;
  const T *x, *scale, *dy;
  const TwoSums* normals;
  std::int64_t n, groups;
  TwoSums* sums;
  TAPIR_HD Acc start() const { return {}; }
  TAPIR_HD void take(Acc& a, std::int64_t r, std::int64_t k) const {
    const double d = double(dy[r * n + k]) * double(scale[r % groups * n + k]);
    a.a += d * (double(x[r * n + k]) - normals[r].a) * normals[r].b, a.b += d;
  }
  TAPIR_HD void join(Acc& a, const Acc& b) const { a.join(b); }
  TAPIR_HD void give(std::int64_t r, const Acc& a) const { sums[r] = {a.a / double(n), a.b / double(n)}; }
};
template <class T>
struct NormaliseRowGradient {
  const T *x, *scale, *dy;
  const TwoSums *normals, *means;
  std::int64_t n, groups;
  bool centred;
  T* dx;
  TAPIR_HD void operator()(std::int64_t i) const {
    const std::int64_t row = i / n;
    const double d = double(dy[i]) * double(scale[row % groups * n + i % n]);
    const double normed = (double(x[i]) - normals[row].a) * normals[row].b;
    dx[i] = T((d - normed * means[row].a - (centred ? means[row].b : 0)) * normals[row].b);
  }
};
// The gradients of the parameters: sums over the rows that share them.
template <class T>
struct FoldParameters {
  using Acc = TwoSums;
  const T *x, *dy;
  const TwoSums* normals;
  std::int64_t n, groups;
  T *dscale, *doffset;
  TAPIR_HD Acc start() const { return {}; }
  TAPIR_HD void take(Acc& a, std::int64_t c, std::int64_t k) const {
    const std::int64_t row = k * groups + c / n, i = row * n + c % n;
    a.a += double(dy[i]) * (double(x[i]) - normals[row].a) * normals[row].b, a.b += double(dy[i]);
  }
  TAPIR_HD void join(Acc& a, const Acc& b) const { a.join(b); }
  TAPIR_HD void give(std::int64_t c, const Acc& a) const {
    dscale[c] = T(a.a);
    if (doffset) doffset[c] = T(a.b);
  }
};

struct Rows {
  std::int64_t groups, n, rows;
  double epsilon;
  explicit Rows(const Call& call)
      : groups(call.attrs.as<LayerNormAttrs>().groups),
        n(call.in[1].size() / groups),
        rows(n ? call.in[0].size() / n : 0),
        epsilon(call.attrs.as<LayerNormAttrs>().epsilon) {}
};

// in: x, scale and, for a layer norm, offset
template <bool centred>
void layer_norm(const Call& call) {
  const Rows r(call);
  Scratch memory(std::size_t(r.rows) * sizeof(TwoSums));
  auto* normals = static_cast<TwoSums*>(memory.data());
  dispatch(call, [&](auto t) {
    using T = decltype(t);
    const T *x = call.in[0].data<T>(), *offset = centred ? call.in[2].template data<T>() : nullptr;
    fold(r.rows, r.n, FoldRow<T>{x, r.n, centred, r.epsilon, normals});
    launch(r.rows * r.n,
           NormaliseRow<T>{x, call.in[1].data<T>(), offset, normals, r.n, r.groups, call.out[0].mutable_data<T>()});
  });
}

// in: x, scale, dy; out: dx, dscale and, for a layer norm, doffset
template <bool centred>
void layer_norm_grad(const Call& call) {
  const Rows r(call);
  Scratch normal_memory(std::size_t(r.rows) * sizeof(TwoSums)), mean_memory(std::size_t(r.rows) * sizeof(TwoSums));
  auto* normals = static_cast<TwoSums*>(normal_memory.data());
  auto* means = static_cast<TwoSums*>(mean_memory.data());
  dispatch(call, [&](auto t) {
    using T = decltype(t);
    const T *x = call.in[0].data<T>(), *scale = call.in[1].data<T>(), *dy = call.in[2].data<T>();
    fold(r.rows, r.n, FoldRow<T>{x, r.n, centred, r.epsilon, normals});
    fold(r.rows, r.n, FoldRowGradient<T>{x, scale, dy, normals, r.n, r.groups, means});
    launch(r.rows * r.n, NormaliseRowGradient<T>{x, scale, dy, normals, means, r.n, r.groups, centred,
                                                 call.out[0].mutable_data<T>()});
    fold(r.groups * r.n, r.rows / r.groups,
         FoldParameters<T>{x, dy, normals, r.n, r.groups, call.out[1].mutable_data<T>(),
                           centred ? call.out[2].template mutable_data<T>() : nullptr});
  });
}

}  // namespace

void list_normalization(KernelList& out) {
  const NamedKernel all[] = {
      {"moments", moments},
      {"batch_norm", batch_norm},
      {"batch_norm_training", batch_norm},
      {"group_norm", batch_norm},
      {"batch_norm_grad", gradient<true, false>},
      {"batch_norm_training_grad", gradient<true, true>},
      {"group_norm_grad", gradient<true, true>},
      {"norm_parameters_grad", gradient<false, false>},
      {"layer_norm", layer_norm<true>},
      {"rms_norm", layer_norm<false>},
      {"layer_norm_grad", layer_norm_grad<true>},
      {"rms_norm_grad", layer_norm_grad<false>},
  };
  out.insert(out.end(), std::begin(all), std::end(all));
}

}  // namespace tapir::cuda
