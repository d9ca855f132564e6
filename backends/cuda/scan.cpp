// Scans along one axis of a contiguous tensor seen as [outer, n, inner]: a thread takes a column, f32 goes through f64.
#include <tapir/backends/cuda/copy.h>
#include <tapir/backends/cuda/kernels.h>
#include <tapir/backends/cuda/launch.h>
#include <tapir/backends/cuda/visit.h>
#include <tapir/ops/reduce_attrs.h>

namespace tapir::cuda {
namespace {

template <class T>
using Wide = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;

enum class Kind { sum, prod, linear };

// h[i] = b[i] + a[i] h[i-1] for `linear`, a sum or product of b for the others.
template <class T>
struct ScanColumn {
  Kind kind;
  bool exclusive, reverse;
  std::int64_t n, inner;
  const T *a, *b;
  T* out;
  TAPIR_HD void operator()(std::int64_t column) const {
    const std::int64_t step = reverse ? -inner : inner;
    std::int64_t i = column / inner * n * inner + column % inner + (reverse ? (n - 1) * inner : 0);
    Wide<T> acc(kind == Kind::prod ? 1 : 0);
    for (std::int64_t k = 0; k < n; ++k, i += step) {
      const Wide<T> x(b[i]);
      if (kind == Kind::linear) {
        acc = x + (k ? Wide<T>(a[exclusive ? i - step : i]) * acc : Wide<T>(0));
        out[i] = T(acc);
        continue;
      }
      const Wide<T> next = kind == Kind::sum ? acc + x : acc * x;
      out[i] = T(exclusive ? acc : next);
      acc = next;
    }
  }
};

template <Kind kind>
void scan(const Call& call) {
  const auto& s = call.attrs.as<ScanAttrs>();
  const AroundAxis around(call.in[0].shape(), s.axis);
  visit_number(call.in[0].dtype(), [&](auto t) {
    using T = decltype(t);
    launch(around.outer * around.inner,
           ScanColumn<T>{kind, s.exclusive, s.reverse, around.n, around.inner, call.in[0].data<T>(),
                         call.in[kind == Kind::linear ? 1 : 0].template data<T>(), call.out[0].mutable_data<T>()});
  });
}

void shift(const Call& call) {
  const auto& s = call.attrs.as<ShiftAttrs>();
  const Tensor &x = call.in[0], &y = call.out[0];
  const std::size_t item = size_of(x.dtype());
  const AroundAxis from(x.shape(), s.axis), to(y.shape(), s.axis);
  clear(y.mutable_data<std::byte>(), std::size_t(y.size()) * item);
  const std::int64_t first = std::clamp<std::int64_t>(s.offset, 0, to.n);
  const std::int64_t last = std::clamp<std::int64_t>(from.n + s.offset, first, to.n);
  copy_strided(y.mutable_data<std::byte>() + first * to.inner * std::int64_t(item), {to.n * to.inner, to.inner, 1},
               x.data<std::byte>() + (first - s.offset) * to.inner * std::int64_t(item),
               {from.n * from.inner, from.inner, 1}, {to.outer, last - first, to.inner}, item);
}

}  // namespace

void list_scan(KernelList& out) {
  const NamedKernel all[] = {{"cumulative_sum", scan<Kind::sum>},
                             {"cumulative_prod", scan<Kind::prod>},
                             {"linear_scan", scan<Kind::linear>},
                             {"shift", shift}};
  out.insert(out.end(), std::begin(all), std::end(all));
}

}  // namespace tapir::cuda
