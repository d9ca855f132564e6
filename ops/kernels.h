// The kernels that op rows name; backends/ implements them. One line a kernel.
#pragma once
#include <tapir/ops/op.h>

namespace tapir::cpu {

// Copies, reductions.
void cast(const Call& call);  // out = in, any strides, any dtypes
void sum(const Call& call);

// Convolutions: (x, kernel) -> y; (dy, kernel) -> dx; (x, dy) -> dkernel.
void conv(const Call& call);
void conv_input_gradient(const Call& call);
void conv_kernel_gradient(const Call& call);

}  // namespace tapir::cpu
