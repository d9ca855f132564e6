#include <tapir/ops/einsum.h>

namespace tapir {
}  // namespace tapir
