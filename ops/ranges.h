// Counting: arange, linspace, eye, meshgrid. All but meshgrid give constants: nothing is recorded.
#pragma once
#include <tapir/ops/create.h>

#include <optional>

namespace tapir {

struct RangeOptions {
  std::optional<DType> dtype =
      {};  ///< that of the C++ numbers if not given: int i32, int64_t i64, float and double f32
};

namespace detail {
Tensor count_up(std::int64_t start, std::int64_t stop, std::int64_t step, DType dtype, const Where& where);
Tensor count_up(double start, double stop, double step, DType dtype, const Where& where);
}  // namespace detail

/// start, start + step, ... up to but not including stop; empty if there are none. Element i is start + i * step.
/// Throws UsageError if step is 0 or not finite, ShapeError if there are too many.
template <Number A, Number B, Number C>
Tensor arange(A start, B stop, C step, RangeOptions options = {}, Where where = Where::current()) {
  using T = std::common_type_t<A, B, C>;
  const DType dtype = options.dtype.value_or(detail::literal_dtype<T>());
  if constexpr (std::is_integral_v<T>)
    return detail::count_up(std::int64_t(start), std::int64_t(stop), std::int64_t(step), dtype, where);
  else return detail::count_up(double(start), double(stop), double(step), dtype, where);
}
template <Number A, Number B>
Tensor arange(A start, B stop, RangeOptions options = {}, Where where = Where::current()) {
  return arange(start, stop, 1, options, where);
}
template <Number B>
Tensor arange(B stop, RangeOptions options = {}, Where where = Where::current()) {
  return arange(B(0), stop, 1, options, where);
}

struct LinspaceOptions {
  DType dtype = DType::f32;
  bool endpoint = true;  ///< is `stop` the last number, or the one after it?
};
/// `num` numbers evenly spaced from start to stop. Throws UsageError if num < 0.
Tensor linspace(double start, double stop, std::int64_t num, LinspaceOptions options = {},
                Where where = Where::current());

struct EyeOptions {
  std::int64_t k = 0;  ///< which diagonal: above the main one if positive
  DType dtype = DType::f32;
};
/// Ones on a diagonal, zeros elsewhere: [n, m], or [n, n].
Tensor eye(std::int64_t n, std::int64_t m, EyeOptions options = {}, Where where = Where::current());
Tensor eye(std::int64_t n, EyeOptions options = {}, Where where = Where::current());

struct MeshgridOptions {
  const char* indexing = "xy";  ///< "xy": the first vector runs along dimension 1; "ij": along dimension 0
};
/// Coordinates from vectors: each of the n results has n dimensions and varies along its own. Views. Throws ShapeError
/// unless all have rank 1.
std::vector<Tensor> meshgrid(const std::vector<Tensor>& xs, MeshgridOptions options = {},
                             Where where = Where::current());

}  // namespace tapir
