// Sorting along one axis: each element becomes a key whose order is the element's, with its index beside it, which
// makes any network stable; rows are filled up to a power of two and go through a bitonic network (Batcher 1968), a
// launch for each of its layers.
#include <tapir/backends/cpu/by_item.h>
#include <tapir/backends/cuda/copy.h>
#include <tapir/backends/cuda/kernels.h>
#include <tapir/backends/cuda/launch.h>
#include <tapir/backends/cuda/visit.h>
#include <tapir/ops/functors/sort_key.h>
#include <tapir/ops/reduce_attrs.h>
#include <tapir/ops/sort.h>

namespace tapir::cuda {
namespace {

using vmath::Key;
using vmath::key_of;

// [rows, wide] keys and indices; what is beyond n sorts last.
template <class T>
struct MakeKeys {
  const T* in;
  Key<T>* keys;
  std::int64_t* at;
  std::int64_t n, inner, wide;
  Key<T> flip;
  TAPIR_HD void operator()(std::int64_t i) const {
    const std::int64_t row = i / wide, k = i % wide;
    at[i] = k;
    keys[i] = k < n ? Key<T>(key_of(in[(row / inner * n + k) * inner + row % inner]) ^ flip)
                    : std::numeric_limits<Key<T>>::max();
  }
};

// Puts pair i of a layer in order; `size` and `stride` are those of Batcher's network.
template <class K>
struct Exchange {
  K* keys;
  std::int64_t* at;
  std::int64_t size, stride, wide;
  TAPIR_HD void operator()(std::int64_t i) const {
    const std::int64_t low = i / stride * 2 * stride + i % stride, high = low + stride;
    const bool up = (low % wide & size) == 0;
    const bool ordered = keys[low] < keys[high] || (keys[low] == keys[high] && at[low] < at[high]);
    if (ordered == up) return;
    const K key = keys[low];
    const std::int64_t index = at[low];
    keys[low] = keys[high], at[low] = at[high];
    keys[high] = key, at[high] = index;
  }
};

template <class T>
struct PickSorted {
  const T* in;
  const std::int64_t* at;
  T* values;
  std::int64_t* indices;
  std::int64_t n, inner, wide, k;
  TAPIR_HD void operator()(std::int64_t i) const {
    const std::int64_t row = i / (k * inner) * inner + i % inner, place = i / inner % k;
    const std::int64_t from = at[row * wide + place];
    values[i] = in[(row / inner * n + from) * inner + row % inner];
    indices[i] = from;
  }
};

template <class T>
void sort_rows(const Call& call) {
  const auto& a = call.attrs.as<SortAttrs>();
  const AroundAxis s(call.in[0].shape(), a.axis);
  const std::int64_t rows = s.outer * s.inner;
  if (call.out[0].size() == 0) return;
  std::int64_t wide = 1;
  while (wide < s.n) wide *= 2;
  Scratch key_memory(std::size_t(rows * wide) * sizeof(Key<T>)), at_memory(std::size_t(rows * wide) * 8);
  auto* keys = static_cast<Key<T>*>(key_memory.data());
  auto* at = static_cast<std::int64_t*>(at_memory.data());
  const Key<T> flip = a.descending ? std::numeric_limits<Key<T>>::max() : Key<T>(0);
  launch(rows * wide, MakeKeys<T>{call.in[0].data<T>(), keys, at, s.n, s.inner, wide, flip});
  for (std::int64_t size = 2; size <= wide; size *= 2)
    for (std::int64_t stride = size / 2; stride > 0; stride /= 2)
      launch(rows * wide / 2, Exchange<Key<T>>{keys, at, size, stride, wide});
  launch(call.out[0].size(), PickSorted<T>{call.in[0].data<T>(), at, call.out[0].mutable_data<T>(),
                                           call.out[1].mutable_data<std::int64_t>(), s.n, s.inner, wide, a.k});
}

void sort(const Call& call) {
  visit_arithmetic(call.in[0].dtype(), [&](auto t) { sort_rows<decltype(t)>(call); });
}

// to[place of i] = from[i] or the other way round, where index i names a place along the axis.
template <class I>
struct MoveAlong {
  I* to;
  const I* from;
  const std::int64_t* indices;
  std::int64_t n, m, inner;  // of the whole, of the part
  bool gather;
  TAPIR_HD void operator()(std::int64_t i) const {
    const std::int64_t whole = (i / (m * inner) * n + indices[i]) * inner + i % inner;
    if (gather) to[i] = from[whole];
    else to[whole] = from[i];
  }
};

void move_along(const Call& call, bool gather) {
  const Tensor &x = call.in[0], &indices = call.in[1], &y = call.out[0];
  const std::size_t item = size_of(x.dtype());
  if (!gather) clear(y.mutable_data<std::byte>(), std::size_t(y.size()) * item);
  const int axis = call.attrs.as<SortAttrs>().axis;
  const AroundAxis whole((gather ? x : y).shape(), axis), part(indices.shape(), axis);
  cpu::by_item(item, [&](auto t) {
    using I = decltype(t);
    launch(indices.size(), MoveAlong<I>{y.mutable_data<I>(), x.data<I>(), indices.data<std::int64_t>(), whole.n, part.n,
                                        part.inner, gather});
  });
}
void gather_along(const Call& call) { move_along(call, true); }
void scatter_along(const Call& call) { move_along(call, false); }

template <class T>
struct SearchEach {
  const T *sorted, *values;
  std::int64_t* out;
  std::int64_t n;
  bool right;
  TAPIR_HD void operator()(std::int64_t i) const {
    const Key<T> v = key_of(values[i]);
    std::int64_t low = 0, high = n;
    while (low < high) {
      const std::int64_t middle = (low + high) / 2;
      const Key<T> k = key_of(sorted[middle]);
      if (right ? k <= v : k < v) low = middle + 1;
      else high = middle;
    }
    out[i] = low;
  }
};

void searchsorted(const Call& call) {
  visit_arithmetic(call.in[0].dtype(), [&](auto t) {
    using T = decltype(t);
    launch(call.in[1].size(),
           SearchEach<T>{call.in[0].data<T>(), call.in[1].data<T>(), call.out[0].mutable_data<std::int64_t>(),
                         call.in[0].size(), call.attrs.as<Side>() == Side::right});
  });
}

}  // namespace

void list_sort(KernelList& out) {
  const NamedKernel all[] = {
      {"sort", sort}, {"gather_along", gather_along}, {"scatter_along", scatter_along}, {"searchsorted", searchsorted}};
  out.insert(out.end(), std::begin(all), std::end(all));
}

}  // namespace tapir::cuda
