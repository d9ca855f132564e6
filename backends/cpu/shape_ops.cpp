// Kernels that move elements and compute nothing, but for the gradient of padding.
#include <tapir/backends/cpu/copy.h>
#include <tapir/backends/cpu/parallel.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/shape_attrs.h>
#include <tapir/tensor/convert.h>

#include <cstring>
#include <vector>

namespace tapir::cpu {

void join(const Call& call) {
  const auto& a = call.attrs.as<JoinAttrs>();
  const Tensor& out = call.out[0];
  const auto item = std::int64_t(size_of(out.dtype()));
  Shape strides = out.strides();
  const std::int64_t step = strides[int(a.axis)] * item;
  if (a.new_axis) strides.erase(int(a.axis));
  std::byte* to = out.mutable_data<std::byte>();
  for (std::size_t i = 0; i < call.in.size(); ++i) {
    const Tensor& x = call.in[i];
    copy_strided(to, strides, x.data<std::byte>(), x.strides(), x.shape(), std::size_t(item));
    to += step * (a.new_axis ? 1 : x.shape()[int(a.axis)]);
  }
}

void split(const Call& call) {
  const auto& a = call.attrs.as<SplitAttrs>();
  const Tensor& x = call.in[0];
  const auto item = std::int64_t(size_of(x.dtype()));
  Shape strides = x.strides();
  const std::int64_t step = strides[int(a.axis)] * item;
  if (a.drop_axis) strides.erase(int(a.axis));
  const std::byte* from = x.data<std::byte>();
  for (auto& y : call.out) {
    copy_strided(y.mutable_data<std::byte>(), y.strides(), from, strides, y.shape(), std::size_t(item));
    from += step * (a.drop_axis ? 1 : y.shape()[int(a.axis)]);
  }
}

namespace {

// Which element of the input stands at each place of the output along one dimension; -1: the constant.
std::vector<std::int64_t> sources(std::int64_t n, std::int64_t before, std::int64_t after, PadMode mode) {
  std::vector<std::int64_t> from(std::size_t(before + n + after));
  for (std::int64_t o = 0; o < before + n + after; ++o) {
    std::int64_t i = o - before;
    if (i < 0 || i >= n) {
      switch (mode) {
        case PadMode::constant:
          i = -1;
          break;
        case PadMode::reflect:
          i = i < 0 ? -i : 2 * n - 2 - i;
          break;
        case PadMode::symmetric:
          i = i < 0 ? -i - 1 : 2 * n - 1 - i;
          break;
        case PadMode::edge:
          i = i < 0 ? 0 : n - 1;
          break;
      }
    }
    from[std::size_t(o)] = i;
  }
  return from;
}

// One dimension of padding at a time, from the last to the first: rows of the output that are there already are copied
// by those beyond the edge.
void copy_edges(const Tensor& y, int axis, const PadAttrs& a, std::int64_t n) {
  const std::int64_t before = a.before[axis], total = y.shape()[axis];
  std::vector<std::int64_t> from = sources(n, before, a.after[axis], a.mode);
  const std::int64_t inner = y.strides()[axis] * std::int64_t(size_of(y.dtype()));
  // Outer indices in the padding of their own dimension come later, when whole blocks of theirs are copied.
  std::int64_t outer = 1;
  for (int i = 0; i < axis; ++i) outer *= y.shape()[i];
  std::byte* data = y.mutable_data<std::byte>();
  parallel_for(outer, 1 + (64 << 10) / std::max<std::int64_t>(1, inner * total), [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t k = b; k < e; ++k) {
      bool inside = true;
      for (std::int64_t rest = k, i = axis - 1; i >= 0; --i) {
        std::int64_t at = rest % y.shape()[int(i)];
        rest /= y.shape()[int(i)];
        inside &= at >= a.before[int(i)] && at < y.shape()[int(i)] - a.after[int(i)];
      }
      if (!inside) continue;
      std::byte* block = data + k * total * inner;
      for (std::int64_t o = 0; o < total; ++o)
        if (o < before || o >= before + n)
          std::memcpy(block + o * inner, block + (before + from[std::size_t(o)]) * inner, std::size_t(inner));
    }
  });
}

}  // namespace

void pad(const Call& call) {
  const auto& a = call.attrs.as<PadAttrs>();
  const Tensor &x = call.in[0], &y = call.out[0];
  const std::size_t item = size_of(y.dtype());
  if (a.mode == PadMode::constant) {
    std::byte value[8];
    tapir::detail::convert(&a.value, DType::f64, 1, value, y.dtype(), 1);
    fill_items(y.mutable_data<std::byte>(), value, y.size(), item);
  }
  std::int64_t offset = 0;
  for (int i = 0; i < x.rank(); ++i) offset += a.before[i] * y.strides()[i];
  copy_strided(y.mutable_data<std::byte>() + offset * std::int64_t(item), y.strides(), x.data<std::byte>(), x.strides(),
               x.shape(), item);
  if (a.mode != PadMode::constant)
    for (int i = x.rank() - 1; i >= 0; --i)
      if (a.before[i] || a.after[i]) copy_edges(y, i, a, x.shape()[i]);
}

namespace {

// to: [outer, n, inner] = the sums of from: [outer, before + n + after, inner] over equal sources.
template <class T>
void fold(const T* from, T* to, std::int64_t outer, std::int64_t n, std::int64_t inner,
          const std::vector<std::int64_t>& source) {
  const auto total = std::int64_t(source.size());
  parallel_for(outer, 1 + (16 << 10) / std::max<std::int64_t>(1, total * inner), [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t k = b; k < e; ++k) {
      T* block = to + k * n * inner;
      std::fill(block, block + n * inner, T(0));
      for (std::int64_t o = 0; o < total; ++o) {
        if (source[std::size_t(o)] < 0) continue;
        T* q = block + source[std::size_t(o)] * inner;
        const T* p = from + (k * total + o) * inner;
        for (std::int64_t i = 0; i < inner; ++i) q[i] += p[i];
      }
    }
  });
}

template <class T>
void pad_gradient_of(const Call& call, const PadAttrs& a) {
  const Tensor &dy = call.in[0], &dx = call.out[0];
  Tensor now = dy;
  Shape shape = dy.shape();
  for (int i = 0; i < dy.rank(); ++i) {
    if (!a.before[i] && !a.after[i]) continue;
    std::int64_t outer = 1, inner = 1;
    for (int k = 0; k < i; ++k) outer *= shape[k];
    for (int k = i + 1; k < shape.rank(); ++k) inner *= shape[k];
    shape[i] = dx.shape()[i];
    Tensor next = shape == dx.shape() ? dx : Tensor::empty(shape, dy.dtype());
    fold(now.data<T>(), next.mutable_data<T>(), outer, shape[i], inner,
         sources(shape[i], a.before[i], a.after[i], a.mode));
    now = next;
  }
  if (now.id() != dx.id()) std::memcpy(dx.mutable_data<T>(), now.data<T>(), std::size_t(dx.size()) * sizeof(T));
}

}  // namespace

void pad_gradient(const Call& call) {
  const auto& a = call.attrs.as<PadAttrs>();
  if (call.out[0].dtype() == DType::f64) pad_gradient_of<double>(call, a);
  else pad_gradient_of<float>(call, a);
}

void roll(const Call& call) {
  const Shape& shift = call.attrs.as<RollAttrs>().shifts;
  const Tensor &x = call.in[0], &y = call.out[0];
  const auto item = std::int64_t(size_of(y.dtype()));
  // Each dimension has a part that moves on and one that comes round: 2^k blocks for k rolled dimensions.
  for (unsigned part = 0; part < 1u << x.rank(); ++part) {
    Shape block = x.shape();
    std::int64_t to = 0, from = 0;
    for (int i = 0; i < x.rank(); ++i) {
      const std::int64_t n = x.shape()[i], s = shift[i];
      const bool round = part >> i & 1;  // the last s elements, which go to the front
      block[i] = round ? s : n - s;
      (round ? from : to) += (round ? n - s : s) * (round ? x : y).strides()[i];
    }
    copy_strided(y.mutable_data<std::byte>() + to * item, y.strides(), x.data<std::byte>() + from * item, x.strides(),
                 block, std::size_t(item));
  }
}

void diag_embed(const Call& call) {
  const std::int64_t offset = call.attrs.as<DiagonalAttrs>().offset;
  const Tensor &x = call.in[0], &y = call.out[0];
  const auto item = std::int64_t(size_of(y.dtype()));
  const std::uint64_t zero = 0;
  fill_items(y.mutable_data<std::byte>(), &zero, y.size(), std::size_t(item));
  Shape strides = y.strides();
  const int r = x.rank() - 1;
  const std::int64_t first = offset >= 0 ? offset * strides[r + 1] : -offset * strides[r];
  strides.erase(r + 1);
  strides[r] += 1;
  copy_strided(y.mutable_data<std::byte>() + first * item, strides, x.data<std::byte>(), x.strides(), x.shape(),
               std::size_t(item));
}

void triangle(const Call& call) {
  const auto& a = call.attrs.as<TriangleAttrs>();
  const Tensor& y = call.out[0];
  const std::int64_t rows = y.shape().dim(-2), columns = y.shape().dim(-1), item = std::int64_t(size_of(y.dtype()));
  const std::byte* from = call.in[0].data<std::byte>();
  std::byte* to = y.mutable_data<std::byte>();
  const std::int64_t offset = std::clamp(a.offset, -rows - 1, columns + 1);
  parallel_for(y.size() / columns, 1 + (64 << 10) / (columns * item), [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t r = b; r < e; ++r) {
      // Columns [0, cut) are below the diagonal that is asked for.
      std::int64_t cut = std::clamp<std::int64_t>(r % rows + offset + (a.upper ? 0 : 1), 0, columns);
      std::int64_t keep = a.upper ? cut : 0, kept = a.upper ? columns - cut : cut, clear = a.upper ? 0 : cut;
      std::byte* row = to + r * columns * item;
      std::memcpy(row + keep * item, from + (r * columns + keep) * item, std::size_t(kept * item));
      std::memset(row + clear * item, 0, std::size_t((columns - kept) * item));
    }
  });
}

}  // namespace tapir::cpu
