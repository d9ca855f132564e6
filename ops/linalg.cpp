#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/index.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/linalg.h>
#include <tapir/ops/linalg_attrs.h>
#include <tapir/ops/matmul.h>
#include <tapir/ops/ranges.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <string_view>

namespace tapir {
namespace {

using namespace linalg;

Tensor t(const Tensor& x) { return matrix_transpose(x); }

void check_matrix(const char* op, const Tensor& x) {
  if (x.rank() < 2)
    throw ShapeError(fmt::format("{}: needs matrices, rank 2 or more, got shape {}.", op, x.shape().str()));
  check_floats(op, x);
}
void check_square(const char* op, const Tensor& x) {
  check_matrix(op, x);
  if (x.shape().dim(-1) != x.shape().dim(-2))
    throw ShapeError(fmt::format("{}: needs square matrices, got shape {}.", op, x.shape().str()));
}
void check_pair(const char* op, const Tensor& a, const Tensor& b) {
  check_matrix(op, b);
  if (a.dtype() != b.dtype())
    throw DTypeError(fmt::format("{}: dtypes differ, {} vs {}. Cast one side: b.astype(DType::{}).", op,
                                 name_of(a.dtype()), name_of(b.dtype()), name_of(a.dtype())));
  if (a.shape().dim(-2) != b.shape().dim(-2))
    throw ShapeError(fmt::format("{}: a has {} rows and b {}; shapes {} and {}.", op, a.shape().dim(-2),
                                 b.shape().dim(-2), a.shape().str(), b.shape().str()));
}

// The leading dimensions, with other last ones.
Shape batch_of(const Tensor& x, std::initializer_list<std::int64_t> last) {
  return x.shape().first(x.rank() - 2).concat(Shape(last));
}

// a and b with the same leading dimensions.
std::pair<Tensor, Tensor> broadcast_pair(const char* op, const Tensor& a, const Tensor& b) {
  Shape both;
  if (!broadcast_shapes(a.shape().first(a.rank() - 2), b.shape().first(b.rank() - 2), both))
    throw ShapeError(
        fmt::format("{}: leading dimensions of {} and {} do not broadcast.", op, a.shape().str(), b.shape().str()));
  return {broadcast_to(a, both.concat(a.shape().last(2))), broadcast_to(b, both.concat(b.shape().last(2)))};
}

Tensor triangular(const Tensor& a, const Tensor& b, bool upper, bool transpose, bool unit = false) {
  return solve_triangular(a, b, {upper, transpose, unit});
}
Tensor triangle(const Tensor& x, bool upper, bool strict) { return upper ? triu(x, strict) : tril(x, strict ? -1 : 0); }
Tensor transposed_solve(const Tensor& a, const Tensor& b, bool transpose);

// x^-1 between two triangular solves: L^-T s L^-1 with L the Cholesky factor, of symmetric s.
constinit const OpDef cholesky_op = dense_row(
    "cholesky",
    [](Inputs in, Attrs, Specs& out) {
      check_square("cholesky", in[0]);
      out.push_back({in[0].shape(), in[0].dtype()});
    },
    cpu::cholesky,
    [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      const Tensor l = n.out();
      Tensor p = tril(matmul(l, dy[0], {.transpose_a = true}));
      p = p - diag_embed(diagonal(p)) * 0.5;
      Tensor s = triangular(l, t(triangular(l, t(p), false, true)), false, true);
      return {(s + t(s)) * 0.5};
    },
    Saves::output);

constinit const OpDef triangular_op = dense_row(
    "solve_triangular",
    [](Inputs in, Attrs, Specs& out) {
      out.push_back({in[1].shape(), in[1].dtype()});
    },
    cpu::solve_triangular,
    [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      const auto& a = n.attrs.as<TriangularAttrs>();
      Tensor db = triangular(n.in(0), dy[0], a.upper, !a.transpose, a.unit_diagonal), da;
      if (n.wants(0)) {
        const Tensor product = a.transpose ? matmul(n.out(), t(db)) : matmul(db, t(n.out()));
        da = -triangle(product, a.upper, a.unit_diagonal);
      }
      return {da, db};
    },
    Saves::both, &attrs_type<TriangularAttrs>);

constinit const OpDef solve_op = dense_row(
    "solve",
    [](Inputs in, Attrs, Specs& out) {
      out.push_back({in[1].shape(), in[1].dtype()});
    },
    cpu::solve,
    [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      const bool transpose = n.attrs.as<SolveAttrs>().transpose;
      Tensor db = transposed_solve(n.in(0), dy[0], !transpose), da;
      if (n.wants(0)) da = transpose ? -matmul(n.out(), t(db)) : -matmul(db, t(n.out()));
      return {da, db};
    },
    Saves::both, &attrs_type<SolveAttrs>);

Tensor transposed_solve(const Tensor& a, const Tensor& b, bool transpose) {
  return apply(solve_op, {a, b}, SolveAttrs{transpose}, Where::current());
}

// Per matrix a number, as a factor of matrices.
Tensor per_matrix(const Tensor& x) { return expand_dims(expand_dims(x, -1), -1); }

constinit const OpDef det_op = dense_row(
    "det",
    [](Inputs in, Attrs, Specs& out) {
      check_square("det", in[0]);
      out.push_back({batch_of(in[0], {}), in[0].dtype()});
    },
    cpu::det,
    [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {per_matrix(dy[0] * n.out()) * t(inv(n.in(0)))};
    },
    Saves::both);

constinit const OpDef slogdet_op = dense_row(
    "slogdet",
    [](Inputs in, Attrs, Specs& out) {
      check_square("slogdet", in[0]);
      for (int i = 0; i < 2; ++i) out.push_back({batch_of(in[0], {}), in[0].dtype()});
    },
    cpu::slogdet,
    [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      if (!dy[1].defined()) return {zeros_like(n.in(0))};  // the sign is constant
      return {per_matrix(dy[1]) * t(inv(n.in(0)))};
    },
    Saves::inputs);

// A gradient, or zeros where nothing flows.
Tensor or_zeros(const Tensor& dy, const Tensor& y) { return dy.defined() ? dy : zeros_like(y); }

constinit const OpDef qr_op = dense_row(
    "qr",
    [](Inputs in, Attrs, Specs& out) {
      check_matrix("qr", in[0]);
      const std::int64_t m = in[0].shape().dim(-2), n = in[0].shape().dim(-1), k = std::min(m, n);
      out.push_back({batch_of(in[0], {m, k}), in[0].dtype()});
      out.push_back({batch_of(in[0], {k, n}), in[0].dtype()});
    },
    cpu::qr,
    [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      const Tensor &q = n.out(0), &r = n.out(1);
      if (r.shape().dim(-1) > r.shape().dim(-2))
        throw UsageError(fmt::format("qr: the gradient needs as many rows as columns or more, got shape {}.",
                                     n.in(0).shape().str()));
      const Tensor dq = or_zeros(dy[0], q), dr = or_zeros(dy[1], r);
      const Tensor m = matmul(r, t(dr)) - matmul(dq, q, {.transpose_a = true}), low = tril(m, -1);
      const Tensor s = low + t(low) + diag_embed(diagonal(m));
      return {t(triangular(r, t(dq + matmul(q, s)), true, false))};
    },
    Saves::output);

// 1 / (b_j - b_i), and 0 on the diagonal.
Tensor inverse_differences(const Tensor& b) {
  const Tensor one = eye(b.shape().back(), {.dtype = b.dtype()});
  return (1.0 - one) / (expand_dims(b, -2) - expand_dims(b, -1) + one);
}

constinit const OpDef eigh_op = dense_row(
    "eigh",
    [](Inputs in, Attrs, Specs& out) {
      check_square("eigh", in[0]);
      out.push_back({batch_of(in[0], {in[0].shape().back()}), in[0].dtype()});
      out.push_back({in[0].shape(), in[0].dtype()});
    },
    cpu::eigh,
    [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      const Tensor &w = n.out(0), &v = n.out(1);
      Tensor inner = diag_embed(or_zeros(dy[0], w));
      if (dy[1].defined()) inner = inner + inverse_differences(w) * matmul(v, dy[1], {.transpose_a = true});
      const Tensor d = matmul(matmul(v, inner), t(v));
      return {(d + t(d)) * 0.5};
    },
    Saves::output);

constinit const OpDef svd_op = dense_row(
    "svd",
    [](Inputs in, Attrs, Specs& out) {
      check_matrix("svd", in[0]);
      const std::int64_t m = in[0].shape().dim(-2), n = in[0].shape().dim(-1), k = std::min(m, n);
      out.push_back({batch_of(in[0], {m, k}), in[0].dtype()});
      out.push_back({batch_of(in[0], {k}), in[0].dtype()});
      out.push_back({batch_of(in[0], {k, n}), in[0].dtype()});
    },
    cpu::svd,
    [](const Node& node, std::span<const Tensor> dy) -> Tensors {
      const Tensor &u = node.out(0), &s = node.out(1), &vh = node.out(2);
      const Tensor across = expand_dims(s, -2), down = expand_dims(s, -1);  // scale columns, rows
      Tensor inner = diag_embed(or_zeros(dy[1], s)), outside;
      const std::int64_t k = s.shape().back();
      if (dy[0].defined()) {
        const Tensor p = matmul(u, dy[0], {.transpose_a = true});
        inner = inner + inverse_differences(square(s)) * (p - t(p)) * across;
        if (u.shape().dim(-2) > k) outside = matmul((dy[0] - matmul(u, p)) / across, vh);
      }
      if (dy[2].defined()) {
        const Tensor p = matmul(vh, dy[2], {.transpose_b = true});
        inner = inner + down * (inverse_differences(square(s)) * (p - t(p)));
        if (vh.shape().dim(-1) > k) {
          const Tensor rest = matmul(u, (dy[2] - matmul(t(p), vh)) / down);
          outside = outside.defined() ? outside + rest : rest;
        }
      }
      const Tensor dx = matmul(matmul(u, inner), vh);
      return {outside.defined() ? dx + outside : dx};
    },
    Saves::output);

double rtol_of(const Tensor& x, const RankOptions& o) {
  if (o.rtol >= 0) return o.rtol;
  const double epsilon =
      x.dtype() == DType::f64 ? std::numeric_limits<double>::epsilon() : double(std::numeric_limits<float>::epsilon());
  return epsilon * double(std::max(x.shape().dim(-1), x.shape().dim(-2)));
}

// The singular values that count, and where.
Tensor counts(const Tensor& s, double rtol) { return s > max(s, {.axis = -1, .keepdims = true}) * rtol; }

}  // namespace

namespace linalg {

Tensor cholesky(const Tensor& x, CholeskyOptions o, Where w) {
  const Tensor l = apply(cholesky_op, {x}, {}, w);
  CallSite site(w);
  return o.upper ? t(l) : l;
}

Tensor solve_triangular(const Tensor& a, const Tensor& b, TriangularOptions o, Where w) {
  CallSite site(w);
  check_square("solve_triangular", a);
  check_pair("solve_triangular", a, b);
  const auto [left, right] = broadcast_pair("solve_triangular", a, b);
  return apply(triangular_op, {left, right}, TriangularAttrs{o.upper, o.transpose, o.unit_diagonal}, w);
}

Tensor solve(const Tensor& a, const Tensor& b, Where w) {
  CallSite site(w);
  check_square("solve", a);
  if (b.rank() == 1) return squeeze(solve(a, expand_dims(b, -1), w), {-1});
  check_pair("solve", a, b);
  const auto [left, right] = broadcast_pair("solve", a, b);
  return apply(solve_op, {left, right}, SolveAttrs{false}, w);
}

Tensor inv(const Tensor& x, Where w) {
  CallSite site(w);
  check_square("inv", x);
  return solve(x, eye(x.shape().back(), {.dtype = x.dtype()}), w);
}

Tensor det(const Tensor& x, Where w) { return apply(det_op, {x}, {}, w); }

Slogdet slogdet(const Tensor& x, Where w) {
  Tensors out = apply_all(slogdet_op, {x}, {}, w);
  return {out[0], out[1]};
}

QR qr(const Tensor& x, Where w) {
  Tensors out = apply_all(qr_op, {x}, {}, w);
  return {out[0], out[1]};
}

SVD svd(const Tensor& x, Where w) {
  Tensors out = apply_all(svd_op, {x}, {}, w);
  return {out[0], out[1], out[2]};
}
Tensor svdvals(const Tensor& x, Where w) { return svd(x, w).S; }

Eigh eigh(const Tensor& x, Where w) {
  Tensors out = apply_all(eigh_op, {x}, {}, w);
  return {out[0], out[1]};
}
Tensor eigvalsh(const Tensor& x, Where w) { return eigh(x, w).eigenvalues; }

Tensor pinv(const Tensor& x, RankOptions o, Where w) {
  CallSite site(w);
  const auto [u, s, vh] = svd(x, w);
  const Tensor keep = counts(s, rtol_of(x, o)), safe = where(keep, s, 1.0);
  return matmul(t(vh) * expand_dims(where(keep, 1.0 / safe, 0.0), -2), t(u));
}

Tensor matrix_rank(const Tensor& x, RankOptions o, Where w) {
  CallSite site(w);
  return count_nonzero(counts(svdvals(x, w), rtol_of(x, o)), {.axis = -1});
}

Tensor lstsq(const Tensor& a, const Tensor& b, Where w) {
  CallSite site(w);
  check_matrix("lstsq", a);
  check_pair("lstsq", a, b);
  if (a.shape().dim(-2) < a.shape().dim(-1))
    throw ShapeError(fmt::format("lstsq: needs as many rows as columns or more, got shape {}.", a.shape().str()));
  const auto [q, r] = qr(a, w);
  return solve_triangular(r, matmul(t(q), b), {.upper = true});
}

Tensor matrix_power(const Tensor& x, std::int64_t n, Where w) {
  CallSite site(w);
  check_square("matrix_power", x);
  Tensor base = n < 0 ? inv(x, w) : x, result;
  for (std::uint64_t e = n < 0 ? -std::uint64_t(n) : std::uint64_t(n); e; e >>= 1) {
    if (e & 1) result = result.defined() ? matmul(result, base) : base;
    if (e > 1) base = matmul(base, base);
  }
  return result.defined() ? result : broadcast_to(eye(x.shape().back(), {.dtype = x.dtype()}), x.shape());
}

Tensor trace(const Tensor& x, std::int64_t k, Where w) {
  CallSite site(w);
  if (x.rank() < 2)
    throw ShapeError(fmt::format("trace: needs matrices, rank 2 or more, got shape {}.", x.shape().str()));
  return sum(diagonal(x, k), {.axis = -1});
}

Tensor cross(const Tensor& a, const Tensor& b, Where w) {
  CallSite site(w);
  for (auto* x : {&a, &b})
    if (x->rank() == 0 || x->shape().back() != 3)
      throw ShapeError(fmt::format("cross: the last dimension must be 3, got shape {}.", x->shape().str()));
  auto part = [](const Tensor& x, std::int64_t i) { return x(ellipsis, i); };
  auto term = [&](std::int64_t i, std::int64_t j) { return part(a, i) * part(b, j) - part(a, j) * part(b, i); };
  return stack({term(1, 2), term(2, 0), term(0, 1)}, {.axis = -1});
}

Tensor matrix_norm(const Tensor& x, MatrixNormOptions o, Where w) {
  CallSite site(w);
  check_matrix("matrix_norm", x);
  const std::string_view ord = o.ord ? o.ord : "";
  auto finish = [&](const Tensor& y) { return o.keepdims ? per_matrix(y) : y; };
  auto sizes = [&](int axis) { return sum(abs(x), {.axis = axis}); };
  if (ord == "fro") return norm(x, {.axis = {-2, -1}, .keepdims = o.keepdims});
  if (ord == "nuc") return finish(sum(svdvals(x, w), {.axis = -1}));
  if (ord == "2") return finish(max(svdvals(x, w), {.axis = -1}));
  if (ord == "-2") return finish(min(svdvals(x, w), {.axis = -1}));
  if (ord == "1") return finish(max(sizes(-2), {.axis = -1}));
  if (ord == "-1") return finish(min(sizes(-2), {.axis = -1}));
  if (ord == "inf") return finish(max(sizes(-1), {.axis = -1}));
  if (ord == "-inf") return finish(min(sizes(-1), {.axis = -1}));
  throw UsageError(fmt::format(
      "matrix_norm: ord must be \"fro\", \"nuc\", \"2\", \"-2\", \"1\", \"-1\", \"inf\" or \"-inf\", got \"{}\".",
      ord));
}

}  // namespace linalg

void list_linalg(std::vector<const OpDef*>& out) {
  for (auto* o : {&cholesky_op, &triangular_op, &solve_op, &det_op, &slogdet_op, &qr_op, &eigh_op, &svd_op})
    out.push_back(o);
}

}  // namespace tapir
