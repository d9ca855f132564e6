// The kernels that op rows name; backends/ implements them. One line a kernel.
#pragma once
#include <tapir/ops/op.h>

namespace tapir::cpu {

// Copies, reductions.
void cast(const Call& call);  // out = in, any strides, any dtypes
void sum(const Call& call);

}  // namespace tapir::cpu
