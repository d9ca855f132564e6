// Values in the dtype that a kernel reads.
#pragma once
#include <tapir/ops/shaping.h>

namespace tapir::cuda {

/// `t`, where it is of `dtype`; else a copy of it on `device` that is.
inline Tensor as_dtype(const Tensor& t, DType dtype, Device device) {
  if (t.dtype() == dtype) return t;
  Tensor cast = Tensor::empty(t.shape(), dtype, device);
  cast_into(t, cast);
  return cast;
}
inline Tensor as_dtype(const Tensor& t, DType dtype) { return as_dtype(t, dtype, t.device()); }

}  // namespace tapir::cuda
