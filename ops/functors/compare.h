// Elementwise comparisons, tests, logic and selection. Nothing here has a gradient but `where`.
#pragma once
#include <tapir/ops/functors/functor.h>

namespace tapir::vmath::fn {

struct Comparison : Binary {
  static constexpr Types types = Types::any;
  static constexpr bool bool_result = true, differentiable = false;
  static constexpr int cost = 1;
};
struct Equal : Comparison {
  static constexpr const char* name = "equal";
  template <class V> TAPIR_HD auto value(V a, V b) const { return a == b; }
};
struct NotEqual : Comparison {
  static constexpr const char* name = "not_equal";
  template <class V> TAPIR_HD auto value(V a, V b) const { return a != b; }
};
struct Less : Comparison {
  static constexpr const char* name = "less";
  template <class V> TAPIR_HD auto value(V a, V b) const { return a < b; }
};
struct LessEqual : Comparison {
  static constexpr const char* name = "less_equal";
  template <class V> TAPIR_HD auto value(V a, V b) const { return a <= b; }
};
struct Greater : Comparison {
  static constexpr const char* name = "greater";
  template <class V> TAPIR_HD auto value(V a, V b) const { return a > b; }
};
struct GreaterEqual : Comparison {
  static constexpr const char* name = "greater_equal";
  template <class V> TAPIR_HD auto value(V a, V b) const { return a >= b; }
};
// What kind of number each element is; integers are finite.
struct Test : Unary {
  static constexpr Types types = Types::numeric;
  static constexpr bool bool_result = true, differentiable = false;
  static constexpr int cost = 1;
};
struct Isnan : Test {
  static constexpr const char* name = "isnan";
  template <class V> TAPIR_HD auto value(V x) const { return isnan(x); }
};
struct Isinf : Test {
  static constexpr const char* name = "isinf";
  template <class V> TAPIR_HD auto value(V x) const { return isinf(x); }
};
struct Isfinite : Test {
  static constexpr const char* name = "isfinite";
  template <class V> TAPIR_HD auto value(V x) const { return isfinite(x); }
};
struct Signbit : Test {
  static constexpr const char* name = "signbit";
  static constexpr Types types = Types::floating;
  template <class V> TAPIR_HD auto value(V x) const { return signbit(x); }
};

// On bits, or on truth values.
template <class Base, Types accepted> struct Bits : Base {
  static constexpr Types types = accepted;
  static constexpr bool differentiable = false;
  static constexpr int cost = 1;
};
struct LogicalAnd : Bits<Binary, Types::boolean> {
  static constexpr const char* name = "logical_and";
  template <class V> TAPIR_HD V value(V a, V b) const { return a & b; }
};
struct LogicalOr : Bits<Binary, Types::boolean> {
  static constexpr const char* name = "logical_or";
  template <class V> TAPIR_HD V value(V a, V b) const { return a | b; }
};
struct LogicalXor : Bits<Binary, Types::boolean> {
  static constexpr const char* name = "logical_xor";
  template <class V> TAPIR_HD V value(V a, V b) const { return a ^ b; }
};
struct LogicalNot : Bits<Unary, Types::boolean> {
  static constexpr const char* name = "logical_not";
  template <class V> TAPIR_HD V value(V x) const { return ~x; }
};
struct BitwiseAnd : Bits<Binary, Types::integer_or_bool> {
  static constexpr const char* name = "bitwise_and";
  template <class V> TAPIR_HD V value(V a, V b) const { return a & b; }
};
struct BitwiseOr : Bits<Binary, Types::integer_or_bool> {
  static constexpr const char* name = "bitwise_or";
  template <class V> TAPIR_HD V value(V a, V b) const { return a | b; }
};
struct BitwiseXor : Bits<Binary, Types::integer_or_bool> {
  static constexpr const char* name = "bitwise_xor";
  template <class V> TAPIR_HD V value(V a, V b) const { return a ^ b; }
};
struct BitwiseInvert : Bits<Unary, Types::integer_or_bool> {
  static constexpr const char* name = "bitwise_invert";
  template <class V> TAPIR_HD V value(V x) const { return ~x; }
};
// More bits than there are, or a negative number of them, shifts everything out.
struct BitwiseLeftShift : Bits<Binary, Types::integer> {
  static constexpr const char* name = "bitwise_left_shift";
  template <class V> TAPIR_HD V value(V a, V b) const { return left_shift(a, b); }
};
struct BitwiseRightShift : Bits<Binary, Types::integer> {
  static constexpr const char* name = "bitwise_right_shift";
  template <class V> TAPIR_HD V value(V a, V b) const { return right_shift(a, b); }
};
// where(condition, a, b); its gradient is in ops/elementwise.cpp.
struct Select : Ternary {
  static constexpr const char* name = "where";
  static constexpr Types types = Types::any;
  static constexpr bool first_is_bool = true;
  static constexpr int cost = 2;
  template <class C, class V> TAPIR_HD V value(C c, V a, V b) const { return where(c, a, b); }
};

using CompareOps =
    TypeList<Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual, Isnan, Isinf, Isfinite, Signbit, Select>;
using BitOps = TypeList<LogicalAnd, LogicalOr, LogicalXor, LogicalNot, BitwiseAnd, BitwiseOr, BitwiseXor, BitwiseInvert,
                        BitwiseLeftShift, BitwiseRightShift>;

}  // namespace tapir::vmath::fn
