#include <tapir/backends/cpu/by_item.h>
#include <tapir/backends/cpu/strided.h>

#include <algorithm>
#include <cstring>

namespace tapir::cpu {

Strided::Strided(const Shape& shape, const Tensor& x) : item_(std::int64_t(size_of(x.dtype()))) {
  int lead = shape.rank() - x.rank();
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] == 1) continue;
    std::int64_t stride = i < lead || x.shape()[i - lead] == 1 ? 0 : x.strides()[i - lead];
    if (rank_ && strides_[rank_ - 1] == stride * shape[i]) {
      sizes_[rank_ - 1] *= shape[i];
      strides_[rank_ - 1] = stride;
    } else {
      sizes_[rank_] = shape[i];
      strides_[rank_++] = stride;
    }
  }
  if (rank_ == 0) sizes_[0] = 1, strides_[0] = 0, rank_ = 1;
  if (rank_ == 2 && strides_[0] == 0 && strides_[1] == 1) period_ = sizes_[1];
}

template <class T>
static void row(const T* in, std::int64_t stride, std::int64_t n, T* out) {
  if (stride == 1) std::memcpy(out, in, std::size_t(n) * sizeof(T));
  else if (stride == 0) std::fill(out, out + n, *in);
  else
    for (std::int64_t i = 0; i < n; ++i) out[i] = in[i * stride];
}

template <class T>
static void walk(const T* in, int rank, const std::int64_t* sizes, const std::int64_t* strides, std::int64_t begin,
                 std::int64_t count, T* out) {
  std::int64_t at[Shape::max_rank], offset = 0;
  for (int d = rank - 1; d >= 0; --d) {
    at[d] = begin % sizes[d];
    begin /= sizes[d];
    offset += at[d] * strides[d];
  }
  const int last = rank - 1;
  while (count > 0) {
    std::int64_t n = std::min(count, sizes[last] - at[last]);
    row(in + offset, strides[last], n, out);
    out += n;
    count -= n;
    offset -= at[last] * strides[last];
    at[last] = 0;
    for (int d = last - 1; d >= 0; --d) {
      offset += strides[d];
      if (++at[d] < sizes[d]) break;
      offset -= strides[d] * sizes[d];
      at[d] = 0;
    }
  }
}

void Strided::gather(const std::byte* data, std::int64_t begin, std::int64_t count, void* out) const {
  by_item(std::size_t(item_), [&](auto t) {
    using T = decltype(t);
    walk(reinterpret_cast<const T*>(data), rank_, sizes_, strides_, begin, count, static_cast<T*>(out));
  });
}

}  // namespace tapir::cpu
