// Kernels that move elements and compute nothing: casts, copies, joining, padding, rearranging; and those that count.
#include <tapir/backends/cpu/by_item.h>
#include <tapir/backends/cuda/copy.h>
#include <tapir/backends/cuda/kernels.h>
#include <tapir/backends/cuda/launch.h>
#include <tapir/backends/cuda/walk.h>
#include <tapir/ops/gather_attrs.h>
#include <tapir/ops/range_attrs.h>
#include <tapir/ops/shape_attrs.h>
#include <tapir/tensor/cast_one.h>
#include <tapir/tensor/cuda_module.h>

namespace tapir::cuda {
namespace {

template <class I>
struct CopyEach {
  I* to;
  const I* from;
  Walk<2> walk;
  TAPIR_HD void operator()(std::int64_t i) const {
    std::int64_t at[2];
    walk.places(i, at);
    to[at[0]] = from[at[1]];
  }
};

template <class To>
TAPIR_HD To load_as(const void* p, DType from, std::int64_t i) {
  switch (from) {
    case DType::f32:
      return tapir::detail::cast_one<To>(static_cast<const float*>(p)[i]);
    case DType::f64:
      return tapir::detail::cast_one<To>(static_cast<const double*>(p)[i]);
    case DType::f16:
      return tapir::detail::cast_one<To>(static_cast<const float16*>(p)[i]);
    case DType::bf16:
      return tapir::detail::cast_one<To>(static_cast<const bfloat16*>(p)[i]);
    case DType::i8:
      return tapir::detail::cast_one<To>(static_cast<const std::int8_t*>(p)[i]);
    case DType::u8:
      return tapir::detail::cast_one<To>(static_cast<const std::uint8_t*>(p)[i]);
    case DType::i16:
      return tapir::detail::cast_one<To>(static_cast<const std::int16_t*>(p)[i]);
    case DType::i32:
      return tapir::detail::cast_one<To>(static_cast<const std::int32_t*>(p)[i]);
    case DType::i64:
      return tapir::detail::cast_one<To>(static_cast<const std::int64_t*>(p)[i]);
    default:
      return tapir::detail::cast_one<To>(static_cast<const bool*>(p)[i]);
  }
}

template <class To>
struct CastEach {
  To* to;
  const void* from;
  DType dtype;
  bool dense;
  Walk<1> walk;
  TAPIR_HD void operator()(std::int64_t i) const {
    std::int64_t at[1] = {i};
    if (!dense) walk.places(i, at);
    to[i] = load_as<To>(from, dtype, at[0]);
  }
};

void cast(const Call& call) {
  const Tensor& y = call.out[0];
  const Tensor x = tapir::detail::copied_to(call.in[0], y.device());  // a C++ number comes from the CPU
  if (x.dtype() == y.dtype())
    return copy_strided(y.mutable_data<std::byte>(), y.strides(), x.data<std::byte>(), x.strides(), y.shape(),
                        size_of(x.dtype()));
  const Tensor* operands[1] = {&x};
  const Walk<1> walk = walk_over(y.shape(), operands);
  visit_dtype(y.dtype(), [&](auto t) {
    using To = decltype(t);
    launch(y.size(), CastEach<To>{y.mutable_data<To>(), x.data<std::byte>(), x.dtype(), x.is_contiguous(), walk});
  });
}

void join(const Call& call) {
  const auto& a = call.attrs.as<JoinAttrs>();
  const Tensor& out = call.out[0];
  const std::size_t item = size_of(out.dtype());
  Shape strides = out.strides();
  const std::int64_t step = strides[int(a.axis)] * std::int64_t(item);
  if (a.new_axis) strides.erase(int(a.axis));
  std::byte* to = out.mutable_data<std::byte>();
  for (std::size_t i = 0; i < call.in.size(); ++i) {
    const Tensor& x = call.in[i];
    copy_strided(to, strides, x.data<std::byte>(), x.strides(), x.shape(), item);
    to += step * (a.new_axis ? 1 : x.shape()[int(a.axis)]);
  }
}

void split(const Call& call) {
  const auto& a = call.attrs.as<SplitAttrs>();
  const Tensor& x = call.in[0];
  const std::size_t item = size_of(x.dtype());
  Shape strides = x.strides();
  const std::int64_t step = strides[int(a.axis)] * std::int64_t(item);
  if (a.drop_axis) strides.erase(int(a.axis));
  const std::byte* from = x.data<std::byte>();
  for (auto& y : call.out) {
    copy_strided(y.mutable_data<std::byte>(), y.strides(), from, strides, y.shape(), item);
    from += step * (a.drop_axis ? 1 : y.shape()[int(a.axis)]);
  }
}

// The element of the input, of size n, that stands at o of the output along one dimension; -1: the constant.
TAPIR_HD std::int64_t padded_from(std::int64_t o, std::int64_t n, std::int64_t before, PadMode mode) {
  const std::int64_t i = o - before;
  if (i >= 0 && i < n) return i;
  if (mode == PadMode::reflect) return i < 0 ? -i : 2 * n - 2 - i;
  if (mode == PadMode::symmetric) return i < 0 ? -i - 1 : 2 * n - 1 - i;
  if (mode == PadMode::edge) return i < 0 ? 0 : n - 1;
  return -1;
}

template <class I>
struct PadEach {
  I* to;
  const I* from;
  I value;
  Shape out, in, strides, before;
  PadMode mode;
  TAPIR_HD void operator()(std::int64_t i) const {
    std::int64_t at = 0;
    for (std::int64_t rest = i, d = out.rank() - 1; d >= 0; rest /= out[int(d)], --d) {
      const std::int64_t source = padded_from(rest % out[int(d)], in[int(d)], before[int(d)], mode);
      if (source < 0) return void(to[i] = value);
      at += source * strides[int(d)];
    }
    to[i] = from[at];
  }
};

void pad(const Call& call) {
  const auto& a = call.attrs.as<PadAttrs>();
  const Tensor &x = call.in[0], &y = call.out[0];
  std::uint64_t value = 0;
  visit_dtype(y.dtype(), [&](auto t) {
    const auto v = tapir::detail::cast_one<decltype(t)>(a.value);
    std::memcpy(&value, &v, sizeof v);
  });
  cpu::by_item(size_of(y.dtype()), [&](auto t) {
    using I = decltype(t);
    launch(y.size(),
           PadEach<I>{y.mutable_data<I>(), x.data<I>(), I(value), y.shape(), x.shape(), x.strides(), a.before, a.mode});
  });
}

// to: [outer, n, inner] = the sums of from: [outer, before + n + after, inner] over equal sources.
template <class T>
struct FoldPadding {
  T* to;
  const T* from;
  std::int64_t n, inner, before, after;
  PadMode mode;
  TAPIR_HD void operator()(std::int64_t at) const {
    const std::int64_t total = before + n + after, i = at / inner % n;
    const T* column = from + at / inner / n * total * inner + at % inner;
    T sum = column[(i + before) * inner];
    if (mode == PadMode::edge) {
      for (std::int64_t o = 0; i == 0 && o < before; ++o) sum += column[o * inner];
      for (std::int64_t o = before + n; i == n - 1 && o < total; ++o) sum += column[o * inner];
    } else {
      const std::int64_t shift = mode == PadMode::symmetric;  // does the edge itself repeat?
      const std::int64_t left = before - shift - i, right = before + 2 * n - 2 + shift - i;
      if (left >= 0 && left < before) sum += column[left * inner];
      if (right >= before + n && right < total) sum += column[right * inner];
    }
    to[at] = sum;
  }
};

template <class T>
void pad_gradient_of(const Call& call, const PadAttrs& a) {
  Tensor now = call.in[0];
  const Tensor& dx = call.out[0];
  Shape shape = now.shape();
  for (int d = 0; d < shape.rank(); ++d) {
    if (!a.before[d] && !a.after[d]) continue;
    shape[d] = dx.shape()[d];
    Tensor next = shape == dx.shape() ? dx : Tensor::empty(shape, dx.dtype(), dx.device());
    launch(shape.size(), FoldPadding<T>{next.mutable_data<T>(), now.data<T>(), shape[d],
                                        shape.last(shape.rank() - d - 1).size(), a.before[d], a.after[d], a.mode});
    now = next;
  }
  if (now.id() != dx.id())
    copy_strided(dx.mutable_data<T>(), dx.strides(), now.data<T>(), now.strides(), dx.shape(), sizeof(T));
}

void pad_gradient(const Call& call) {
  const auto& a = call.attrs.as<PadAttrs>();
  if (call.out[0].dtype() == DType::f64) pad_gradient_of<double>(call, a);
  else pad_gradient_of<float>(call, a);
}

template <class I>
struct RollEach {
  I* to;
  const I* from;
  Shape shape, strides, shifts;
  TAPIR_HD void operator()(std::int64_t i) const {
    std::int64_t at = 0;
    for (std::int64_t rest = i, d = shape.rank() - 1; d >= 0; rest /= shape[int(d)], --d) {
      const std::int64_t n = shape[int(d)], o = rest % n - shifts[int(d)];
      at += (o < 0 ? o + n : o) * strides[int(d)];
    }
    to[i] = from[at];
  }
};

void roll(const Call& call) {
  const Tensor &x = call.in[0], &y = call.out[0];
  cpu::by_item(size_of(y.dtype()), [&](auto t) {
    using I = decltype(t);
    launch(y.size(),
           RollEach<I>{y.mutable_data<I>(), x.data<I>(), x.shape(), x.strides(), call.attrs.as<RollAttrs>().shifts});
  });
}

void diag_embed(const Call& call) {
  const std::int64_t offset = call.attrs.as<DiagonalAttrs>().offset;
  const Tensor &x = call.in[0], &y = call.out[0];
  const std::size_t item = size_of(y.dtype());
  clear(y.mutable_data<std::byte>(), std::size_t(y.size()) * item);
  Shape strides = y.strides();
  const int r = x.rank() - 1;
  const std::int64_t first = offset >= 0 ? offset * strides[r + 1] : -offset * strides[r];
  strides.erase(r + 1);
  strides[r] += 1;
  copy_strided(y.mutable_data<std::byte>() + first * std::int64_t(item), strides, x.data<std::byte>(), x.strides(),
               x.shape(), item);
}

template <class I>
struct TriangleEach {
  I* to;
  const I* from;
  std::int64_t rows, columns, offset;
  bool upper;
  TAPIR_HD void operator()(std::int64_t i) const {
    const std::int64_t above = i % columns - i / columns % rows;  // of the diagonal
    to[i] = (upper ? above >= offset : above <= offset) ? from[i] : I(0);
  }
};

void triangle(const Call& call) {
  const auto& a = call.attrs.as<TriangleAttrs>();
  const Tensor &x = call.in[0], &y = call.out[0];
  cpu::by_item(size_of(y.dtype()), [&](auto t) {
    using I = decltype(t);
    launch(y.size(),
           TriangleEach<I>{y.mutable_data<I>(), x.data<I>(), y.shape().dim(-2), y.shape().dim(-1), a.offset, a.upper});
  });
}

// dx: zeros with dy at the places of a slice.
void strided_slice_gradient(const Call& call) {
  const auto& a = call.attrs.as<SliceGradientAttrs>();
  const Tensor &dy = call.in[0], &dx = call.out[0];
  const std::size_t item = size_of(dx.dtype());
  clear(dx.mutable_data<std::byte>(), std::size_t(dx.size()) * item);
  if (dy.size() == 0) return;
  Shape strides = dx.strides(), size = a.size;
  std::int64_t first = 0;
  for (int d = 0; d < dx.rank(); ++d) first += a.begin[d] * strides[d], strides[d] *= a.step[d];
  // dy may lack the axes that an index dropped: it is dense all the same.
  copy_strided(dx.mutable_data<std::byte>() + first * std::int64_t(item), strides, dy.data<std::byte>(),
               contiguous_strides(size), size, item);
}

template <class T>
struct CountUp {
  T* to;
  std::int64_t start, step;
  TAPIR_HD void operator()(std::int64_t i) const {
    using U = std::uint64_t;  // i * step alone may be beyond i64
    to[i] = tapir::detail::cast_one<T>(std::int64_t(U(start) + U(i) * U(step)));
  }
};
template <class T>
struct Spaced {
  T* to;
  double start, stop, step;
  std::int64_t last;  // it is `stop` itself; -1: none is
  TAPIR_HD void operator()(std::int64_t i) const {
    to[i] = tapir::detail::cast_one<T>(i == last && i > 0 ? stop : start + double(i) * step);
  }
};

void arange(const Call& call) {
  const auto& a = call.attrs.as<ArangeAttrs>();
  visit_dtype(a.dtype, [&](auto t) {
    using T = decltype(t);
    launch(a.count, CountUp<T>{call.out[0].mutable_data<T>(), a.start, a.step});
  });
}
void linspace(const Call& call) {
  const auto& a = call.attrs.as<SpacedAttrs>();
  const double parts = double(a.endpoint ? a.count - 1 : a.count);
  const double step = a.step != 0 ? a.step : parts > 0 ? (a.stop - a.start) / parts : 0;
  visit_dtype(a.dtype, [&](auto t) {
    using T = decltype(t);
    launch(a.count, Spaced<T>{call.out[0].mutable_data<T>(), a.start, a.stop, step,
                              a.endpoint ? a.count - 1 : std::int64_t(-1)});
  });
}

}  // namespace

void copy_strided(void* to, const Shape& to_strides, const void* from, const Shape& from_strides, const Shape& shape,
                  std::size_t item) {
  Walk<2> walk;
  for (int d = 0; d < shape.rank(); ++d) walk.put(shape[d], {to_strides[d], from_strides[d]});
  cpu::by_item(item, [&](auto t) {
    using I = decltype(t);
    launch(shape.size(), CopyEach<I>{static_cast<I*>(to), static_cast<const I*>(from), walk});
  });
}

void clear(void* to, std::size_t bytes) {
  if (bytes) check(runtime().memset_async(to, 0, bytes, stream()), "clear");
}

void list_copy(KernelList& out) {
  const NamedKernel all[] = {
      {"astype", cast},       {"contiguous", cast},
      {"concat", join},       {"stack", join},
      {"split", split},       {"unstack", split},
      {"pad", pad},           {"pad_gradient", pad_gradient},
      {"roll", roll},         {"diag_embed", diag_embed},
      {"triangle", triangle}, {"strided_slice_gradient", strided_slice_gradient},
      {"arange", arange},     {"linspace", linspace},
  };
  out.insert(out.end(), std::begin(all), std::end(all));
}

}  // namespace tapir::cuda
