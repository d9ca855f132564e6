#include <tapir/graph/handle.h>

#include <mutex>
#include <unordered_set>

namespace tapir::graph {
namespace {

using Owner = std::shared_ptr<Concrete>;

// Where handles point to, so that no other tensor is taken for one.
struct Live {
  std::mutex mutex;
  std::unordered_set<const void*> owners;
};
Live& live() {
  static Live* l = new Live;  // tensors may outlive every static
  return *l;
}

}  // namespace

Tensor handle_of(std::shared_ptr<Concrete> c) {
  auto* owner = new Owner(std::move(c));
  {
    std::lock_guard lock(live().mutex);
    live().owners.insert(owner);
  }
  auto release = [](void* p) {
    {
      std::lock_guard lock(live().mutex);
      live().owners.erase(p);
    }
    delete static_cast<Owner*>(p);
  };
  return Tensor::from_external(owner, {std::int64_t(sizeof(Owner))}, DType::u8, release, owner);
}

std::shared_ptr<Concrete> concrete_of(const Tensor& t) {
  if (t.dtype() != DType::u8 || t.size() != std::int64_t(sizeof(Owner)) || !t.has_data()) return nullptr;
  const void* p = t.data<std::byte>();
  std::lock_guard lock(live().mutex);
  return live().owners.contains(p) ? *static_cast<const Owner*>(p) : nullptr;
}

}  // namespace tapir::graph
