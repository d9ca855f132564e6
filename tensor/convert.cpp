#include <tapir/tensor/cast_one.h>
#include <tapir/tensor/convert.h>

#include <cstring>

namespace tapir::detail {

template <class From, class To>
static void run(const void* in, std::int64_t stride, void* out, std::int64_t n) {
  auto* p = static_cast<const From*>(in);
  auto* q = static_cast<To*>(out);
  if constexpr (std::is_same_v<From, To>) {
    if (stride == 1) {
      std::memcpy(q, p, std::size_t(n) * sizeof(To));
      return;
    }
    for (std::int64_t i = 0; i < n; ++i) q[i] = p[i * stride];
  } else if (stride == 1) {
    for (std::int64_t i = 0; i < n; ++i) q[i] = cast_one<To>(p[i]);
  } else {
    for (std::int64_t i = 0; i < n; ++i) q[i] = cast_one<To>(p[i * stride]);
  }
}

void convert(const void* in, DType from, std::int64_t stride, void* out, DType to, std::int64_t n) {
  visit_dtype(from,
              [&](auto f) { visit_dtype(to, [&](auto t) { run<decltype(f), decltype(t)>(in, stride, out, n); }); });
}

void copy_strided(const std::byte* in, DType from, const Shape& shape, const Shape& strides, void* out, DType to) {
  if (shape.size() == 0) return;
  int r = shape.rank();
  std::int64_t inner = r ? shape[r - 1] : 1, step = r ? strides[r - 1] : 1, outer = shape.size() / inner;
  std::int64_t at[Shape::max_rank] = {};
  auto in_size = std::int64_t(size_of(from)), out_size = std::int64_t(size_of(to));
  auto* q = static_cast<std::byte*>(out);
  for (std::int64_t o = 0, offset = 0; o < outer; ++o, q += inner * out_size) {
    convert(in + offset * in_size, from, step, q, to, inner);
    for (int d = r - 2; d >= 0; --d) {
      offset += strides[d];
      if (++at[d] < shape[d]) break;
      offset -= strides[d] * shape[d];
      at[d] = 0;
    }
  }
}

}  // namespace tapir::detail
