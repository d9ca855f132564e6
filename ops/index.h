// NumPy's indexing: x[i], x(i, Slice(1, 5, 2), ellipsis, newaxis), x[integers], x[booleans].
#pragma once
#include <tapir/ops/op.h>

namespace tapir {

/// An end that is left out: `Slice(none, 5)`, `Slice(2, none, 3)`.
struct None {};
inline constexpr None none;
/// As many full slices as needed.
struct Ellipsis {};
inline constexpr Ellipsis ellipsis;
/// A new dimension of size 1.
struct NewAxis {};
inline constexpr NewAxis newaxis;

/// Python's start:stop:step. Negative ends count from the end, ends beyond it are clipped; a negative step goes back.
class Slice {
 public:
  struct End {
    bool given = false;
    std::int64_t value = 0;
    constexpr End(None) {}
    template <std::integral T>
    constexpr End(T v) : given(true), value(std::int64_t(v)) {}
  };
  constexpr Slice() = default;
  constexpr Slice(End stop) : stop_(stop) {}
  constexpr Slice(End start, End stop, std::int64_t step = 1) : start_(start), stop_(stop), step_(step) {}
  const End& start() const { return start_; }
  const End& stop() const { return stop_; }
  std::int64_t step() const { return step_; }

 private:
  End start_ = none, stop_ = none;
  std::int64_t step_ = 1;
};

/// One entry of an index. Integers drop their dimension; an integer tensor (or list) picks along it; a bool tensor
/// picks where it is true and stands for as many dimensions as it has. Several tensors broadcast together as in NumPy.
class Index {
 public:
  enum class Kind : std::uint8_t { absent, integer, slice, ellipsis, newaxis, tensor };
  Index() = default;
  template <std::integral T>
  Index(T i, Where w = Where::current()) : kind(Kind::integer), integer(std::int64_t(i)), where(w) {}
  Index(const Slice& s, Where w = Where::current()) : kind(Kind::slice), slice(s), where(w) {}
  Index(Ellipsis, Where w = Where::current()) : kind(Kind::ellipsis), where(w) {}
  Index(NewAxis, Where w = Where::current()) : kind(Kind::newaxis), where(w) {}
  Index(const Tensor& t, Where w = Where::current()) : kind(Kind::tensor), tensor(t), where(w) {}
  Index(std::initializer_list<std::int64_t> list, Where w = Where::current());

  Kind kind = Kind::absent;
  std::int64_t integer = 0;
  Slice slice;
  Tensor tensor;
  Where where;
};

/// x indexed by a list of entries, as `x(...)` does. Throws ShapeError for too many entries or an integer out of range,
/// DTypeError for floating indices. Integer, slice, ellipsis and new-axis entries give a view; tensors give a copy.
Tensor index_with(const Tensor& x, std::span<const Index> entries, Where where = Where::current());

/// Rectangle of x: `begin` and `size` per dimension, every `step`-th element (steps may be negative). A view. Throws
/// ShapeError if it goes beyond x.
Tensor strided_slice(const Tensor& x, const Shape& begin, const Shape& size, const Shape& step,
                     Where where = Where::current());

}  // namespace tapir
