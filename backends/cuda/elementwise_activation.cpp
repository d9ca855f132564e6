#include <tapir/backends/cuda/elementwise.h>
#include <tapir/ops/functors/activation.h>

namespace tapir::cuda {
void list_activation(KernelList& out) { list_functors(vmath::fn::ActivationOps{}, out); }
}  // namespace tapir::cuda
