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
/// Throws ShapeError for negative sizes and for more elements than any memory holds.
void check_sizes(const char* op, const Shape& shape);
/// `value` is of dtype `from`.
Tensor fill(const Shape& shape, const void* value, DType from, DType dtype, const char* op, const Where& where);
Tensor from_literals(const void* values, std::size_t count, DType from, const Shape& shape, DType to, const Where& w);

// The numbers of nested lists in a row, and the shape of the nest.
struct Nest {
  std::vector<char> numbers;
  Shape shape;
  template <Number T>
  void put(const T& number, int) {
    auto* p = reinterpret_cast<const char*>(&number);
    numbers.insert(numbers.end(), p, p + sizeof(T));
  }
  template <class T>
  void put(const std::initializer_list<T>& list, int depth) {
    open(list.size(), depth);
    for (auto& item : list) put(item, depth + 1);
  }
  void open(std::size_t size, int depth);  // throws ShapeError if lists of one depth differ in length
};
template <Number T, class List>
Tensor from_nest(const List& list, DType dtype, const Where& w) {
  CallSite site(w);
  Nest nest;
  nest.put(list, 0);
  return from_literals(nest.numbers.data(), nest.numbers.size() / sizeof(T), dtype_of<T>(), nest.shape, dtype, w);
}
}  // namespace detail

// Filled. They throw ShapeError for negative sizes and for more elements than any memory holds, OutOfMemoryError.
/// Zeros of `shape`.
Tensor zeros(const Shape& shape, DType dtype = DType::f32, Where where = Where::current());
/// Ones of `shape`.
Tensor ones(const Shape& shape, DType dtype = DType::f32, Where where = Where::current());
/// Memory of `shape` that holds anything: for who writes all of it.
Tensor empty(const Shape& shape, DType dtype = DType::f32, Where where = Where::current());
/// `value` everywhere, in the dtype of its C++ type (float and double give f32) or the one given.
template <Number T>
Tensor full(const Shape& shape, T value, DType dtype = detail::literal_dtype<T>(), Where where = Where::current()) {
  return detail::fill(shape, &value, dtype_of<T>(), dtype, "full", where);
}
/// Zeros of the shape of x, and of its dtype or another one.
Tensor zeros_like(const Tensor& x, Where where = Where::current());
Tensor zeros_like(const Tensor& x, DType dtype, Where where = Where::current());
/// Ones of the shape of x, and of its dtype or another one.
Tensor ones_like(const Tensor& x, Where where = Where::current());
Tensor ones_like(const Tensor& x, DType dtype, Where where = Where::current());
/// `value` everywhere, of the shape of x, and of its dtype or another one.
template <Number T>
Tensor full_like(const Tensor& x, T value, Where where = Where::current()) {
  return detail::fill(x.shape(), &value, dtype_of<T>(), x.dtype(), "full_like", where);
}
template <Number T>
Tensor full_like(const Tensor& x, T value, DType dtype, Where where = Where::current()) {
  return detail::fill(x.shape(), &value, dtype_of<T>(), dtype, "full_like", where);
}

// From literals.
/// A scalar with the dtype of its C++ type: float and double give f32, int gives i32, bool gives bool.
template <Number T>
Tensor constant(T value, Where where = Where::current()) {
  return detail::from_literals(&value, 1, dtype_of<T>(), {}, detail::literal_dtype<T>(), where);
}
template <Number T>
Tensor constant(T value, DType dtype, Where where = Where::current()) {
  return detail::from_literals(&value, 1, dtype_of<T>(), {}, dtype, where);
}

/// From nested lists, up to four deep: `tensor({{1.0f, 2.0f}, {3.0f, 4.0f}})`. float and double give f32, int gives
/// i32, bool gives bool; another dtype may be asked for. Throws ShapeError if lists of one depth differ in length.
template <Number T>
Tensor tensor(std::initializer_list<T> list, DType dtype = detail::literal_dtype<T>(), Where w = Where::current()) {
  return detail::from_literals(list.begin(), list.size(), dtype_of<T>(), {std::int64_t(list.size())}, dtype, w);
}
template <Number T>
Tensor tensor(std::initializer_list<std::initializer_list<T>> list, DType dtype = detail::literal_dtype<T>(),
              Where w = Where::current()) {
  return detail::from_nest<T>(list, dtype, w);
}
template <Number T>
Tensor tensor(std::initializer_list<std::initializer_list<std::initializer_list<T>>> list,
              DType dtype = detail::literal_dtype<T>(), Where w = Where::current()) {
  return detail::from_nest<T>(list, dtype, w);
}
template <Number T>
Tensor tensor(std::initializer_list<std::initializer_list<std::initializer_list<std::initializer_list<T>>>> list,
              DType dtype = detail::literal_dtype<T>(), Where w = Where::current()) {
  return detail::from_nest<T>(list, dtype, w);
}

}  // namespace tapir
