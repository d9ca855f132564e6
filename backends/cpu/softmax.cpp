// Feeds softmax rows: straight where the axis is the last, else through a few gathered columns.
#include <tapir/backends/cpu/isa.h>
#include <tapir/backends/cpu/parallel.h>
#include <tapir/backends/cpu/softmax.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/reduce_attrs.h>

#include <vector>

namespace tapir::cpu {
namespace {

const SoftmaxRows& rows_of(DType d) {
  switch (isa()) {
#if TAPIR_TOP_ISA >= 4
    case Isa::v4:
      return v4::softmax_rows[d == DType::f64];
#endif
#if TAPIR_TOP_ISA >= 3
    case Isa::v3:
      return v3::softmax_rows[d == DType::f64];
#endif
    default:
      return v2::softmax_rows[d == DType::f64];
  }
}

constexpr std::int64_t kColumns = 32, kGrain = 1 << 13;

// Some columns of [n, inner] to and from dense rows, `pitch` apart.
template <class T>
void gather(const T* from, std::int64_t n, std::int64_t inner, std::int64_t columns, T* to, std::int64_t pitch) {
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t c = 0; c < columns; ++c) to[c * pitch + i] = from[i * inner + c];
}
template <class T>
void scatter(const T* from, std::int64_t pitch, std::int64_t n, std::int64_t inner, std::int64_t columns, T* to) {
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t c = 0; c < columns; ++c) to[i * inner + c] = from[c * pitch + i];
}

template <class T>
void run(const Call& call, SoftmaxRow row, std::int64_t out_n) {
  const AroundAxis around(call.in[0].shape(), call.attrs.as<AxisAttrs>().axis);
  const std::int64_t n = around.n, inner = around.inner;
  auto* a = call.in[0].data<T>();
  const T* b = call.in.size() > 1 ? call.in[1].data<T>() : nullptr;
  T* out = call.out[0].mutable_data<T>();
  if (inner == 1) {
    parallel_for(around.outer, std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(n, 1)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t u = begin; u < end; ++u)
                     row(a + u * n, b ? b + u * n : nullptr, out + u * out_n, n);
                 });
    return;
  }
  const std::int64_t blocks = (inner + kColumns - 1) / kColumns;
  parallel_for(around.outer * blocks, std::max<std::int64_t>(1, kGrain / (n * kColumns)),
               [&](std::int64_t begin, std::int64_t end) {
                 const std::int64_t pitch =
                     n + 64 / std::int64_t(sizeof(T));  // neighbouring rows fall into different cache sets
                 std::vector<T> buffer(std::size_t(pitch * kColumns) * (b ? 2 : 1));
                 T *ra = buffer.data(), *rb = b ? ra + pitch * kColumns : nullptr;
                 for (std::int64_t u = begin; u < end; ++u) {
                   const std::int64_t first = u % blocks * kColumns, columns = std::min(kColumns, inner - first);
                   const std::int64_t base = u / blocks * n * inner + first;
                   gather(a + base, n, inner, columns, ra, pitch);
                   if (b) gather(b + base, n, inner, columns, rb, pitch);
                   for (std::int64_t c = 0; c < columns; ++c)
                     row(ra + c * pitch, b ? rb + c * pitch : nullptr, ra + c * pitch, n);
                   scatter(ra, pitch, n, inner, columns, out + base);
                 }
               });
}

void run(const Call& call, SoftmaxRow SoftmaxRows::*which, bool one = false) {
  const DType d = call.in[0].dtype();
  const SoftmaxRow row = rows_of(d).*which;
  const std::int64_t out_n = one ? 1 : call.in[0].shape()[call.attrs.as<AxisAttrs>().axis];
  d == DType::f64 ? run<double>(call, row, out_n) : run<float>(call, row, out_n);
}

}  // namespace

void softmax(const Call& call) { run(call, &SoftmaxRows::softmax); }
void softmax_grad(const Call& call) { run(call, &SoftmaxRows::softmax_grad); }
void log_softmax(const Call& call) { run(call, &SoftmaxRows::log_softmax); }
void log_softmax_grad(const Call& call) { run(call, &SoftmaxRows::log_softmax_grad); }
void logsumexp(const Call& call) { run(call, &SoftmaxRows::logsumexp, true); }

}  // namespace tapir::cpu
