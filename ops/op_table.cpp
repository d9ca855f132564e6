// Every op there is: the families, each listed by its own file.
#include <tapir/ops/op.h>

namespace tapir {

void list_elementwise(std::vector<const OpDef*>& out);
void list_shaping(std::vector<const OpDef*>& out);
void list_reduce(std::vector<const OpDef*>& out);

std::span<const OpDef* const> all_ops() {
  static const std::vector<const OpDef*> table = [] {
    std::vector<const OpDef*> out;
    for (auto list : {list_elementwise, list_shaping, list_reduce}) list(out);
    return out;
  }();
  return table;
}

const OpDef* find_op(const std::string& name) {
  for (auto* op : all_ops())
    if (name == op->name) return op;
  return nullptr;
}

}  // namespace tapir
