#include <tapir/ops/dropout.h>

namespace tapir {
}  // namespace tapir
