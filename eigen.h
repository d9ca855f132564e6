// Eigen's views of tensors, without a copy, and tensors of Eigen's matrices. Not part of <tapir/tapir.h>, and the only
// header of tapir that needs Eigen (3.4) where your program is compiled.
#pragma once
#include <tapir/tensor/device_scope.h>
#include <tapir/tensor/md_view.h>

#include <Eigen/Core>

namespace tapir::eigen {

/// A number that both know.
template <class T>
concept PlainNumber = std::is_arithmetic_v<T>;

/// What `matrix` and `vector` give: constant, and with the strides of the tensor, in elements.
template <PlainNumber T>
using MatrixView = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>, Eigen::Unaligned,
                              Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>;
template <PlainNumber T>
using VectorView =
    Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>, Eigen::Unaligned, Eigen::InnerStride<Eigen::Dynamic>>;

/// The elements of `x` [rows, columns] as a matrix of Eigen's, without a copy: transposed, sliced, broadcast and
/// flipped tensors are seen as they are. Valid as long as some Tensor holds the value. Throws DTypeError unless T is
/// the tensor's own element type, ShapeError unless it has two dimensions, DeviceError if the elements are on a GPU,
/// UsageError if there is no value (a trace, an undefined tensor).
template <PlainNumber T>
MatrixView<T> matrix(const Tensor& x, Where where = Where::current()) {
  tapir::detail::check_viewable("eigen::matrix", x, dtype_of<T>(), 2, where);
  return {x.data<T>(), x.shape()[0], x.shape()[1], {x.strides()[0], x.strides()[1]}};
}

/// The elements of `x` [n] as a column of Eigen's, without a copy. Throws as `matrix`.
template <PlainNumber T>
VectorView<T> vector(const Tensor& x, Where where = Where::current()) {
  tapir::detail::check_viewable("eigen::vector", x, dtype_of<T>(), 1, where);
  return {x.data<T>(), x.shape()[0], Eigen::InnerStride<Eigen::Dynamic>(x.strides()[0])};
}

/// A tensor of what Eigen has or computes, by one copy into the tensor's memory: [n] of vectors of Eigen's (one row or
/// one column by their type), else [rows, columns].
template <class Derived>
requires PlainNumber<typename Derived::Scalar> Tensor tensor(const Eigen::DenseBase<Derived>& m,
                                                             Where where = Where::current()) {
  using T = typename Derived::Scalar;
  CallSite site(where);
  const Shape shape = Derived::IsVectorAtCompileTime ? Shape{m.size()} : Shape{m.rows(), m.cols()};
  Tensor out = Tensor::empty(shape, dtype_of<T>());
  Eigen::Map<Eigen::Array<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>(out.mutable_data<T>(), m.rows(),
                                                                               m.cols()) = m.derived().array();
  return out.to(default_device(), where);
}

}  // namespace tapir::eigen
