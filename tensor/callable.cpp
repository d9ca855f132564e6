#include <tapir/tensor/callable.h>

namespace tapir::detail {

Shared::Shared(const Shared& other) : object_(other.object_) {
  if (object_) object_->owners.fetch_add(1, std::memory_order_relaxed);
}

void Shared::release(Counted* object) {
  if (object->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) delete object;
}

}  // namespace tapir::detail
