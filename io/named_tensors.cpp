#include <tapir/io/named_tensors.h>

#include <fmt/format.h>

namespace tapir::io {

static const Tensor* lookup(const NamedTensors& tensors, const std::string& name) {
  for (auto& [key, tensor] : tensors)
    if (key == name) return &tensor;
  return nullptr;
}

Tensor find(const NamedTensors& tensors, const std::string& name, Where where) {
  CallSite site(where);
  if (const Tensor* found = lookup(tensors, name)) return *found;
  if (tensors.empty()) throw UsageError(fmt::format("find: no tensor is named \"{}\"; there are none.", name));
  constexpr std::size_t shown = 8;
  std::string names;
  for (std::size_t i = 0; i < tensors.size() && i < shown; ++i) names += (i ? ", " : "") + tensors[i].first;
  if (tensors.size() > shown) names += fmt::format(", ... ({} in all)", tensors.size());
  throw UsageError(fmt::format("find: no tensor is named \"{}\"; there are {}.", name, names));
}

bool contains(const NamedTensors& tensors, const std::string& name) { return lookup(tensors, name) != nullptr; }

}  // namespace tapir::io
