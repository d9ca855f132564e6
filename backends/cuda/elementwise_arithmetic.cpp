#include <tapir/backends/cuda/elementwise.h>
#include <tapir/ops/functors/arithmetic.h>

namespace tapir::cuda {
void list_arithmetic(KernelList& out) { list_functors(vmath::fn::ArithmeticOps{}, out); }
}  // namespace tapir::cuda
