// Two operations that traces keep: gradients of a bucket set out, and come back added up. In between the tape goes on.
// Internal to distributed/.
#pragma once
#include <tapir/tensor/tensor.h>

#include <vector>

namespace tapir::distributed::detail {

/// Sends the means over `examples` of this process off: f32 or f64, all alike. A token that `arrive` takes.
Tensor depart(const std::vector<Tensor>& gradients, std::int64_t bucket, std::int64_t examples);
/// The means over the examples of all processes, one after the other: [elements], `dtype`. Waits for them.
Tensor arrive(const Tensor& token, std::int64_t bucket, std::int64_t elements, DType dtype);

}  // namespace tapir::distributed::detail
