// Powers, exponentials, trigonometry, special functions.
#include <tapir/ops/elementwise.h>
#include <tapir/ops/functors/math.h>
#include <tapir/ops/tile.h>

namespace tapir {

using namespace vmath::fn;

// A square is cheaper, and most powers are squares.
Tensor pow(const Operand& a, const Operand& b) {
  const Tensor &x = a.tensor(), &y = b.tensor();
  if (y.defined() && y.is_weak() && !x.is_weak()) {
    const bool two = y.dtype() == DType::i64   ? *y.data<std::int64_t>() == 2
                     : y.dtype() == DType::f64 ? *y.data<double>() == 2 && is_floating(x.dtype())
                                               : false;
    if (two) return square(x, a.where());
  }
  return apply_elementwise(op<Pow>, a, b);
}
Tensor atan2(const Operand& a, const Operand& b) { return apply_elementwise(op<Atan2>, a, b); }
Tensor hypot(const Operand& a, const Operand& b) { return apply_elementwise(op<Hypot>, a, b); }
Tensor logaddexp(const Operand& a, const Operand& b) { return apply_elementwise(op<Logaddexp>, a, b); }
Tensor exp(const Tensor& x, Where w) { return apply(op<Exp>, {x}, {}, w); }
Tensor exp2(const Tensor& x, Where w) { return apply(op<Exp2>, {x}, {}, w); }
Tensor expm1(const Tensor& x, Where w) { return apply(op<Expm1>, {x}, {}, w); }
Tensor log(const Tensor& x, Where w) { return apply(op<Log>, {x}, {}, w); }
Tensor log2(const Tensor& x, Where w) { return apply(op<Log2>, {x}, {}, w); }
Tensor log10(const Tensor& x, Where w) { return apply(op<Log10>, {x}, {}, w); }
Tensor log1p(const Tensor& x, Where w) { return apply(op<Log1p>, {x}, {}, w); }
Tensor sqrt(const Tensor& x, Where w) { return apply(op<Sqrt>, {x}, {}, w); }
Tensor rsqrt(const Tensor& x, Where w) { return apply(op<Rsqrt>, {x}, {}, w); }
Tensor reciprocal(const Tensor& x, Where w) { return apply(op<Reciprocal>, {x}, {}, w); }
Tensor sin(const Tensor& x, Where w) { return apply(op<Sin>, {x}, {}, w); }
Tensor cos(const Tensor& x, Where w) { return apply(op<Cos>, {x}, {}, w); }
Tensor tan(const Tensor& x, Where w) { return apply(op<Tan>, {x}, {}, w); }
Tensor asin(const Tensor& x, Where w) { return apply(op<Asin>, {x}, {}, w); }
Tensor acos(const Tensor& x, Where w) { return apply(op<Acos>, {x}, {}, w); }
Tensor atan(const Tensor& x, Where w) { return apply(op<Atan>, {x}, {}, w); }
Tensor sinh(const Tensor& x, Where w) { return apply(op<Sinh>, {x}, {}, w); }
Tensor cosh(const Tensor& x, Where w) { return apply(op<Cosh>, {x}, {}, w); }
Tensor tanh(const Tensor& x, Where w) { return apply(op<Tanh>, {x}, {}, w); }
Tensor asinh(const Tensor& x, Where w) { return apply(op<Asinh>, {x}, {}, w); }
Tensor acosh(const Tensor& x, Where w) { return apply(op<Acosh>, {x}, {}, w); }
Tensor atanh(const Tensor& x, Where w) { return apply(op<Atanh>, {x}, {}, w); }
Tensor erf(const Tensor& x, Where w) { return apply(op<Erf>, {x}, {}, w); }
Tensor erfc(const Tensor& x, Where w) { return apply(op<Erfc>, {x}, {}, w); }
Tensor erfinv(const Tensor& x, Where w) { return apply(op<Erfinv>, {x}, {}, w); }
Tensor lgamma(const Tensor& x, Where w) { return apply(op<Lgamma>, {x}, {}, w); }
Tensor digamma(const Tensor& x, Where w) { return apply(op<Digamma>, {x}, {}, w); }
Tensor polygamma(std::int64_t n, const Tensor& x, Where w) {
  CallSite site(w);
  if (n < 1) throw UsageError("polygamma: the order must be at least 1, got " + std::to_string(n) + ".");
  return apply(op<Polygamma>, {x}, Polygamma{{}, n}, w);
}

void list_math(std::vector<const OpDef*>& out) {
  list_rows(MathOps{}, out);
  list_rows(TrigonometryOps{}, out);
  list_rows(SpecialOps{}, out);
}

}  // namespace tapir
