// f(T{}) with the C++ type of a dtype, for the groups of dtypes that kernels are made for. Halves come to most as f32.
#pragma once
#include <tapir/tensor/dtype.h>

namespace tapir::cuda {

/// All but f16 and bf16.
template <class F>
void visit_arithmetic(DType d, F&& f) {
  visit_dtype(d, [&](auto t) {
    if constexpr (std::is_arithmetic_v<decltype(t)>) f(t);
  });
}
/// Those, without bool.
template <class F>
void visit_number(DType d, F&& f) {
  visit_dtype(d, [&](auto t) {
    if constexpr (std::is_arithmetic_v<decltype(t)> && !std::is_same_v<decltype(t), bool>) f(t);
  });
}
template <class F>
void visit_integer(DType d, F&& f) {
  visit_dtype(d, [&](auto t) {
    if constexpr (std::is_integral_v<decltype(t)> && !std::is_same_v<decltype(t), bool>) f(t);
  });
}

}  // namespace tapir::cuda
