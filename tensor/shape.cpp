#include <tapir/tensor/error.h>
#include <tapir/tensor/shape.h>

#include <algorithm>
#include <ostream>

namespace tapir {

void Shape::too_many(std::size_t n, const Where& where) {
  CallSite site(where);
  throw ShapeError("shape: at most 8 dimensions are supported, got " + std::to_string(n) + ".");
}

void Shape::insert(int at, std::int64_t d) {
  push_back(0);
  for (int i = rank_ - 1; i > at; --i) dims_[i] = dims_[i - 1];
  dims_[at] = d;
}

void Shape::erase(int at) {
  for (int i = at; i + 1 < rank_; ++i) dims_[i] = dims_[i + 1];
  --rank_;
}

Shape Shape::concat(const Shape& other) const {
  Shape s = *this;
  for (auto d : other) s.push_back(d);
  return s;
}

std::string Shape::str() const {
  std::string s = "[";
  for (int i = 0; i < rank_; ++i) {
    if (i) s += ", ";
    s += dims_[i] == unknown ? "?" : std::to_string(dims_[i]);
  }
  return s + "]";
}

std::ostream& operator<<(std::ostream& os, const Shape& s) { return os << s.str(); }

Shape contiguous_strides(const Shape& shape) {
  Shape s;
  fill_strides(shape, s);
  return s;
}

bool broadcast_shapes(const Shape& a, const Shape& b, Shape& out) {
  const Shape &big = a.rank() >= b.rank() ? a : b, &small = a.rank() >= b.rank() ? b : a;
  Shape result = big;
  int lead = big.rank() - small.rank();
  for (int i = 0; i < small.rank(); ++i) {
    auto x = big[lead + i], y = small[i];
    if (x == y || y == 1) continue;
    if (x != 1) return false;
    result[lead + i] = y;
  }
  out = result;
  return true;
}

}  // namespace tapir
