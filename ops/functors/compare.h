// Elementwise comparisons, tests and selection. Nothing here has a gradient but `where`.
#pragma once
#include <tapir/ops/tile.h>

namespace tapir::vmath::fn {

struct Comparison : Binary {
  static constexpr Types types = Types::any;
  static constexpr bool bool_result = true, differentiable = false;
  static constexpr int cost = 1;
};
struct Equal : Comparison {
  static constexpr const char* name = "equal";
  template <class V> auto value(V a, V b) const { return a == b; }
};
struct NotEqual : Comparison {
  static constexpr const char* name = "not_equal";
  template <class V> auto value(V a, V b) const { return a != b; }
};
struct Less : Comparison {
  static constexpr const char* name = "less";
  template <class V> auto value(V a, V b) const { return a < b; }
};
struct LessEqual : Comparison {
  static constexpr const char* name = "less_equal";
  template <class V> auto value(V a, V b) const { return a <= b; }
};
struct Greater : Comparison {
  static constexpr const char* name = "greater";
  template <class V> auto value(V a, V b) const { return a > b; }
};
struct GreaterEqual : Comparison {
  static constexpr const char* name = "greater_equal";
  template <class V> auto value(V a, V b) const { return a >= b; }
};
// where(condition, a, b); its gradient is in ops/elementwise.cpp.
struct Select : Ternary {
  static constexpr const char* name = "where";
  static constexpr Types types = Types::any;
  static constexpr bool first_is_bool = true;
  static constexpr int cost = 2;
  template <class C, class V> V value(C c, V a, V b) const { return where(c, a, b); }
};

using CompareOps = TypeList<Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual, Select>;

}  // namespace tapir::vmath::fn
