#include <tapir/ops/close.h>

namespace tapir {
}  // namespace tapir
