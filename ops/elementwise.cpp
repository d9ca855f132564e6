// What all elementwise functions share: dtype promotion, broadcasting, results in the memory of temporaries. The
// functions themselves are in arithmetic.cpp, math.cpp, activations.cpp and comparisons.cpp.
#include <tapir/ops/elementwise.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>
#include <tapir/ops/tile.h>

#include <fmt/format.h>

namespace tapir {
namespace {

bool accepts(Types types, DType d) {
  switch (types) {
    case Types::floating:
      return is_floating(d);
    case Types::numeric:
      return d != DType::boolean;
    case Types::integer:
      return is_integer(d);
    case Types::integer_or_bool:
      return !is_floating(d);
    case Types::boolean:
      return d == DType::boolean;
    default:
      return true;
  }
}

const char* wanted_by(Types types) {
  switch (types) {
    case Types::floating:
      return "a floating dtype";
    case Types::numeric:
      return "numbers";
    case Types::integer:
      return "integers";
    case Types::integer_or_bool:
      return "integers or bool";
    default:
      return "bool";
  }
}

const char* spelled(DType d) { return d == DType::boolean ? "boolean" : name_of(d); }

// A C++ number beside a tensor: the tensor's dtype if it can hold that kind, f32 for a float beside integers.
DType with_weak(const OpDef& op, DType strong, DType weak) {
  if (strong == weak || is_floating(strong)) return strong;
  if (weak == DType::f64) {
    if (is_integer(strong)) return DType::f32;
  } else if (is_integer(strong)) {
    return strong;
  }
  throw DTypeError(fmt::format("{}: a {} tensor cannot be combined with {}. Cast it first: x.astype(DType::f32).",
                               op.name, name_of(strong),
                               weak == DType::f64 ? "a C++ floating-point number" : "a C++ integer"));
}

// x: a C++ integer or bool
void check_fits(const OpDef& op, const Tensor& x, DType d) {
  if (x.dtype() != DType::i64 || d == DType::i64) return;
  const std::int64_t n = *x.data<std::int64_t>(), bits = 8 * std::int64_t(size_of(d));
  const std::int64_t end = std::int64_t(1) << (d == DType::u8 ? bits : bits - 1), begin = d == DType::u8 ? 0 : -end;
  if (n < begin || n >= end)
    throw UsageError(
        fmt::format("{}: {} does not fit {}. Cast the tensor first: x.astype(DType::i64).", op.name, n, name_of(d)));
}

}  // namespace

DType compute_dtype(const OpDef& op, Inputs in) {
  std::size_t first = op.tile->first_is_bool ? 1 : 0;
  DType strong = DType::boolean, weak = DType::boolean;
  bool any_strong = false, any_weak = false;
  for (std::size_t i = first; i < in.size(); ++i) {
    DType d = in[i].dtype();
    if (in[i].is_weak()) {
      if (any_weak && d != weak) {
        if (weak == DType::boolean || d == DType::boolean) return with_weak(op, DType::boolean, DType::i64);
        d = DType::f64;
      }
      weak = d;
      any_weak = true;
    } else if (!any_strong) {
      strong = d;
      any_strong = true;
    } else if (!promote(strong, d, strong)) {
      throw DTypeError(fmt::format("{}: dtypes differ, {} vs {}. Cast one side: y.astype(DType::{}).", op.name,
                                   name_of(strong), name_of(d), spelled(is_floating(d) ? d : strong)));
    }
  }
  if (!any_weak) return strong;
  if (!any_strong) return weak == DType::f64 ? DType::f32 : weak == DType::i64 ? DType::i32 : weak;
  const DType d = with_weak(op, strong, weak);
  for (std::size_t i = first; is_integer(d) && i < in.size(); ++i)
    if (in[i].is_weak()) check_fits(op, in[i], d);
  return d;
}

void infer_elementwise(const OpDef& op, Inputs in, Specs& out) {
  const TileOp& tile = *op.tile;
  DType d = compute_dtype(op, in);
  if (!accepts(tile.types, d))
    throw DTypeError(fmt::format("{}: needs {}, got {}{}.", op.name, wanted_by(tile.types), name_of(d),
                                 tile.types == Types::floating ? ". Cast it first: x.astype(DType::f32)" : ""));
  if (tile.first_is_bool && in[0].dtype() != DType::boolean)
    throw DTypeError(
        fmt::format("{}: the condition must be bool, got {}. Compare it: x != 0.", op.name, name_of(in[0].dtype())));
  Spec s;
  s.shape = in[0].shape();
  s.dtype = tile.bool_result ? DType::boolean : d;
  for (std::size_t i = 1; i < in.size(); ++i)
    if (!(in[i].shape() == s.shape) && !broadcast_shapes(s.shape, in[i].shape(), s.shape)) {
      std::string shapes = in[0].shape().str();
      for (std::size_t k = 1; k < in.size(); ++k) shapes += " and " + in[k].shape().str();
      throw ShapeError(fmt::format("{}: shapes {} do not broadcast. Sizes must be equal or 1, counted from the end.",
                                   op.name, shapes));
    }
  out.push_back(s);
}

Tensor sum_to(const Tensor& g, const Shape& shape, DType dtype) {
  Tensor r = g;
  if (!(g.shape() == shape)) {
    int lead = g.rank() - shape.rank();
    Axes axes;
    for (int i = 0; i < g.rank(); ++i)
      if (i < lead || (shape[i - lead] == 1 && g.shape()[i] != 1)) axes.push_back(i);
    r = sum(g, {.axis = axes, .keepdims = true});
    r = reshape(r, shape);
  }
  return r.dtype() == dtype ? r : astype(r, dtype);
}

Tensors where_gradient(const Node& n, const Tensor& dy) {
  Tensors dx(3);
  Tensor zero(0.0);
  if (n.wants(1)) dx[1] = sum_to(where(n.in(0), dy, zero), n.in(1).shape(), n.in(1).dtype());
  if (n.wants(2)) dx[2] = sum_to(where(n.in(0), zero, dy), n.in(2).shape(), n.in(2).dtype());
  return dx;
}

// A temporary operand that nobody else holds becomes the result.
static bool lends(const Operand& a, const Operand& b) {
  if (!a.temporary()) return false;
  const Tensor &x = a.tensor(), &y = b.tensor();
  detail::TensorImpl* i = x.impl();
  return i && i->storage && i->owners.load() == 1 && i->storage->owners.load() == 1 && i->contiguous && !i->weak &&
         is_floating(x.dtype()) && y.defined() && !recorder() && x.device() == y.device() &&
         (y.is_weak() || (y.dtype() == x.dtype() && (y.shape() == x.shape() || y.size() == 1 ||
                                                     (y.impl()->storage != i->storage && y.rank() <= x.rank())))) &&
         i->storage->context == nullptr;
}

Tensor apply_elementwise(const OpDef& op, const Operand& a, const Operand& b) {
  for (bool first : {true, false}) {
    const Operand &from = first ? a : b, &other = first ? b : a;
    if (!lends(from, other)) continue;
    CallSite site(a.where());
    Specs specs;
    infer_elementwise(op, {a.tensor(), b.tensor()}, specs);
    if (!(specs[0].shape == from.tensor().shape()) || specs[0].dtype != from.tensor().dtype() ||
        op.kernel[int(from.tensor().device().backend)] == nullptr)
      continue;
    Tensor out = from.tensor();
    out.impl()->id = detail::next_id();
    if (out.size()) run_kernel(op, {a.tensor(), b.tensor()}, {&out, 1}, {}, out.device());
    return out;
  }
  return apply(op, {a.tensor(), b.tensor()}, {}, a.where());
}

void list_arithmetic(std::vector<const OpDef*>& out);
void list_math(std::vector<const OpDef*>& out);
void list_activations(std::vector<const OpDef*>& out);
void list_comparisons(std::vector<const OpDef*>& out);

void list_elementwise(std::vector<const OpDef*>& out) {
  list_arithmetic(out);
  list_math(out);
  list_activations(out);
  list_comparisons(out);
}

}  // namespace tapir
