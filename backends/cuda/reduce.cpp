// Reductions: any axes of a strided tensor. Sums of f32 go through f64, so that their error does not grow with the
// length; how a sum is cut depends on the shapes alone.
#include <tapir/backends/cuda/kernels.h>
#include <tapir/backends/cuda/launch.h>
#include <tapir/backends/cuda/visit.h>
#include <tapir/backends/cuda/walk.h>
#include <tapir/ops/reduce_attrs.h>

#include <limits>

namespace tapir::cuda {
namespace {

// What sums and products of T are made in: integers wrap around.
template <class T>
using Wide = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;

template <class T, class R>
struct Sum {
  using Acc = Wide<R>;
  using Out = R;
  TAPIR_HD static Acc start() { return Acc(0); }
  TAPIR_HD static void put(Acc& a, T x) { a += Acc(x); }
  TAPIR_HD static void join(Acc& a, Acc b) { a += b; }
};
template <class T, class R>
struct Prod {
  using Acc = Wide<R>;
  using Out = R;
  TAPIR_HD static Acc start() { return Acc(1); }
  TAPIR_HD static void put(Acc& a, T x) { a *= Acc(x); }
  TAPIR_HD static void join(Acc& a, Acc b) { a *= b; }
};
template <class T, bool largest>
struct Extreme {
  using Acc = T;
  using Out = T;
  TAPIR_HD static Acc start() {
    using L = std::numeric_limits<T>;
    if constexpr (std::is_floating_point_v<T>) return largest ? -L::infinity() : L::infinity();
    else return largest ? L::min() : L::max();
  }
  TAPIR_HD static void put(Acc& a, T x) {
    if (a != a) return;  // NaN wins
    if (x != x || (largest ? x > a : x < a)) a = x;
  }
  TAPIR_HD static void join(Acc& a, Acc b) { put(a, b); }
};
template <bool every>
struct Logic {
  using Acc = std::uint8_t;
  using Out = bool;
  TAPIR_HD static Acc start() { return every; }
  TAPIR_HD static void put(Acc& a, bool x) { a = every ? a && x : a || x; }
  TAPIR_HD static void join(Acc& a, Acc b) { put(a, b != 0); }
};

// Result r of the kept dimensions, element k of the reduced ones.
template <class Op, class T>
struct FoldAxes {
  using Acc = typename Op::Acc;
  const T* in;
  typename Op::Out* out;
  Walk<1> kept, reduced;
  TAPIR_HD Acc start() const { return Op::start(); }
  TAPIR_HD void take(Acc& a, std::int64_t r, std::int64_t k) const {
    std::int64_t base[1], at[1];
    kept.places(r, base);
    reduced.places(k, at);
    Op::put(a, in[base[0] + at[0]]);
  }
  TAPIR_HD void join(Acc& a, const Acc& b) const { Op::join(a, b); }
  TAPIR_HD void give(std::int64_t r, const Acc& a) const { out[r] = typename Op::Out(a); }
};

template <class Op, class T>
void reduce(const Call& call) {
  const Tensor &x = call.in[0], &y = call.out[0];
  FoldAxes<Op, T> f;
  f.in = x.data<T>(), f.out = y.mutable_data<typename Op::Out>();
  bool gone[Shape::max_rank] = {};
  for (auto a : call.attrs.as<ReduceAttrs>().axes) gone[a] = true;
  std::int64_t count = 1;
  for (int d = 0; d < x.rank(); ++d) {
    (gone[d] ? f.reduced : f.kept).put(x.shape()[d], {x.strides()[d]});
    if (gone[d]) count *= x.shape()[d];
  }
  fold(y.size(), count, f);
}

void sum(const Call& call) {
  if (call.in[0].dtype() == DType::boolean) return reduce<Sum<bool, std::int64_t>, bool>(call);
  visit_number(call.in[0].dtype(), [&](auto t) { reduce<Sum<decltype(t), decltype(t)>, decltype(t)>(call); });
}
void prod(const Call& call) {
  if (call.in[0].dtype() == DType::boolean) return reduce<Prod<bool, std::int64_t>, bool>(call);
  visit_number(call.in[0].dtype(), [&](auto t) { reduce<Prod<decltype(t), decltype(t)>, decltype(t)>(call); });
}
template <bool largest>
void extreme(const Call& call) {
  visit_number(call.in[0].dtype(), [&](auto t) { reduce<Extreme<decltype(t), largest>, decltype(t)>(call); });
}
template <bool every>
void logic(const Call& call) {
  reduce<Logic<every>, bool>(call);
}

// The first of the smallest or largest; NaN counts as both.
template <class T, bool largest>
struct FoldArg {
  struct Acc {
    T value;
    std::int64_t at;  // -1: none yet
  };
  const T* in;
  std::int64_t* out;
  std::int64_t n, inner;
  TAPIR_HD Acc start() const { return {T(0), -1}; }
  TAPIR_HD static bool better(T x, T than) {
    if (than != than) return false;
    return x != x || (largest ? x > than : x < than);
  }
  TAPIR_HD void take(Acc& a, std::int64_t r, std::int64_t k) const {
    join(a, {in[(r / inner * n + k) * inner + r % inner], k});
  }
  TAPIR_HD void join(Acc& a, const Acc& b) const {
    if (b.at < 0) return;
    if (a.at < 0) return void(a = b);
    const bool equal = !better(b.value, a.value) && !better(a.value, b.value);
    if (equal ? b.at < a.at : better(b.value, a.value)) a = b;
  }
  TAPIR_HD void give(std::int64_t r, const Acc& a) const { out[r] = a.at; }
};

template <bool largest>
void arg(const Call& call) {
  const Tensor& x = call.in[0];
  const Shape& axes = call.attrs.as<ReduceAttrs>().axes;
  const AroundAxis a = axes.rank() == 1 ? AroundAxis(x.shape(), int(axes[0])) : AroundAxis({x.size()}, 0);
  visit_number(x.dtype(), [&](auto t) {
    using T = decltype(t);
    fold(a.outer * a.inner, a.n,
         FoldArg<T, largest>{x.data<T>(), call.out[0].mutable_data<std::int64_t>(), a.n, a.inner});
  });
}

}  // namespace

void list_reduce(KernelList& out) {
  const NamedKernel all[] = {
      {"sum", sum},          {"prod", prod},       {"min", extreme<false>}, {"max", extreme<true>},
      {"any", logic<false>}, {"all", logic<true>}, {"argmin", arg<false>},  {"argmax", arg<true>},
  };
  out.insert(out.end(), std::begin(all), std::end(all));
}

}  // namespace tapir::cuda
