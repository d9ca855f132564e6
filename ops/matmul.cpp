#include <tapir/ops/elementwise.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/matmul.h>
#include <tapir/ops/matmul_attrs.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>
#include <tapir/ops/tile.h>

#include <fmt/format.h>

namespace tapir {
namespace {

// The dtype that both are cast to.
DType common_dtype(const char* op, const Tensor& a, const Tensor& b) {
  DType d = a.dtype();
  if (!promote(a.dtype(), b.dtype(), d))
    throw DTypeError(fmt::format("{}: dtypes differ, {} vs {}. Cast one side: y.astype(DType::{}).", op,
                                 name_of(a.dtype()), name_of(b.dtype()),
                                 name_of(is_floating(b.dtype()) ? b.dtype() : a.dtype())));
  if (d == DType::boolean)
    throw DTypeError(fmt::format("{}: needs numbers, got bool. Cast it first: x.astype(DType::f32).", op));
  return d;
}

std::string operands(const Tensor& a, const Tensor& b, bool ta, bool tb) {
  return fmt::format("({}{} x {}{})", a.shape().str(), ta ? "^T" : "", b.shape().str(), tb ? "^T" : "");
}

void infer_matmul(Inputs in, Attrs attrs, Specs& out) {
  const auto& f = attrs.as<MatmulAttrs>();
  const Tensor &a = in[0], &b = in[1];
  const Shape &s = a.shape(), &t = b.shape();
  std::int64_t m = s.dim(f.transpose_a ? -1 : -2), k = s.dim(f.transpose_a ? -2 : -1);
  std::int64_t k_b = t.dim(f.transpose_b ? -1 : -2), n = t.dim(f.transpose_b ? -2 : -1);
  if (k != k_b)
    throw ShapeError(fmt::format("matmul: inner dimensions differ, {} vs {} {}.", k, k_b,
                                 operands(a, b, f.transpose_a, f.transpose_b)));
  Shape batch;
  if (!broadcast_shapes(s.first(s.rank() - 2), t.first(t.rank() - 2), batch))
    throw ShapeError(fmt::format("matmul: batch dimensions {} and {} do not broadcast {}.", s.first(s.rank() - 2).str(),
                                 t.first(t.rank() - 2).str(), operands(a, b, f.transpose_a, f.transpose_b)));
  DType d = common_dtype("matmul", a, b);
  batch.push_back(m);
  batch.push_back(n);
  out.push_back({batch, d});
}

// d loss / d b where b has no batch dimensions of its own: one product over all rows of all batches.
Tensor flat_gradient_b(const Tensor& a, const Tensor& dy, const MatmulAttrs& f) {
  Tensor rows = reshape(a, {-1, a.shape().back()}), dy_rows = reshape(dy, {-1, dy.shape().back()});
  const MatmulOptions o{.transpose_a = true, .precision = f.precision};
  return f.transpose_b ? matmul(dy_rows, rows, o) : matmul(rows, dy_rows, o);
}

Tensors matmul_gradient(const Node& n, std::span<const Tensor> dys) {
  const auto& f = n.attrs.as<MatmulAttrs>();
  const bool ta = f.transpose_a, tb = f.transpose_b;
  auto product = [&](const Tensor& x, const Tensor& y, bool tx, bool ty) {
    return matmul(x, y, {tx, ty, f.precision});
  };
  const Tensor &a = n.in(0), &b = n.in(1), &dy = dys[0];
  Tensors dx(2);
  if (n.wants(0)) {
    Tensor da = ta ? product(b, dy, tb, true) : product(dy, b, false, !tb);
    dx[0] = sum_to(da, a.shape(), a.dtype());
  }
  if (n.wants(1)) {
    Tensor db = !ta && b.rank() == 2 && a.rank() > 2 && a.size() && dy.size() ? flat_gradient_b(a, dy, f)
                : tb                                                          ? product(dy, a, true, ta)
                                                                              : product(a, dy, !ta, false);
    dx[1] = sum_to(db, b.shape(), b.dtype());
  }
  return dx;
}

const OpDef matmul_op = {
    .name = "matmul",
    .infer = infer_matmul,
    .kernel = {cpu::matmul},
    .gradient = matmul_gradient,
    .saves = Saves::inputs,
    .attrs = &attrs_type<MatmulAttrs>,
    .flops = [](const Call& c) { return matmul_flops(c.in[0].shape(), c.in[1].shape(), c.attrs.as<MatmulAttrs>()); },
};

Shape joined(const Shape& a, const Shape& b) {
  Shape s = a;
  for (auto d : b) s.push_back(d);
  return s;
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, MatmulOptions o, Where w) {
  CallSite site(w);
  if (a.rank() >= 2 && b.rank() >= 2) {
    // [..., m, k] x [k, n] is one product of all rows, where they lie evenly.
    if (b.rank() == 2 && a.rank() > 2 && !o.transpose_a && a.is_contiguous() && a.size() &&
        a.shape().back() == b.shape()[o.transpose_b ? 1 : 0]) {
      Shape s = a.shape();
      s[s.rank() - 1] = b.shape()[o.transpose_b ? 0 : 1];
      return reshape(matmul(reshape(a, {-1, a.shape().back()}), b, o), s);
    }
    return apply(matmul_op, {a, b}, MatmulAttrs{o.transpose_a, o.transpose_b, o.precision.value_or(matmul_precision())},
                 w);
  }
  if (a.rank() == 0 || b.rank() == 0)
    throw ShapeError(fmt::format("matmul: needs operands of rank 1 or more, got {} and {}. Multiply by scalars with *.",
                                 a.shape().str(), b.shape().str()));
  const bool row = a.rank() == 1, column = b.rank() == 1;
  if ((row && o.transpose_a) || (column && o.transpose_b))
    throw ShapeError(
        fmt::format("matmul: a vector cannot be transposed {}.", operands(a, b, o.transpose_a, o.transpose_b)));
  std::int64_t k = a.shape().dim(o.transpose_a ? -2 : -1),
               k_b = column ? b.shape()[0] : b.shape().dim(o.transpose_b ? -1 : -2);
  if (k != k_b)
    throw ShapeError(fmt::format("matmul: inner dimensions differ, {} vs {} {}.", k, k_b,
                                 operands(a, b, o.transpose_a, o.transpose_b)));
  Tensor y = matmul(row ? reshape(a, {1, k}) : a, column ? reshape(b, {k, 1}) : b, o);
  Shape s = y.shape();
  if (column) s.erase(s.rank() - 1);
  if (row) s.erase(s.rank() - (column ? 1 : 2));
  return reshape(y, s);
}

Tensor vecdot(const Tensor& a, const Tensor& b, int axis, Where w) {
  CallSite site(w);
  int i = check_axis("vecdot", axis, a.rank()) - a.rank(), j = axis < 0 ? axis : i;
  if (axis >= 0) j = check_axis("vecdot", axis, b.rank()) - b.rank();
  else check_axis("vecdot", axis, b.rank());
  if (i != j)
    throw ShapeError(
        fmt::format("vecdot: axis {} is another dimension in {} than in {}, counted from the end. Use a "
                    "negative axis.",
                    axis, a.shape().str(), b.shape().str()));
  if (a.shape().dim(i) != b.shape().dim(i))
    throw ShapeError(fmt::format("vecdot: sizes along axis {} differ, {} vs {} ({} and {}).", axis, a.shape().dim(i),
                                 b.shape().dim(i), a.shape().str(), b.shape().str()));
  common_dtype("vecdot", a, b);
  return sum(multiply(a, b), {.axis = i});
}

Tensor outer(const Tensor& a, const Tensor& b, Where w) {
  CallSite site(w);
  common_dtype("outer", a, b);
  return multiply(reshape(a, {a.size(), 1}), reshape(b, {1, b.size()}));
}

Tensor tensordot(const Tensor& a, const Tensor& b, int axes, Where w) {
  CallSite site(w);
  if (axes < 0 || axes > a.rank() || axes > b.rank())
    throw ShapeError(
        fmt::format("tensordot: cannot contract {} dimensions of {} and {}.", axes, a.shape().str(), b.shape().str()));
  std::vector<int> first, second;
  for (int i = 0; i < axes; ++i) first.push_back(a.rank() - axes + i), second.push_back(i);
  return tensordot(a, b, first, second, w);
}

Tensor tensordot(const Tensor& a, const Tensor& b, const std::vector<int>& a_axes, const std::vector<int>& b_axes,
                 Where w) {
  CallSite site(w);
  if (a_axes.size() != b_axes.size())
    throw ShapeError(fmt::format("tensordot: {} axes of a but {} of b.", a_axes.size(), b_axes.size()));
  common_dtype("tensordot", a, b);
  bool gone_a[Shape::max_rank] = {}, gone_b[Shape::max_rank] = {};
  Axes from_a, from_b;
  Shape kept_a, kept_b;
  for (std::size_t i = 0; i < a_axes.size(); ++i) {
    int p = check_axis("tensordot", a_axes[i], a.rank()), q = check_axis("tensordot", b_axes[i], b.rank());
    if (gone_a[p] || gone_b[q])
      throw ShapeError(fmt::format("tensordot: axis {} is named twice.", gone_a[p] ? a_axes[i] : b_axes[i]));
    if (a.shape()[p] != b.shape()[q])
      throw ShapeError(fmt::format("tensordot: axis {} of {} and axis {} of {} differ in size, {} vs {}.", a_axes[i],
                                   a.shape().str(), b_axes[i], b.shape().str(), a.shape()[p], b.shape()[q]));
    gone_a[p] = gone_b[q] = true;
  }
  std::int64_t k = 1, m = 1, n = 1;
  for (int i = 0; i < a.rank(); ++i)
    if (!gone_a[i]) from_a.push_back(i), kept_a.push_back(a.shape()[i]), m *= a.shape()[i];
  for (std::size_t i = 0; i < a_axes.size(); ++i) {
    int p = check_axis("tensordot", a_axes[i], a.rank());
    from_a.push_back(p);
    from_b.push_back(check_axis("tensordot", b_axes[i], b.rank()));
    k *= a.shape()[p];
  }
  for (int i = 0; i < b.rank(); ++i)
    if (!gone_b[i]) from_b.push_back(i), kept_b.push_back(b.shape()[i]), n *= b.shape()[i];
  Tensor left = reshape(permute_dims(a, from_a), {m, k}), right = reshape(permute_dims(b, from_b), {k, n});
  return reshape(matmul(left, right), joined(kept_a, kept_b));
}

double matmul_flops(const Shape& a, const Shape& b, const MatmulAttrs& attrs) {
  Shape batch;
  broadcast_shapes(a.first(a.rank() - 2), b.first(b.rank() - 2), batch);
  const double rows_and_inner = double(a.dim(-1)) * double(a.dim(-2));
  return 2 * double(batch.size()) * rows_and_inner * double(b.dim(attrs.transpose_b ? -2 : -1));
}

void list_matmul(std::vector<const OpDef*>& out) { out.push_back(&matmul_op); }

}  // namespace tapir
