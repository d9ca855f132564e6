// The elementwise functions: dtype promotion, broadcasting, and the public names of the functor rows.
#include <tapir/ops/elementwise.h>
#include <tapir/ops/functors/activation.h>
#include <tapir/ops/functors/arithmetic.h>
#include <tapir/ops/functors/compare.h>
#include <tapir/ops/functors/math.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

namespace tapir {
namespace {

bool accepts(Types types, DType d) {
  switch (types) {
    case Types::floating: return is_floating(d);
    case Types::numeric: return d != DType::boolean;
    case Types::integer: return is_integer(d);
    case Types::integer_or_bool: return !is_floating(d);
    case Types::boolean: return d == DType::boolean;
    default: return true;
  }
}

const char* wanted_by(Types types) {
  switch (types) {
    case Types::floating: return "a floating dtype";
    case Types::numeric: return "numbers";
    case Types::integer: return "integers";
    case Types::integer_or_bool: return "integers or bool";
    default: return "bool";
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
  return with_weak(op, strong, weak);
}

void infer_elementwise(const OpDef& op, Inputs in, Specs& out) {
  const TileOp& tile = *op.tile;
  DType d = compute_dtype(op, in);
  if (!accepts(tile.types, d))
    throw DTypeError(fmt::format("{}: needs {}, got {}{}.", op.name, wanted_by(tile.types), name_of(d),
                                 tile.types == Types::floating ? ". Cast it first: x.astype(DType::f32)" : ""));
  if (tile.first_is_bool && in[0].dtype() != DType::boolean)
    throw DTypeError(fmt::format("{}: the condition must be bool, got {}. Compare it: x != 0.", op.name,
                                 name_of(in[0].dtype())));
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

namespace {

using namespace vmath::fn;

// A temporary operand that nobody else holds becomes the result.
bool lends(const Operand& a, const Operand& b) {
  if (!a.temporary()) return false;
  const Tensor &x = a.tensor(), &y = b.tensor();
  detail::TensorImpl* i = x.impl();
  return i && i->storage && i->owners.load() == 1 && i->storage->owners.load() == 1 && i->contiguous && !i->weak &&
         is_floating(x.dtype()) && y.defined() && !recorder() && x.device() == y.device() &&
         (y.is_weak() || (y.dtype() == x.dtype() && (y.shape() == x.shape() || y.size() == 1 ||
                                                       (y.impl()->storage != i->storage && y.rank() <= x.rank())))) &&
         i->storage->context == nullptr;
}

template <class F>
Tensor binary(const Operand& a, const Operand& b) {
  for (bool first : {true, false}) {
    const Operand &from = first ? a : b, &other = first ? b : a;
    if (!lends(from, other)) continue;
    CallSite site(a.where());
    Specs specs;
    infer_elementwise(op<F>, {a.tensor(), b.tensor()}, specs);
    if (!(specs[0].shape == from.tensor().shape()) || op<F>.kernel[int(from.tensor().device().backend)] == nullptr)
      continue;
    Tensor out = from.tensor();
    out.impl()->id = detail::next_id();
    if (out.size()) op<F>.kernel[int(out.device().backend)]({op<F>, {a.tensor(), b.tensor()}, {&out, 1}, {}});
    return out;
  }
  return apply(op<F>, {a.tensor(), b.tensor()}, {}, a.where());
}

}  // namespace

Tensor operator+(const Operand& a, const Operand& b) { return binary<Add>(a, b); }
Tensor operator-(const Operand& a, const Operand& b) { return binary<Subtract>(a, b); }
Tensor operator*(const Operand& a, const Operand& b) { return binary<Multiply>(a, b); }
Tensor operator/(const Operand& a, const Operand& b) { return binary<Divide>(a, b); }
Tensor add(const Operand& a, const Operand& b) { return binary<Add>(a, b); }
Tensor subtract(const Operand& a, const Operand& b) { return binary<Subtract>(a, b); }
Tensor multiply(const Operand& a, const Operand& b) { return binary<Multiply>(a, b); }
Tensor divide(const Operand& a, const Operand& b) { return binary<Divide>(a, b); }
Tensor maximum(const Operand& a, const Operand& b) { return binary<Maximum>(a, b); }
Tensor minimum(const Operand& a, const Operand& b) { return binary<Minimum>(a, b); }
Tensor negative(const Tensor& x, Where w) { return apply(op<Negative>, {x}, {}, w); }
Tensor abs(const Tensor& x, Where w) { return apply(op<Abs>, {x}, {}, w); }
Tensor sign(const Tensor& x, Where w) { return apply(op<Sign>, {x}, {}, w); }
Tensor square(const Tensor& x, Where w) { return apply(op<Square>, {x}, {}, w); }
Tensor Tensor::operator-() const { return negative(*this); }

Tensor exp(const Tensor& x, Where w) { return apply(op<Exp>, {x}, {}, w); }
Tensor log(const Tensor& x, Where w) { return apply(op<Log>, {x}, {}, w); }
Tensor sqrt(const Tensor& x, Where w) { return apply(op<Sqrt>, {x}, {}, w); }
Tensor sin(const Tensor& x, Where w) { return apply(op<Sin>, {x}, {}, w); }
Tensor cos(const Tensor& x, Where w) { return apply(op<Cos>, {x}, {}, w); }
Tensor tanh(const Tensor& x, Where w) { return apply(op<Tanh>, {x}, {}, w); }

Tensor relu(const Tensor& x, Where w) { return apply(op<Relu>, {x}, {}, w); }
Tensor sigmoid(const Tensor& x, Where w) { return apply(op<Sigmoid>, {x}, {}, w); }
Tensor leaky_relu(const Tensor& x, double alpha, Where w) { return apply(op<LeakyRelu>, {x}, LeakyRelu{{}, alpha}, w); }

Tensor equal(const Operand& a, const Operand& b) { return apply(op<Equal>, {a, b}, {}, a.where()); }
Tensor not_equal(const Operand& a, const Operand& b) { return apply(op<NotEqual>, {a, b}, {}, a.where()); }
Tensor less(const Operand& a, const Operand& b) { return apply(op<Less>, {a, b}, {}, a.where()); }
Tensor less_equal(const Operand& a, const Operand& b) { return apply(op<LessEqual>, {a, b}, {}, a.where()); }
Tensor greater(const Operand& a, const Operand& b) { return apply(op<Greater>, {a, b}, {}, a.where()); }
Tensor greater_equal(const Operand& a, const Operand& b) { return apply(op<GreaterEqual>, {a, b}, {}, a.where()); }
Tensor operator==(const Operand& a, const Operand& b) { return equal(a, b); }
Tensor operator!=(const Operand& a, const Operand& b) { return not_equal(a, b); }
Tensor operator<(const Operand& a, const Operand& b) { return less(a, b); }
Tensor operator<=(const Operand& a, const Operand& b) { return less_equal(a, b); }
Tensor operator>(const Operand& a, const Operand& b) { return greater(a, b); }
Tensor operator>=(const Operand& a, const Operand& b) { return greater_equal(a, b); }
Tensor where(const Tensor& c, const Operand& a, const Operand& b) { return apply(op<Select>, {c, a, b}, {}, a.where()); }

void list_elementwise(std::vector<const OpDef*>& out) {
  list_rows(ArithmeticOps{}, out);
  list_rows(MathOps{}, out);
  list_rows(ActivationOps{}, out);
  list_rows(CompareOps{}, out);
}

}  // namespace tapir
