// Shape: up to eight sizes, held inline. Strides, starts and axis lists use it too.
#pragma once
#include <tapir/tensor/where.h>

#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

namespace tapir {

/// A dimension whose size is not known when a function is traced (`TensorSpec({unknown, 5}, DType::f32)`).
inline constexpr std::int64_t unknown = -1;

/// The sizes of a tensor's dimensions, outermost first. At most `max_rank` of them; more throws ShapeError.
class Shape {
 public:
  static constexpr int max_rank = 8;

  constexpr Shape() = default;
  constexpr Shape(std::initializer_list<std::int64_t> dims, Where where = Where::current()) {
    assign(dims.begin(), dims.size(), where);
  }
  Shape(std::span<const std::int64_t> dims, Where where = Where::current()) { assign(dims.data(), dims.size(), where); }
  Shape(const std::vector<std::int64_t>& dims, Where where = Where::current()) {
    assign(dims.data(), dims.size(), where);
  }
  static constexpr Shape filled(int rank, std::int64_t value) {
    Shape s;
    for (int i = 0; i < rank; ++i) s.push_back(value);
    return s;
  }

  constexpr int rank() const { return rank_; }
  constexpr bool empty() const { return rank_ == 0; }
  /// The number of elements: 1 for rank 0.
  constexpr std::int64_t size() const {
    std::int64_t n = 1;
    for (int i = 0; i < rank_; ++i) n *= dims_[i];
    return n;
  }
  constexpr std::int64_t operator[](int i) const { return dims_[i]; }
  constexpr std::int64_t& operator[](int i) { return dims_[i]; }
  /// Counts from the end if `i` is negative. The axis must exist.
  constexpr std::int64_t dim(int i) const { return dims_[i < 0 ? i + rank_ : i]; }
  constexpr std::int64_t back() const { return dims_[rank_ - 1]; }
  constexpr const std::int64_t* begin() const { return dims_; }
  constexpr const std::int64_t* end() const { return dims_ + rank_; }
  constexpr std::int64_t* begin() { return dims_; }
  constexpr std::int64_t* end() { return dims_ + rank_; }
  std::span<const std::int64_t> dims() const { return {dims_, std::size_t(rank_)}; }
  std::vector<std::int64_t> to_vector() const { return {begin(), end()}; }

  constexpr void push_back(std::int64_t d, Where where = Where::current()) {
    if (rank_ == max_rank) too_many(std::size_t(rank_) + 1, where);
    dims_[rank_++] = d;
  }
  /// New dimensions are 0.
  constexpr void resize(int rank) {
    for (int i = rank_; i < rank; ++i) dims_[i] = 0;
    rank_ = rank;
  }
  void insert(int at, std::int64_t d);
  void erase(int at);
  /// The first `n` dimensions.
  Shape first(int n) const { return Shape(std::span(dims_, std::size_t(n))); }
  /// The last `n` dimensions.
  Shape last(int n) const { return Shape(std::span(dims_ + rank_ - n, std::size_t(n))); }
  /// This shape's dimensions followed by those of `other`.
  Shape concat(const Shape& other) const;

  friend constexpr bool operator==(const Shape& a, const Shape& b) {
    if (a.rank_ != b.rank_) return false;
    for (int i = 0; i < a.rank_; ++i)
      if (a.dims_[i] != b.dims_[i]) return false;
    return true;
  }
  /// "[2, 3]"
  std::string str() const;
  friend std::ostream& operator<<(std::ostream& os, const Shape& s);

 private:
  [[noreturn]] static void too_many(std::size_t n, const Where& where);
  constexpr void assign(const std::int64_t* p, std::size_t n, const Where& where) {
    if (n > max_rank) too_many(n, where);
    rank_ = int(n);
    for (std::size_t i = 0; i < n; ++i) dims_[i] = p[i];
  }
  std::int64_t dims_[max_rank] = {};
  int rank_ = 0;
};

/// One or several axes: `{.axis = 1}`, `{.axis = {0, 2}}`. Negative axes count from the end. Empty means all.
class Axes : public Shape {
 public:
  constexpr Axes() = default;
  constexpr Axes(std::int64_t axis) : Shape({axis}) {}
  constexpr Axes(int axis) : Shape({std::int64_t(axis)}) {}
  constexpr Axes(std::initializer_list<std::int64_t> axes, Where where = Where::current()) : Shape(axes, where) {}
  Axes(const std::vector<std::int64_t>& axes, Where where = Where::current()) : Shape(axes, where) {}
};

/// Row-major strides, in elements, of a contiguous tensor; the second form into a Shape at hand, without a copy.
inline void fill_strides(const Shape& shape, Shape& strides) {
  strides.resize(shape.rank());
  std::int64_t step = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    strides[i] = step;
    step *= shape[i] > 1 ? shape[i] : 1;
  }
}
Shape contiguous_strides(const Shape& shape);

/// NumPy's broadcast of the two shapes; false if they do not fit.
bool broadcast_shapes(const Shape& a, const Shape& b, Shape& out);

}  // namespace tapir
