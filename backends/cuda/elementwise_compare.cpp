#include <tapir/backends/cuda/elementwise.h>
#include <tapir/ops/functors/compare.h>

namespace tapir::cuda {
void list_compare(KernelList& out) {
  list_functors(vmath::fn::CompareOps{}, out);
  list_functors(vmath::fn::BitOps{}, out);
}
}  // namespace tapir::cuda
