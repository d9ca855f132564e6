#include <tapir/ops/random.h>

namespace tapir {

void list_random(std::vector<const OpDef*>& out) { (void)out; }

}  // namespace tapir
