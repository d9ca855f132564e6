#include <tapir/nn/masks.h>

#include <fmt/format.h>

namespace tapir::nn {
namespace {
thread_local MaskScope* scope = nullptr;
}  // namespace

MaskScope::MaskScope() : outer_(std::exchange(scope, this)) {}
MaskScope::~MaskScope() { scope = outer_; }
bool MaskScope::active() { return scope != nullptr; }

Tensor MaskScope::of(const Tensor& x) {
  for (const MaskScope* s = scope; s; s = s->outer_)
    for (auto known = s->masks_.rbegin(); known != s->masks_.rend(); ++known)
      if (known->first == x.id()) return known->second;
  return {};
}

void MaskScope::set(const Tensor& x, const Tensor& mask, Where where) {
  if (!mask.defined()) return;
  CallSite site(where);
  if (!scope) throw UsageError("MaskScope::set: there is no MaskScope on this thread. Make one first.");
  if (mask.dtype() != DType::boolean)
    throw DTypeError(fmt::format("MaskScope::set: a mask is bool, got {}.", name_of(mask.dtype())));
  if (mask.rank() > x.rank() || x.shape().first(mask.rank()) != mask.shape())
    throw ShapeError(
        fmt::format("MaskScope::set: the mask {} does not fit the tensor {}.", mask.shape().str(), x.shape().str()));
  scope->masks_.emplace_back(x.id(), mask);
}

}  // namespace tapir::nn
