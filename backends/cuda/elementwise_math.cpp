#include <tapir/backends/cuda/elementwise.h>
#include <tapir/ops/functors/math.h>

namespace tapir::cuda {
void list_math(KernelList& out) {
  list_functors(vmath::fn::MathOps{}, out);
  list_functors(vmath::fn::TrigonometryOps{}, out);
}
}  // namespace tapir::cuda
