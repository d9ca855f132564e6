// Making tensors: filled, counted, from nested lists.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {

namespace detail {
/// The dtype of a C++ literal: doubles become f32, the default; other types are kept.
template <Number T>
constexpr DType literal_dtype() {
  return std::is_same_v<T, double> ? DType::f32 : dtype_of<T>();
}
Tensor fill(const Shape& shape, double value, DType dtype, const char* op, const Where& where);
Tensor from_literals(const void* values, std::size_t count, DType from, const Shape& shape, DType to, const Where& w);
[[noreturn]] void ragged(std::size_t got, std::size_t expected);
}  // namespace detail

Tensor zeros(const Shape& shape, DType dtype = DType::f32, Where where = Where::current());
Tensor ones(const Shape& shape, DType dtype = DType::f32, Where where = Where::current());
Tensor full(const Shape& shape, double value, DType dtype = DType::f32, Where where = Where::current());
Tensor zeros_like(const Tensor& x, Where where = Where::current());
Tensor ones_like(const Tensor& x, Where where = Where::current());

/// A scalar with the dtype of its C++ type: float and double give f32, int gives i32, bool gives bool.
template <Number T>
Tensor constant(T value, Where where = Where::current()) {
  return detail::from_literals(&value, 1, dtype_of<T>(), {}, detail::literal_dtype<T>(), where);
}
template <Number T>
Tensor constant(T value, DType dtype, Where where = Where::current()) {
  return detail::from_literals(&value, 1, dtype_of<T>(), {}, dtype, where);
}

/// From nested lists: `tensor({{1.0f, 2.0f}, {3.0f, 4.0f}})`. float and double give f32, int gives i32, bool gives
/// bool; another dtype may be asked for. Throws ShapeError if rows differ in length.
template <Number T>
Tensor tensor(std::initializer_list<T> values, DType dtype = detail::literal_dtype<T>(), Where w = Where::current()) {
  return detail::from_literals(values.begin(), values.size(), dtype_of<T>(), {std::int64_t(values.size())}, dtype, w);
}
template <Number T>
Tensor tensor(std::initializer_list<std::initializer_list<T>> rows, DType dtype = detail::literal_dtype<T>(),
              Where w = Where::current()) {
  std::vector<char> flat;
  std::size_t columns = rows.size() ? rows.begin()->size() : 0;
  for (auto& r : rows) {
    CallSite site(w);
    if (r.size() != columns) detail::ragged(r.size(), columns);
    auto* p = reinterpret_cast<const char*>(r.begin());
    flat.insert(flat.end(), p, p + r.size() * sizeof(T));
  }
  return detail::from_literals(flat.data(), rows.size() * columns, dtype_of<T>(),
                               {std::int64_t(rows.size()), std::int64_t(columns)}, dtype, w);
}
template <Number T>
Tensor tensor(std::initializer_list<std::initializer_list<std::initializer_list<T>>> blocks,
              DType dtype = detail::literal_dtype<T>(), Where w = Where::current()) {
  std::vector<char> flat;
  std::size_t rows = blocks.size() ? blocks.begin()->size() : 0, columns = rows ? blocks.begin()->begin()->size() : 0;
  for (auto& b : blocks) {
    CallSite site(w);
    if (b.size() != rows) detail::ragged(b.size(), rows);
    for (auto& r : b) {
      if (r.size() != columns) detail::ragged(r.size(), columns);
      auto* p = reinterpret_cast<const char*>(r.begin());
      flat.insert(flat.end(), p, p + r.size() * sizeof(T));
    }
  }
  return detail::from_literals(flat.data(), blocks.size() * rows * columns, dtype_of<T>(),
                               {std::int64_t(blocks.size()), std::int64_t(rows), std::int64_t(columns)}, dtype, w);
}

}  // namespace tapir
