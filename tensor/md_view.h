// MdView: a tensor's elements by their indices, read where they lie, strides and all. What std::mdspan is in C++23,
// with its names. Not part of <tapir/tapir.h>.
#pragma once
#include <tapir/tensor/tensor.h>

#include <array>
#include <cassert>

namespace tapir {

namespace detail {
/// Throws unless `x` has a value of this dtype and rank in the CPU's memory. `what` names the caller.
void check_viewable(const char* what, const Tensor& x, DType asked, int rank, const Where& where);
}  // namespace detail

/// Reads elements by index, `v(i, j)`, without a copy. Indices are not checked, but by assert(). Valid as long as some
/// Tensor holds the value.
template <Number T, int Rank>
class MdView {
 public:
  using value_type = T;
  using index_type = std::int64_t;
  using extents_type = std::array<index_type, std::size_t(Rank)>;

  MdView(const T* first, const extents_type& extents, const extents_type& strides)
      : first_(first), extents_(extents), strides_(strides) {}

  template <std::convertible_to<index_type>... I>
  requires(sizeof...(I) == std::size_t(Rank)) const T& operator()(I... i) const {
    return at({static_cast<index_type>(i)...});
  }
#ifdef __cpp_multidimensional_subscript
  template <std::convertible_to<index_type>... I>
  requires(sizeof...(I) == std::size_t(Rank)) const T& operator[](I... i) const {
    return at({static_cast<index_type>(i)...});
  }
#endif
  const T& operator[](const extents_type& i) const { return at(i); }

  static constexpr int rank() { return Rank; }
  index_type extent(int d) const { return extents_[std::size_t(d)]; }
  /// In elements. 0 where the tensor is broadcast, negative where it is flipped.
  index_type stride(int d) const { return strides_[std::size_t(d)]; }
  const extents_type& extents() const { return extents_; }
  const extents_type& strides() const { return strides_; }
  /// The number of elements.
  index_type size() const {
    index_type n = 1;
    for (index_type e : extents_) n *= e;
    return n;
  }
  bool empty() const { return size() == 0; }
  /// The element at index 0, 0, ...
  const T* data_handle() const { return first_; }

 private:
  const T& at(const extents_type& i) const {
    index_type offset = 0;
    for (std::size_t d = 0; d < std::size_t(Rank); ++d) {
      assert(i[d] >= 0 && i[d] < extents_[d]);
      offset += i[d] * strides_[d];
    }
    return first_[offset];
  }
  const T* first_;
  extents_type extents_, strides_;
};

/// A view of `x`, whatever its strides: `auto v = md_view<float, 2>(x); v(i, j)`. Throws DTypeError unless T is the
/// tensor's own element type, ShapeError for another rank, DeviceError if the elements are on a GPU, UsageError if
/// there is no value (a trace, an undefined tensor).
template <Number T, int Rank>
MdView<T, Rank> md_view(const Tensor& x, Where where = Where::current()) {
  detail::check_viewable("md_view", x, dtype_of<T>(), Rank, where);
  typename MdView<T, Rank>::extents_type extents{}, strides{};
  for (int d = 0; d < Rank; ++d) {
    extents[std::size_t(d)] = x.shape()[d];
    strides[std::size_t(d)] = x.strides()[d];
  }
  return {x.data<T>(), extents, strides};
}

}  // namespace tapir
