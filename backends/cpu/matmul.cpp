// Batched matrix products: oneDNN for f32 and its bf16 pieces, Eigen for f64 and for small ones, plain loops for
// integers. Operands with one unit stride are used where they lie.
#include <tapir/backends/cpu/bf16.h>
#include <tapir/backends/cpu/epilogue.h>
#include <tapir/backends/cpu/gemm.h>
#include <tapir/backends/cpu/onednn.h>
#include <tapir/backends/cpu/parallel.h>
#include <tapir/ops/fused.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/shaping.h>

#include <algorithm>

namespace tapir::cpu {
namespace {

// Multiply-adds: up to kSmall Eigen is at least as fast as oneDNN, whose fixed cost is 0.3 us; kGrain are worth a
// thread.
constexpr std::int64_t kSmall = 64 * 64 * 64, kGrain = 128 * 128 * 64;
constexpr std::int64_t kEdge = 16;  // of the smallest block of a product

// The matrices of one operand: stored row by row, `ld` apart, where `swapped` with the last two dimensions of t the
// other way round. The product wants them `transposed` or not.
struct Operand {
  Tensor t;
  bool transposed = false, swapped = false;
  std::int64_t ld = 0;
};

// Finds the unit stride; copies only where there is none (or where rows overlap).
Operand look_at(Tensor t, bool transpose, DType compute) {
  if (t.dtype() != compute) {
    Tensor wide = Tensor::empty(t.shape(), compute, t.device());
    cast_into(t, wide);
    t = wide;
  }
  for (bool copied : {false, true}) {
    const int r = t.rank();
    std::int64_t rows = t.shape()[r - 2], columns = t.shape()[r - 1], down = t.strides()[r - 2],
                 across = t.strides()[r - 1];
    if (columns == 1) across = 1;
    if (rows == 1 && across == 1) down = std::max<std::int64_t>(columns, 1);
    if (across == 1 && (down >= columns || rows == 1)) return {t, transpose, false, std::max<std::int64_t>(down, 1)};
    if (rows == 1) down = 1;
    if (down == 1 && across >= rows) return {t, !transpose, true, across};
    if (copied) break;
    Tensor dense = Tensor::empty(t.shape(), t.dtype(), t.device());
    cast_into(t, dense);
    t = dense;
  }
  return {t, transpose, false, std::max<std::int64_t>(t.shape().back(), 1)};
}

// Offsets of the matrices of `t` for each batch of the result.
std::vector<std::int64_t> batch_offsets(const Tensor& t, const Shape& batch) {
  std::vector<std::int64_t> out(std::size_t(batch.size()), 0);
  std::int64_t inner = 1;
  const int lead = batch.rank() - (t.rank() - 2);
  for (int d = batch.rank() - 1; d >= lead; --d) {
    std::int64_t stride = t.shape()[d - lead] == 1 ? 0 : t.strides()[d - lead];
    for (std::int64_t i = 0; i < batch.size(); ++i) out[std::size_t(i)] += i / inner % batch[d] * stride;
    inner *= batch[d];
  }
  return out;
}

// The pieces of an operand, dense and stored as it is: in each matrix side by side along k, which is columns of the
// left one, and where it is transposed rows.
Operand in_pieces(const Operand& o, Pieces s, Side side) {
  const int r = o.t.rank();
  const Shape batch = o.t.shape().first(r - 2);
  std::int64_t rows = o.t.shape()[r - 2], columns = o.t.shape()[r - 1];
  if (o.swapped) std::swap(rows, columns);
  const bool by_columns = (side == Side::left) != o.transposed;
  Shape shape = batch;
  shape.push_back(rows * (by_columns ? 1 : s.count));
  shape.push_back(columns * (by_columns ? s.count : 1));
  Tensor to = Tensor::empty(shape, s.dtype, o.t.device());
  const auto from = batch_offsets(o.t, batch);
  const auto item = std::int64_t(size_of(s.dtype));
  parallel_for(
      batch.size() * rows, (1 << 14) / std::max<std::int64_t>(columns, 1), [&](std::int64_t i, std::int64_t end) {
        for (; i < end; ++i) {
          const std::int64_t matrix = i / rows, row = i % rows;
          const std::int64_t at = matrix * rows * s.count * columns + row * columns * (by_columns ? s.count : 1);
          split(o.t.data<float>() + from[std::size_t(matrix)] + row * o.ld, columns, s, side,
                to.mutable_data<char>() + at * item, by_columns ? columns : rows * columns);
        }
      });
  return {to, o.transposed, false, columns * (by_columns ? s.count : 1)};
}

template <class T>
void plain(const Gemm& g) {
  using U = std::make_unsigned_t<T>;  // wraps around
  auto *a = static_cast<const T*>(g.a), *b = static_cast<const T*>(g.b);
  auto* c = static_cast<T*>(g.c);
  const std::int64_t a_row = g.transpose_a ? 1 : g.lda, a_col = g.transpose_a ? g.lda : 1;
  const std::int64_t b_row = g.transpose_b ? 1 : g.ldb, b_col = g.transpose_b ? g.ldb : 1;
  for (std::int64_t i = 0; i < g.m; ++i) {
    T* row = c + i * g.ldc;
    std::fill(row, row + g.n, T(0));
    for (std::int64_t k = 0; k < g.k; ++k) {
      const unsigned long long v = U(a[i * a_row + k * a_col]);
      const T* from = b + k * b_row;
      for (std::int64_t j = 0; j < g.n; ++j) row[j] = T(U(U(row[j]) + v * U(from[j * b_col])));
    }
  }
}

using Fn = void (*)(const Gemm&);

#ifdef TAPIR_ONEDNN
void by_onednn(const Gemm& g) {
  onednn::sgemm(g.transpose_a, g.transpose_b, g.m, g.n, g.k, static_cast<const float*>(g.a), g.lda,
                static_cast<const float*>(g.b), g.ldb, 0, static_cast<float*>(g.c), g.ldc);
}
void of_bf16(const Gemm& g) {
  onednn::bf16_gemm(g.transpose_a, g.transpose_b, g.m, g.n, g.k, static_cast<const bfloat16*>(g.a), g.lda,
                    static_cast<const bfloat16*>(g.b), g.ldb, static_cast<float*>(g.c), g.ldc);
}
#endif

Fn plain_of(DType d) {
  switch (d) {
    case DType::i8:
      return plain<std::int8_t>;
    case DType::u8:
      return plain<std::uint8_t>;
    case DType::i16:
      return plain<std::int16_t>;
    case DType::i32:
      return plain<std::int32_t>;
    default:
      return plain<std::int64_t>;
  }
}

DType result_of(DType operands) { return operands == DType::bf16 ? DType::f32 : operands; }

// One product cut into blocks of c, none smaller than an edge: as many as are wanted, and then those that read the
// least, for each reads its rows of a and its columns of b.
struct Blocks {
  std::int64_t rows = 1, columns = 1;

  Blocks(const Gemm& g, std::int64_t wanted) {
    const std::int64_t most_rows = std::max<std::int64_t>(1, g.m / kEdge),
                       most_columns = std::max<std::int64_t>(1, g.n / kEdge);
    auto reads = [&](std::int64_t r, std::int64_t c) { return double(g.m) / double(r) + double(g.n) / double(c); };
    for (std::int64_t r = 1; r <= std::min(wanted, most_rows); ++r) {
      const std::int64_t c = std::min(wanted / r, most_columns), more = r * c - count();
      if (more > 0 || (more == 0 && reads(r, c) < reads(rows, columns))) rows = r, columns = c;
    }
  }
  std::int64_t count() const { return rows * columns; }
  // `dtype`: of the operands.
  Gemm block(const Gemm& g, std::int64_t i, DType dtype) const {
    const auto item = std::int64_t(size_of(dtype)), result = std::int64_t(size_of(result_of(dtype)));
    auto from = [](std::int64_t size, std::int64_t k, std::int64_t of) {
      return k == of ? size : size * k / of / kEdge * kEdge;
    };
    const std::int64_t row = from(g.m, i / columns, rows), column = from(g.n, i % columns, columns);
    Gemm part = g;
    part.m = from(g.m, i / columns + 1, rows) - row;
    part.n = from(g.n, i % columns + 1, columns) - column;
    part.a = static_cast<const char*>(g.a) + row * (g.transpose_a ? 1 : g.lda) * item;
    part.b = static_cast<const char*>(g.b) + column * (g.transpose_b ? g.ldb : 1) * item;
    part.c = static_cast<char*>(g.c) + (row * g.ldc + column) * result;
    return part;
  }
};

#ifdef TAPIR_ONEDNN
// oneDNN 2.6 does not pack the operands of products of this size on AVX2. Where b lies row by row it is then at 40 to
// 90 GFLOP/s on a core of a Zen 3 (1024x1024x1024 in blocks of 256x256, a transposed: 38), and Eigen at 77 to 89.
bool for_eigen(const Gemm& g) {
  const bool packs = 1.0 / double(g.m) + 1.0 / double(g.n) < 0.0038;
  return g.m * g.n * g.k <= kSmall || (isa() < Isa::v4 && !packs && !g.transpose_b && std::min(g.m, g.n) >= 64);
}
#endif

// The loop for one block of a product.
Fn best(Fn fn, [[maybe_unused]] const Gemm& g, [[maybe_unused]] DType dtype) {
#ifdef TAPIR_ONEDNN
  if (dtype == DType::bf16) return of_bf16;
  if (dtype == DType::f32 && !for_eigen(g)) return by_onednn;
#endif
  return fn;
}

// Product i is at(i) for i < n, all like g: whole ones to each thread, or where they are few, blocks of them. After
// each, `done` is told its place.
template <class At, class Done>
void products(std::int64_t n, const Gemm& g, DType dtype, Fn fn, At&& at, Done&& done) {
  const std::int64_t work = g.m * g.n * g.k, parts = parallel_parts(n * work, kGrain);
  if (n >= parts) {
    fn = best(fn, g, dtype);
    return parallel_for(n, kGrain / std::max<std::int64_t>(work, 1), [&](std::int64_t begin, std::int64_t end) {
      for (; begin < end; ++begin) {
        const Gemm each = at(begin);
        fn(each), done(each);
      }
    });
  }
  const Blocks blocks(g, (parts + n - 1) / n);
  parallel_for(n * blocks.count(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (; begin < end; ++begin) {
      const Gemm block = blocks.block(at(begin / blocks.count()), begin % blocks.count(), dtype);
      best(fn, block, dtype)(block), done(block);
    }
  });
}

}  // namespace

void gemm_here(const Gemm& g, DType dtype) { best(dtype == DType::f32 ? gemm_fns().f32 : gemm_fns().f64, g, dtype)(g); }
void gemm_shared(const Gemm& g, DType dtype) {
  products(
      1, g, dtype, dtype == DType::f32 ? gemm_fns().f32 : gemm_fns().f64, [&](std::int64_t) { return g; },
      [](const Gemm&) {});
}

namespace {

void multiply(const Tensor& x, const Tensor& z, const MatmulAttrs& flags, const Tensor& result, const Epilogue* after) {
  Tensor y = result;
  const DType compute = is_half(y.dtype()) ? DType::f32 : y.dtype();
  if (compute != y.dtype()) y = Tensor::empty(y.shape(), compute, y.device());
  Operand a = look_at(x, flags.transpose_a, compute), b = look_at(z, flags.transpose_b, compute);
  const int r = y.rank();
  const std::int64_t k = x.shape().dim(flags.transpose_a ? -2 : -1);
  const Pieces s = result.dtype() == DType::f32 && k ? pieces_of(flags.precision) : Pieces{};
  const bool apart = pieces_pay(s, double(y.size()) * double(k), double(x.size() + z.size()));
  if (apart) a = in_pieces(a, s, Side::left), b = in_pieces(b, s, Side::right);
  const DType operands = apart ? s.dtype : compute;
  Gemm g{y.shape()[r - 2],       y.shape()[r - 1], apart ? k * s.count : k,
         a.t.data<char>(),       a.transposed,     a.ld,
         b.t.data<char>(),       b.transposed,     b.ld,
         y.mutable_data<char>(), y.shape()[r - 1]};
  const auto item = std::int64_t(size_of(operands)), item_of_y = std::int64_t(size_of(compute));
  const char* first = y.data<char>();
  // Rows of a block lie in a row where it is as wide as the result.
  auto done = [&](const Gemm& block) {
    if (!after) return;
    const std::int64_t at = (static_cast<const char*>(block.c) - first) / item_of_y;
    if (block.n == block.ldc) return (*after)(at, block.m * block.n);
    after->rows(at, block.n, block.m, block.ldc);
  };
  Fn fn = compute == DType::f32 ? gemm_fns().f32 : compute == DType::f64 ? gemm_fns().f64 : plain_of(compute);
  if (g.k == 0) {
    std::memset(y.mutable_data<char>(), 0, std::size_t(y.size() * item_of_y));
    if (after) after->over_all();
  } else if (r == 2) {
    products(
        1, g, operands, fn, [&](std::int64_t) { return g; }, done);
  } else {
    const Shape batch = y.shape().first(r - 2);
    auto a_at = batch_offsets(a.t, batch), b_at = batch_offsets(b.t, batch);
    products(
        batch.size(), g, operands, fn,
        [&](std::int64_t i) {
          Gemm each = g;
          each.a = a.t.data<char>() + a_at[std::size_t(i)] * item;
          each.b = b.t.data<char>() + b_at[std::size_t(i)] * item;
          each.c = y.mutable_data<char>() + i * g.m * g.n * item_of_y;
          return each;
        },
        done);
  }
  if (y.dtype() != result.dtype()) cast_into(y, result);
}

}  // namespace

void matmul(const Call& call) { multiply(call.in[0], call.in[1], call.attrs.as<MatmulAttrs>(), call.out[0], nullptr); }

void matmul_then(const Call& call) {
  const auto& attrs = call.attrs.as<MatmulThenAttrs>();
  const ThenCall then(call, attrs.then);
  multiply(call.in[0], call.in[1], attrs.op, then.y, &then.after);
}

}  // namespace tapir::cpu
