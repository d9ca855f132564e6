#include <tapir/ops/ranges.h>

namespace tapir {
}  // namespace tapir
