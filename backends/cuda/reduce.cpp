// Reductions: any axes of a strided tensor. Sums of f32 go through f64, so that their error does not grow with the
// length; how a sum is cut depends on the shapes alone.
#include <tapir/backends/cuda/cast.h>
#include <tapir/backends/cuda/kernels.h>
#include <tapir/backends/cuda/launch.h>
#include <tapir/backends/cuda/walk.h>
#include <tapir/ops/reduce_attrs.h>

#include <limits>

namespace tapir::cuda {
namespace {

// What sums and products of T are made in: integers wrap around.
template <class T>
using Wide = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;

template <class T>
struct Sum {
  using Acc = Wide<T>;
  using Out = T;
  TAPIR_HD static Acc start() { return Acc(0); }
  TAPIR_HD static void put(Acc& a, T x) { a += Acc(x); }
  TAPIR_HD static void join(Acc& a, Acc b) { a += b; }
};
template <class T>
struct Prod {
  using Acc = Wide<T>;
  using Out = T;
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
void reduce(const Tensor& x, const Tensor& y, const Shape& axes) {
  FoldAxes<Op, T> f;
  f.in = x.data<T>(), f.out = y.mutable_data<typename Op::Out>();
  bool gone[Shape::max_rank] = {};
  for (auto a : axes) gone[a] = true;
  std::int64_t count = 1;
  for (int d = 0; d < x.rank(); ++d) {
    (gone[d] ? f.reduced : f.kept).put(x.shape()[d], {x.strides()[d]});
    if (gone[d]) count *= x.shape()[d];
  }
  fold(y.size(), count, f);
}

// The dtypes there are kernels for: other integers, and truth values, are taken as i64, which gives their results.
DType reduced_as(DType d) { return is_half(d) ? DType::f32 : d == DType::f32 || d == DType::f64 ? d : DType::i64; }

template <template <class> class Op>
void reduce_numbers(const Call& call) {
  const Tensor& y = call.out[0];
  const Shape& axes = call.attrs.as<ReduceAttrs>().axes;
  const Tensor x = as_dtype(call.in[0], reduced_as(call.in[0].dtype()));
  const Tensor out = y.dtype() == x.dtype() ? y : Tensor::empty(y.shape(), x.dtype(), y.device());
  if (x.dtype() == DType::f32) reduce<Op<float>, float>(x, out, axes);
  else if (x.dtype() == DType::f64) reduce<Op<double>, double>(x, out, axes);
  else reduce<Op<std::int64_t>, std::int64_t>(x, out, axes);
  if (y.dtype() != x.dtype()) cast_into(out, y);
}
template <class T>
using Smallest = Extreme<T, false>;
template <class T>
using Largest = Extreme<T, true>;
template <bool every>
void logic(const Call& call) {
  reduce<Logic<every>, bool>(call.in[0], call.out[0], call.attrs.as<ReduceAttrs>().axes);
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
  const Tensor x = as_dtype(call.in[0], reduced_as(call.in[0].dtype()));
  const Shape& axes = call.attrs.as<ReduceAttrs>().axes;
  const AroundAxis a = axes.rank() == 1 ? AroundAxis(x.shape(), int(axes[0])) : AroundAxis({x.size()}, 0);
  auto run = [&]<class T>(T) {
    fold(a.outer * a.inner, a.n,
         FoldArg<T, largest>{x.data<T>(), call.out[0].mutable_data<std::int64_t>(), a.n, a.inner});
  };
  if (x.dtype() == DType::f32) run(float{});
  else if (x.dtype() == DType::f64) run(double{});
  else run(std::int64_t{});
}

}  // namespace

void list_reduce(KernelList& out) {
  const NamedKernel all[] = {
      {"sum", reduce_numbers<Sum>},     {"prod", reduce_numbers<Prod>}, {"min", reduce_numbers<Smallest>},
      {"max", reduce_numbers<Largest>}, {"any", logic<false>},          {"all", logic<true>},
      {"argmin", arg<false>},           {"argmax", arg<true>},
  };
  out.insert(out.end(), std::begin(all), std::end(all));
}

}  // namespace tapir::cuda
