// Sums, products, quotients, limits, rounding.
#include <tapir/ops/elementwise.h>
#include <tapir/ops/functors/arithmetic.h>
#include <tapir/ops/tile.h>

namespace tapir {

using namespace vmath::fn;

Tensor operator+(const Operand& a, const Operand& b) { return apply_elementwise(op<Add>, a, b); }
Tensor operator-(const Operand& a, const Operand& b) { return apply_elementwise(op<Subtract>, a, b); }
Tensor operator*(const Operand& a, const Operand& b) { return apply_elementwise(op<Multiply>, a, b); }
Tensor operator/(const Operand& a, const Operand& b) { return apply_elementwise(op<Divide>, a, b); }
Tensor operator%(const Operand& a, const Operand& b) { return apply_elementwise(op<Remainder>, a, b); }
Tensor add(const Operand& a, const Operand& b) { return apply_elementwise(op<Add>, a, b); }
Tensor subtract(const Operand& a, const Operand& b) { return apply_elementwise(op<Subtract>, a, b); }
Tensor multiply(const Operand& a, const Operand& b) { return apply_elementwise(op<Multiply>, a, b); }
Tensor divide(const Operand& a, const Operand& b) { return apply_elementwise(op<Divide>, a, b); }
Tensor floor_divide(const Operand& a, const Operand& b) { return apply_elementwise(op<FloorDivide>, a, b); }
Tensor remainder(const Operand& a, const Operand& b) { return apply_elementwise(op<Remainder>, a, b); }
Tensor maximum(const Operand& a, const Operand& b) { return apply_elementwise(op<Maximum>, a, b); }
Tensor minimum(const Operand& a, const Operand& b) { return apply_elementwise(op<Minimum>, a, b); }
Tensor squared_difference(const Operand& a, const Operand& b) { return apply_elementwise(op<SquaredDifference>, a, b); }
Tensor copysign(const Operand& a, const Operand& b) { return apply(op<Copysign>, {a, b}, {}, a.where()); }
Tensor nextafter(const Operand& a, const Operand& b) { return apply(op<Nextafter>, {a, b}, {}, a.where()); }
Tensor clip(const Operand& x, const Operand& lo, const Operand& hi) {
  return apply(op<Clip>, {x, lo, hi}, {}, x.where());
}
Tensor negative(const Tensor& x, Where w) { return apply(op<Negative>, {x}, {}, w); }
Tensor abs(const Tensor& x, Where w) { return apply(op<Abs>, {x}, {}, w); }
Tensor sign(const Tensor& x, Where w) { return apply(op<Sign>, {x}, {}, w); }
Tensor floor(const Tensor& x, Where w) { return apply(op<Floor>, {x}, {}, w); }
Tensor ceil(const Tensor& x, Where w) { return apply(op<Ceil>, {x}, {}, w); }
Tensor round(const Tensor& x, Where w) { return apply(op<Round>, {x}, {}, w); }
Tensor trunc(const Tensor& x, Where w) { return apply(op<Trunc>, {x}, {}, w); }
Tensor square(const Tensor& x, Where w) { return apply(op<Square>, {x}, {}, w); }
Tensor operator-(const Operand& x) { return negative(x, x.where()); }

Tensor positive(const Tensor& x, Where w) {
  CallSite site(w);
  if (x.dtype() == DType::boolean) throw DTypeError("positive: needs numbers, got bool.");
  return x;
}

void list_arithmetic(std::vector<const OpDef*>& out) { list_rows(ArithmeticOps{}, out); }

}  // namespace tapir
