// How a function finds the tensors in its arguments and results: Tensor, numbers, strings, std::vector, std::array,
// std::pair, std::tuple, std::optional, std::map of these, and structs that name their fields:
//     struct State { Tensor h, c;  template <class V> void visit(V&& v) { v(h); v(c); } };
#pragma once
#include <tapir/tensor/variable.h>

#include <array>
#include <optional>
#include <tuple>

namespace tapir::detail {

template <class T>
inline constexpr bool is_vector = false;
template <class T, class A>
inline constexpr bool is_vector<std::vector<T, A>> = true;
template <class T>
inline constexpr bool is_array = false;
template <class T, std::size_t N>
inline constexpr bool is_array<std::array<T, N>> = true;
template <class T>
inline constexpr bool is_tuple = false;
template <class... Ts>
inline constexpr bool is_tuple<std::tuple<Ts...>> = true;
template <class A, class B>
inline constexpr bool is_tuple<std::pair<A, B>> = true;
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
concept IsMap = requires {
  typename T::key_type;
  typename T::mapped_type;
};
template <class T>
concept HasFields = requires(T& t) {
  t.visit([](auto&&...) {});
};

/// What a walk over a structure meets. Sizes and plain values join a function's signature.
struct StructureVisitor {
  virtual void tensor(Tensor& t) = 0;
  virtual void variable(const Variable&) {}
  virtual void plain(const void*, std::size_t) {}

 protected:
  ~StructureVisitor() = default;
};

template <class T>
void walk(T& value, StructureVisitor& v) {
  if constexpr (std::is_same_v<T, Tensor>) {
    v.tensor(value);
  } else if constexpr (std::is_same_v<T, Variable>) {
    v.variable(value);
  } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    v.plain(&value, sizeof(value));
  } else if constexpr (std::is_convertible_v<const T&, std::string>) {
    const std::string s = value;
    const std::size_t n = s.size();
    v.plain(&n, sizeof n);
    v.plain(s.data(), n);
  } else if constexpr (is_vector<T> || is_array<T>) {
    const std::size_t n = value.size();
    if constexpr (is_vector<T>) v.plain(&n, sizeof n);
    for (auto& item : value) walk(item, v);
  } else if constexpr (is_tuple<T>) {
    std::apply([&](auto&... items) { (walk(items, v), ...); }, value);
  } else if constexpr (is_optional<T>) {
    const bool has = value.has_value();
    v.plain(&has, sizeof has);
    if (has) walk(*value, v);
  } else if constexpr (IsMap<T>) {
    const std::size_t n = value.size();
    v.plain(&n, sizeof n);
    for (auto& [key, item] : value) {
      auto copy = key;
      walk(copy, v);
      walk(item, v);
    }
  } else if constexpr (HasFields<T>) {
    value.visit([&](auto&... fields) { (walk(fields, v), ...); });
  } else {
    static_assert(sizeof(T) == 0,
                  "function(): no way to find the tensors in this type. Give it "
                  "`template <class V> void visit(V&& v) { v(field); ... }`");
  }
}

/// Calls f(Tensor&) on each tensor in a structure, in order.
template <class T, class F>
void each_tensor(T& value, F&& f) {
  struct Walk final : StructureVisitor {
    F& f;
    explicit Walk(F& g) : f(g) {}
    void tensor(Tensor& t) override { f(t); }
  } w(f);
  walk(value, w);
}

}  // namespace tapir::detail
