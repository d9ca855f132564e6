// Every op there is: the families, each listed by its own file.
#include <tapir/ops/op.h>

namespace tapir {
void list_elementwise(std::vector<const OpDef*>& out);
void list_ranges(std::vector<const OpDef*>& out);
void list_shaping(std::vector<const OpDef*>& out);
void list_joining(std::vector<const OpDef*>& out);
void list_padding(std::vector<const OpDef*>& out);
void list_rearrange(std::vector<const OpDef*>& out);
void list_index(std::vector<const OpDef*>& out);
void list_gather(std::vector<const OpDef*>& out);
void list_reduce(std::vector<const OpDef*>& out);
void list_scan(std::vector<const OpDef*>& out);
void list_softmax(std::vector<const OpDef*>& out);
void list_sort(std::vector<const OpDef*>& out);
void list_effects(std::vector<const OpDef*>& out);
void list_random(std::vector<const OpDef*>& out);
void list_dropout(std::vector<const OpDef*>& out);
void list_matmul(std::vector<const OpDef*>& out);
void list_linalg(std::vector<const OpDef*>& out);
void list_fft(std::vector<const OpDef*>& out);
void list_conv(std::vector<const OpDef*>& out);
void list_pool(std::vector<const OpDef*>& out);
void list_normalization(std::vector<const OpDef*>& out);
void list_cross_entropy(std::vector<const OpDef*>& out);
void list_resize(std::vector<const OpDef*>& out);
void list_optimizer_update(std::vector<const OpDef*>& out);
void list_control_flow(std::vector<const OpDef*>& out);
void list_traced_gradient(std::vector<const OpDef*>& out);
void list_transfer(std::vector<const OpDef*>& out);

std::span<const OpDef* const> all_ops() {
  static const std::vector<const OpDef*> table = [] {
    std::vector<const OpDef*> out;
    for (auto list : {
             list_elementwise,   list_ranges,
             list_shaping,       list_joining,
             list_padding,       list_rearrange,
             list_index,         list_gather,
             list_reduce,        list_scan,
             list_softmax,       list_sort,
             list_effects,       list_random,
             list_dropout,       list_matmul,
             list_linalg,        list_fft,
             list_conv,          list_pool,
             list_normalization, list_cross_entropy,
             list_resize,        list_optimizer_update,
             list_control_flow,  list_traced_gradient,
             list_transfer,
         })
      list(out);
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
