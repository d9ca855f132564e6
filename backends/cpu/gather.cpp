// Slices put back, gathers and scatters: rows of memory moved by index.
#include <tapir/backends/cpu/parallel.h>
#include <tapir/ops/gather_attrs.h>
#include <tapir/ops/kernels.h>

#include <fmt/format.h>

#include <cstring>

namespace tapir::cpu {
namespace {

template <class F>
void with_integers(const Tensor& t, F&& f) {
  visit_dtype(t.dtype(), [&](auto v) {
    if constexpr (std::is_integral_v<decltype(v)> && !std::is_same_v<decltype(v), bool>) f(t.data<decltype(v)>());
  });
}

[[noreturn]] void out_of_range(const char* op, std::int64_t i, std::int64_t n) {
  throw UsageError(fmt::format("{}: index {} is out of range for size {}.", op, i, n));
}

// Every index checked and made non-negative before anything is moved.
std::vector<std::int64_t> resolved(const char* op, const Tensor& indices, std::int64_t n) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(indices.size()));
  with_integers(indices, [&](auto* p) {
    for (std::size_t k = 0; k < out.size(); ++k) {
      auto i = std::int64_t(p[k]);
      if (i < -n || i >= n) out_of_range(op, i, n);
      out[k] = i < 0 ? i + n : i;
    }
  });
  return out;
}

template <class F>
void with_numbers(DType d, F&& f) {
  visit_dtype(d, [&](auto v) {
    if constexpr (std::is_arithmetic_v<decltype(v)>) f(v);
  });
}

}  // namespace

void strided_slice_gradient(const Call& c) {
  const auto& a = c.attrs.as<SliceGradientAttrs>();
  const Tensor &dy = c.in[0], &dx = c.out[0];
  const auto item = std::int64_t(size_of(dx.dtype()));
  auto* out = dx.mutable_data<std::byte>();
  std::memset(out, 0, std::size_t(dx.size() * item));
  const int r = dx.rank(), last = r - 1;
  if (dy.size() == 0) return;
  Shape at = Shape::filled(r, 0);
  const std::int64_t row = r ? a.size[last] : 1, step = r ? a.step[last] : 1;
  const auto* in = dy.data<std::byte>();
  for (std::int64_t done = 0; done < dy.size(); done += row, in += row * item) {
    std::int64_t offset = 0;
    for (int d = 0; d < r; ++d) offset += (a.begin[d] + at[d] * a.step[d]) * dx.strides()[d];
    if (step == 1) std::memcpy(out + offset * item, in, std::size_t(row * item));
    else
      for (std::int64_t i = 0; i < row; ++i)
        std::memcpy(out + (offset + i * step) * item, in + i * item, std::size_t(item));
    for (int d = last - 1; d >= 0 && ++at[d] == a.size[d]; --d) at[d] = 0;
  }
}

static void take_at(const Call& c, const std::vector<std::int64_t>& places) {
  const Tensor &x = c.in[0], &y = c.out[0];
  auto [outer, n, inner] = AroundAxis(x.shape(), c.attrs.as<AxisAttrs>().axis);
  const auto m = std::int64_t(places.size()), bytes = inner * std::int64_t(size_of(x.dtype())), count = n;
  const auto* from = x.data<std::byte>();
  auto* to = y.mutable_data<std::byte>();
  parallel_for(outer * m, std::max<std::int64_t>(1, 65536 / std::max<std::int64_t>(bytes, 1)),
               [&, from, to](std::int64_t b, std::int64_t e) {
                 for (std::int64_t i = b; i < e; ++i)
                   std::memcpy(to + i * bytes, from + (i / m * count + places[std::size_t(i % m)]) * bytes,
                               std::size_t(bytes));
               });
}

void take(const Call& c) { take_at(c, resolved("take", c.in[1], c.in[0].shape()[c.attrs.as<AxisAttrs>().axis])); }

void embedding_lookup(const Call& c) {
  const std::int64_t n = c.in[0].shape()[0];
  std::vector<std::int64_t> places(static_cast<std::size_t>(c.in[1].size()));
  with_integers(c.in[1], [&](auto* p) {
    for (std::size_t k = 0; k < places.size(); ++k) {
      places[k] = std::int64_t(p[k]);
      if (places[k] < 0 || places[k] >= n)
        throw UsageError(
            fmt::format("embedding_lookup: id {} is outside [0, {}), the rows of the table. Give ids that "
                        "are unknown a row of their own, or make the table longer (input_dim).",
                        places[k], n));
    }
  });
  take_at(c, places);
}

void take_gradient(const Call& c) {
  const Tensor &dy = c.in[0], &dx = c.out[0];
  auto [outer, n, inner] = AroundAxis(dx.shape(), c.attrs.as<AxisShapeAttrs>().axis);
  const std::vector<std::int64_t> places = resolved("take", c.in[1], n);
  const auto m = std::int64_t(places.size());
  with_numbers(dx.dtype(), [&, outer = outer, n = n, inner = inner](auto v) {
    using T = decltype(v);
    const T* from = dy.data<T>();
    T* to = dx.mutable_data<T>();
    std::fill(to, to + dx.size(), T(0));
    for (std::int64_t o = 0; o < outer; ++o)
      for (std::int64_t k = 0; k < m; ++k, from += inner) {
        T* row = to + (o * n + places[std::size_t(k)]) * inner;
        for (std::int64_t i = 0; i < inner; ++i) row[i] = T(row[i] + from[i]);
      }
  });
}

void take_along_axis(const Call& c) {
  const Tensor &x = c.in[0], &y = c.out[0];
  int axis = c.attrs.as<AxisAttrs>().axis;
  auto [outer, n, inner] = AroundAxis(x.shape(), axis);
  const std::int64_t m = y.shape()[axis], item = std::int64_t(size_of(x.dtype()));
  const std::vector<std::int64_t> places = resolved("take_along_axis", c.in[1], n);
  for (std::int64_t o = 0, k = 0; o < outer; ++o)
    for (std::int64_t j = 0; j < m; ++j)
      for (std::int64_t i = 0; i < inner; ++i, ++k)
        std::memcpy(y.mutable_data<std::byte>() + k * item,
                    x.data<std::byte>() + ((o * n + places[std::size_t(k)]) * inner + i) * item, std::size_t(item));
}

void take_along_axis_gradient(const Call& c) {
  const Tensor &dy = c.in[0], &dx = c.out[0];
  int axis = c.attrs.as<AxisShapeAttrs>().axis;
  auto [outer, n, inner] = AroundAxis(dx.shape(), axis);
  const std::int64_t m = dy.shape()[axis];
  const std::vector<std::int64_t> places = resolved("take_along_axis", c.in[1], n);
  with_numbers(dx.dtype(), [&, outer = outer, n = n, inner = inner](auto v) {
    using T = decltype(v);
    T* to = dx.mutable_data<T>();
    std::fill(to, to + dx.size(), T(0));
    for (std::int64_t o = 0, k = 0; o < outer; ++o)
      for (std::int64_t j = 0; j < m; ++j)
        for (std::int64_t i = 0; i < inner; ++i, ++k) {
          T& at = to[(o * n + places[std::size_t(k)]) * inner + i];
          at = T(at + dy.data<T>()[k]);
        }
  });
}

void flat_index(const Call& c) {
  const Shape& dims = c.attrs.as<DimsAttrs>().dims;
  const int k = dims.rank();
  auto* out = c.out[0].mutable_data<std::int64_t>();
  with_integers(c.in[0], [&](auto* p) {
    for (std::int64_t row = 0; row < c.out[0].size(); ++row) {
      std::int64_t flat = 0;
      for (int d = 0; d < k; ++d) {
        auto i = std::int64_t(*p++);
        if (i < -dims[d] || i >= dims[d]) out_of_range("index", i, dims[d]);
        flat = flat * dims[d] + (i < 0 ? i + dims[d] : i);
      }
      out[row] = flat;
    }
  });
}

void scatter(const Call& c) {
  const Tensor &x = c.in[0], &u = c.in[2], &y = c.out[0];
  const std::int64_t n = x.shape()[0], inner = n ? x.size() / n : 0;
  const std::vector<std::int64_t> places = resolved("scatter", c.in[1], n);
  std::memcpy(y.mutable_data<std::byte>(), x.data<std::byte>(), std::size_t(x.size()) * size_of(x.dtype()));
  with_numbers(y.dtype(), [&](auto v) {
    using T = decltype(v);
    const T* from = u.data<T>();
    auto each = [&](auto put) {
      for (auto place : places) {
        T* row = y.mutable_data<T>() + place * inner;
        for (std::int64_t i = 0; i < inner; ++i, ++from) row[i] = put(row[i], *from);
      }
    };
    switch (c.attrs.as<ScatterAttrs>().mode) {
      case Scatter::add:
        return each([](T a, T b) { return T(a + b); });
      case Scatter::update:
        return each([](T, T b) { return b; });
      case Scatter::min:
        return each([](T a, T b) { return b < a || b != b ? b : a; });
      case Scatter::max:
        return each([](T a, T b) { return a < b || b != b ? b : a; });
    }
  });
}

}  // namespace tapir::cpu
