// Comparisons, tests, selection, logic and bits.
#include <tapir/ops/elementwise.h>
#include <tapir/ops/functors/compare.h>
#include <tapir/ops/tile.h>

namespace tapir {

using namespace vmath::fn;

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
Tensor isnan(const Tensor& x, Where w) { return apply(op<Isnan>, {x}, {}, w); }
Tensor isinf(const Tensor& x, Where w) { return apply(op<Isinf>, {x}, {}, w); }
Tensor isfinite(const Tensor& x, Where w) { return apply(op<Isfinite>, {x}, {}, w); }
Tensor signbit(const Tensor& x, Where w) { return apply(op<Signbit>, {x}, {}, w); }
Tensor where(const Tensor& c, const Operand& a, const Operand& b) {
  return apply(op<Select>, {c, a, b}, {}, a.where());
}

Tensor logical_and(const Operand& a, const Operand& b) { return apply(op<LogicalAnd>, {a, b}, {}, a.where()); }
Tensor logical_or(const Operand& a, const Operand& b) { return apply(op<LogicalOr>, {a, b}, {}, a.where()); }
Tensor logical_xor(const Operand& a, const Operand& b) { return apply(op<LogicalXor>, {a, b}, {}, a.where()); }
Tensor bitwise_and(const Operand& a, const Operand& b) { return apply(op<BitwiseAnd>, {a, b}, {}, a.where()); }
Tensor bitwise_or(const Operand& a, const Operand& b) { return apply(op<BitwiseOr>, {a, b}, {}, a.where()); }
Tensor bitwise_xor(const Operand& a, const Operand& b) { return apply(op<BitwiseXor>, {a, b}, {}, a.where()); }
Tensor bitwise_left_shift(const Operand& a, const Operand& b) {
  return apply(op<BitwiseLeftShift>, {a, b}, {}, a.where());
}
Tensor bitwise_right_shift(const Operand& a, const Operand& b) {
  return apply(op<BitwiseRightShift>, {a, b}, {}, a.where());
}
Tensor logical_not(const Tensor& x, Where w) { return apply(op<LogicalNot>, {x}, {}, w); }
Tensor bitwise_invert(const Tensor& x, Where w) { return apply(op<BitwiseInvert>, {x}, {}, w); }
Tensor operator&&(const Operand& a, const Operand& b) { return logical_and(a, b); }
Tensor operator||(const Operand& a, const Operand& b) { return logical_or(a, b); }
Tensor operator&(const Operand& a, const Operand& b) { return bitwise_and(a, b); }
Tensor operator|(const Operand& a, const Operand& b) { return bitwise_or(a, b); }
Tensor operator^(const Operand& a, const Operand& b) { return bitwise_xor(a, b); }
Tensor operator<<(const Operand& a, const Operand& b) { return bitwise_left_shift(a, b); }
Tensor operator>>(const Operand& a, const Operand& b) { return bitwise_right_shift(a, b); }
Tensor operator!(const Operand& x) { return logical_not(x, x.where()); }
Tensor operator~(const Operand& x) { return bitwise_invert(x, x.where()); }

void list_comparisons(std::vector<const OpDef*>& out) {
  list_rows(CompareOps{}, out);
  list_rows(BitOps{}, out);
}

}  // namespace tapir
