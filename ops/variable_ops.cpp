// What Variable needs of the ops.
#include <tapir/ops/elementwise.h>

namespace tapir {

void Variable::assign_add(const Tensor& delta, Where w) {
  CallSite site(w);
  assign(value() + delta, w);
}

void Variable::assign_sub(const Tensor& delta, Where w) {
  CallSite site(w);
  assign(value() - delta, w);
}

}  // namespace tapir
