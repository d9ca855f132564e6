#include <tapir/ops/pool.h>

namespace tapir {

void list_pool(std::vector<const OpDef*>& out) { (void)out; }

}  // namespace tapir
