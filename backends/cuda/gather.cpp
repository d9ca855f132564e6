// Gathers, scatters and their gradients. Indices are checked by the threads that use them: a bad one is told by the
// next wait for the device (fault.h).
#include <tapir/backends/cpu/by_item.h>
#include <tapir/backends/cuda/atomic.h>
#include <tapir/backends/cuda/copy.h>
#include <tapir/backends/cuda/fault.h>
#include <tapir/backends/cuda/kernels.h>
#include <tapir/backends/cuda/launch.h>
#include <tapir/backends/cuda/visit.h>
#include <tapir/ops/gather_attrs.h>

namespace tapir::cuda {
namespace {

struct Around {
  std::int64_t outer, n, inner;
};
Around around(const Shape& s, int axis) { return {s.first(axis).size(), s[axis], s.last(s.rank() - axis - 1).size()}; }

// Indices as i64 places in [0, n), whatever integers they are.
template <class T>
struct Resolve {
  const T* in;
  std::int64_t* out;
  std::int64_t n;
  bool ids;  // none below 0
  Fault* word;
  const char* op;
  TAPIR_HD void operator()(std::int64_t k) const {
    const auto i = std::int64_t(in[k]);
    if (!ids) return void(out[k] = place_of(i, n, word, op));
    const bool fits = i >= 0 && i < n;
    if (!fits) report(word, Fault::id, op, i, n);
    out[k] = fits ? i : 0;
  }
};

// The places, in memory that lives as long as the result.
Tensor resolved(const char* op, const Tensor& indices, std::int64_t n, bool ids = false) {
  Tensor places = Tensor::empty(indices.shape(), DType::i64, indices.device());
  visit_integer(indices.dtype(), [&](auto t) {
    using T = decltype(t);
    launch(indices.size(),
           Resolve<T>{indices.data<T>(), places.mutable_data<std::int64_t>(), n, ids, fault_word(), op});
  });
  return places;
}

// y: [outer, m, inner] = x[outer, places[m], inner], or places of every element.
template <class I>
struct TakeEach {
  I* to;
  const I* from;
  const std::int64_t* places;
  std::int64_t n, m, inner;
  bool each;
  TAPIR_HD void operator()(std::int64_t i) const {
    const std::int64_t row = i / inner, place = places[each ? i : row % m];
    to[i] = from[(row / m * n + place) * inner + i % inner];
  }
};

void take_from(const Call& c, const char* op, bool each, bool ids, int axis) {
  const Tensor &x = c.in[0], &y = c.out[0];
  const Around a = around(x.shape(), axis);
  if (a.n == 0 && c.in[1].size()) {  // no place to go to in the meantime
    resolved(op, c.in[1], a.n, ids);
    return clear(y.mutable_data<std::byte>(), std::size_t(y.size()) * size_of(y.dtype()));
  }
  const Tensor places = resolved(op, c.in[1], a.n, ids);
  const std::int64_t m = each ? y.shape()[axis] : places.size();
  cpu::by_item(size_of(x.dtype()), [&](auto t) {
    using I = decltype(t);
    launch(y.size(), TakeEach<I>{y.mutable_data<I>(), x.data<I>(), places.data<std::int64_t>(), a.n, m, a.inner, each});
  });
}
void take(const Call& c) { take_from(c, "take", false, false, c.attrs.as<AxisAttrs>().axis); }
void embedding_lookup(const Call& c) { take_from(c, "embedding_lookup", false, true, 0); }
void take_along_axis(const Call& c) { take_from(c, "take_along_axis", true, false, c.attrs.as<AxisAttrs>().axis); }

// The transpose: what TakeEach reads is met by what it writes.
template <class T>
struct GiveEach {
  T* to;
  const T* from;
  const std::int64_t* places;
  std::int64_t n, m, inner;
  bool each;
  Meet how;
  TAPIR_HD void operator()(std::int64_t i) const {
    const std::int64_t row = i / inner, place = places[each ? i : row % m];
    meet(to + (row / m * n + place) * inner + i % inner, how, from[i]);
  }
};

void give_back(const Call& c, const char* op, bool each) {
  const Tensor &dy = c.in[0], &dx = c.out[0];
  const int axis = c.attrs.as<AxisShapeAttrs>().axis;
  const Around a = around(dx.shape(), axis);
  clear(dx.mutable_data<std::byte>(), std::size_t(dx.size()) * size_of(dx.dtype()));
  const Tensor places = resolved(op, c.in[1], a.n);
  if (dx.size() == 0) return;
  const std::int64_t m = each ? dy.shape()[axis] : places.size();
  visit_arithmetic(dx.dtype(), [&](auto t) {
    using T = decltype(t);
    launch(dy.size(), GiveEach<T>{dx.mutable_data<T>(), dy.data<T>(), places.data<std::int64_t>(), a.n, m, a.inner,
                                  each, Meet::add});
  });
}
void take_gradient(const Call& c) { give_back(c, "take", false); }
void take_along_axis_gradient(const Call& c) { give_back(c, "take_along_axis", true); }

template <class T>
struct FlatIndex {
  const T* in;
  std::int64_t* out;
  Shape dims;
  Fault* word;
  const char* op;
  TAPIR_HD void operator()(std::int64_t row) const {
    std::int64_t flat = 0;
    for (int d = 0; d < dims.rank(); ++d)
      flat = flat * dims[d] + place_of(std::int64_t(in[row * dims.rank() + d]), dims[d], word, op);
    out[row] = flat;
  }
};
void flat_index(const Call& c) {
  visit_integer(c.in[0].dtype(), [&](auto t) {
    using T = decltype(t);
    launch(c.out[0].size(), FlatIndex<T>{c.in[0].data<T>(), c.out[0].mutable_data<std::int64_t>(),
                                         c.attrs.as<DimsAttrs>().dims, fault_word(), "index"});
  });
}

// Rows that meet in one place keep their order where it matters: an update is made by one thread for each column.
template <class T>
struct UpdateColumn {
  T* to;
  const T* from;
  const std::int64_t* places;
  std::int64_t m, inner;
  TAPIR_HD void operator()(std::int64_t i) const {
    for (std::int64_t k = 0; k < m; ++k) to[places[k] * inner + i] = from[k * inner + i];
  }
};

void scatter(const Call& c) {
  const Tensor &x = c.in[0], &u = c.in[2], &y = c.out[0];
  const std::int64_t n = x.shape()[0], inner = n ? x.size() / n : 0;
  copy_strided(y.mutable_data<std::byte>(), y.strides(), x.data<std::byte>(), x.strides(), x.shape(),
               size_of(x.dtype()));
  const Tensor places = resolved("scatter", c.in[1], n);
  if (y.size() == 0) return;
  const auto mode = Meet(c.attrs.as<ScatterAttrs>().mode);
  visit_arithmetic(y.dtype(), [&](auto t) {
    using T = decltype(t);
    T* to = y.mutable_data<T>();
    const T* from = u.data<T>();
    const auto* at = places.data<std::int64_t>();
    if (mode == Meet::update) return launch(inner, UpdateColumn<T>{to, from, at, places.size(), inner});
    launch(u.size(), GiveEach<T>{to, from, at, n, places.size(), inner, false, mode});
  });
}
static_assert(int(Scatter::add) == int(Meet::add) && int(Scatter::update) == int(Meet::update) &&
              int(Scatter::min) == int(Meet::min) && int(Scatter::max) == int(Meet::max));

}  // namespace

void list_gather(KernelList& out) {
  const NamedKernel all[] = {
      {"take", take},
      {"embedding_lookup", embedding_lookup},
      {"take_gradient", take_gradient},
      {"take_along_axis", take_along_axis},
      {"take_along_axis_gradient", take_along_axis_gradient},
      {"flat_index", flat_index},
      {"scatter", scatter},
  };
  out.insert(out.end(), std::begin(all), std::end(all));
}

}  // namespace tapir::cuda
