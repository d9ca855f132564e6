// matmul: floats by cuBLAS, integers, which wrap around, by a thread for each element of the result.
#include <tapir/backends/cuda/copy.h>
#include <tapir/backends/cuda/gemm.h>
#include <tapir/backends/cuda/kernels.h>
#include <tapir/backends/cuda/launch.h>
#include <tapir/backends/cuda/walk.h>
#include <tapir/ops/matmul_attrs.h>
#include <tapir/ops/shaping.h>

namespace tapir::cuda {
namespace {

Tensor dense(const Tensor& t, DType dtype) {
  Tensor d = Tensor::empty(t.shape(), dtype, t.device());
  cast_into(t, d);
  return d;
}

// A matrix as it lies, its rows or its columns dense; copied if neither is.
struct Operand {
  Tensor t;
  bool transposed;
  std::int64_t ld;
};
Operand look_at(const Tensor& x, bool transpose, DType dtype) {
  Tensor t = x.dtype() == dtype ? x : dense(x, dtype);
  const int r = t.rank();
  auto rows = [&] { return t.strides()[r - 2]; };
  auto columns = [&] { return t.strides()[r - 1]; };
  const std::int64_t m = t.shape()[r - 2], n = t.shape()[r - 1];
  if ((columns() == 1 || n == 1) && (rows() >= n || m == 1)) return {t, transpose, std::max(rows(), n)};
  if ((rows() == 1 || m == 1) && (columns() >= m || n == 1)) return {t, !transpose, std::max(columns(), m)};
  t = dense(t, dtype);
  return {t, transpose, std::max<std::int64_t>(n, 1)};
}

template <class T>
struct IntegerProduct {
  const T *a, *b;
  T* c;
  std::int64_t m, n, k, a_row, a_column, b_row, b_column;
  Walk<2> batch;
  TAPIR_HD void operator()(std::int64_t i) const {
    using U = std::uint64_t;
    std::int64_t at[2];
    batch.places(i / (m * n), at);
    const T *p = a + at[0] + i / n % m * a_row, *q = b + at[1] + i % n * b_column;
    U sum = 0;
    for (std::int64_t j = 0; j < k; ++j) sum += U(p[j * a_column]) * U(q[j * b_row]);
    c[i] = T(sum);
  }
};

// The batch dimensions of two operands, as offsets.
Walk<2> batches(const Tensor& a, const Tensor& b, const Shape& batch) {
  auto lead = [](const Tensor& t) { return t.view_as(t.shape().first(t.rank() - 2), t.strides().first(t.rank() - 2)); };
  const Tensor x = lead(a), z = lead(b);
  const Tensor* operands[2] = {&x, &z};
  return walk_over(batch, operands);
}

void integers(const Call& call, const MatmulAttrs& f) {
  const Tensor &a = call.in[0], &b = call.in[1], &y = call.out[0];
  const DType d = y.dtype();
  const Tensor x = a.dtype() == d ? a : dense(a, d), z = b.dtype() == d ? b : dense(b, d);
  const int r = y.rank();
  auto step = [](const Tensor& t, bool row, bool transpose) { return t.strides().dim(row == transpose ? -1 : -2); };
  visit_dtype(d, [&](auto t) {
    using T = decltype(t);
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>)
      launch(y.size(),
             IntegerProduct<T>{x.data<T>(), z.data<T>(), y.mutable_data<T>(), y.shape()[r - 2], y.shape()[r - 1],
                               x.shape().dim(f.transpose_a ? -2 : -1), step(x, true, f.transpose_a),
                               step(x, false, f.transpose_a), step(z, true, f.transpose_b),
                               step(z, false, f.transpose_b), batches(x, z, y.shape().first(r - 2))});
  });
}

}  // namespace

void multiply(const Tensor& x, const Tensor& z, const MatmulAttrs& f, const Tensor& y) {
  const Operand a = look_at(x, f.transpose_a, y.dtype()), b = look_at(z, f.transpose_b, y.dtype());
  const int r = y.rank();
  Gemm g{.m = y.shape()[r - 2],
         .n = y.shape()[r - 1],
         .k = x.shape().dim(f.transpose_a ? -2 : -1),
         .a = a.t.data<char>(),
         .transpose_a = a.transposed,
         .lda = a.ld,
         .b = b.t.data<char>(),
         .transpose_b = b.transposed,
         .ldb = b.ld,
         .c = y.mutable_data<char>(),
         .ldc = y.shape()[r - 1],
         .dtype = y.dtype(),
         .precision = f.precision};
  const auto item = std::int64_t(size_of(y.dtype()));
  if (g.k == 0) return clear(y.mutable_data<char>(), std::size_t(y.size() * item));
  const Shape batch = y.shape().first(r - 2);
  const Walk<2> walk = batches(a.t, b.t, batch);
  if (walk.rank <= 1) {
    g.count = batch.size(), g.stride_c = g.m * g.n;
    if (walk.rank) g.stride_a = walk.step[0][0], g.stride_b = walk.step[1][0];
    return gemm(g);
  }
  for (std::int64_t i = 0; i < batch.size(); ++i) {
    std::int64_t at[2];
    walk.places(i, at);
    Gemm each = g;
    each.a = a.t.data<char>() + at[0] * item, each.b = b.t.data<char>() + at[1] * item;
    each.c = y.mutable_data<char>() + i * g.m * g.n * item;
    gemm(each);
  }
}

static void matmul(const Call& call) {
  const auto& f = call.attrs.as<MatmulAttrs>();
  if (is_floating(call.out[0].dtype())) multiply(call.in[0], call.in[1], f, call.out[0]);
  else integers(call, f);
}

void list_matmul(KernelList& out) { out.push_back({"matmul", matmul}); }

}  // namespace tapir::cuda
