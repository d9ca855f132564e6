#include <tapir/backends/cuda/elementwise.h>
#include <tapir/ops/functors/math.h>

namespace tapir::cuda {
void list_special(KernelList& out) { list_functors(vmath::fn::SpecialOps{}, out); }
}  // namespace tapir::cuda
