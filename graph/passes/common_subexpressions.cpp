// Nodes that compute the same from the same become one.
#include <tapir/graph/effects.h>
#include <tapir/graph/passes.h>

#include <cstring>
#include <map>

namespace tapir::graph {
namespace {

// Two C++ numbers, or small constants, of equal value are one.
std::string key_of_constant(const Tensor& c) {
  if (!c.has_data() || c.device().backend != Backend::cpu || !c.is_contiguous() ||
      std::size_t(c.size()) * size_of(c.dtype()) > 64)
    return {};
  std::string key = std::to_string(int(c.dtype())) + (c.is_weak() ? "w" : "") + c.shape().str();
  key.append(reinterpret_cast<const char*>(c.data<std::byte>()), std::size_t(c.size()) * size_of(c.dtype()));
  return key;
}

}  // namespace

Graph common_subexpressions(Graph g) {
  std::vector<int> same(g.values.size());
  std::map<std::string, int> constants;
  for (std::size_t v = 0; v < same.size(); ++v) {
    same[v] = int(v);
    if (!g.values[v].constant.defined()) continue;
    std::string key = key_of_constant(g.values[v].constant);
    if (!key.empty()) same[v] = constants.emplace(key, int(v)).first->second;
  }
  std::map<std::string, std::size_t> seen;
  std::vector<Node> kept;
  for (auto& n : g.nodes) {
    for (int& v : n.in) v = same[std::size_t(v)];
    if (!n.keep && !has_effect(g, n)) {
      std::string key = std::string(n.op->name) + "|" + n.attrs.get().str();
      for (int v : n.in) key += "," + std::to_string(v);
      auto [it, fresh] = seen.emplace(key, kept.size());
      if (!fresh) {
        const Node& first = kept[it->second];
        for (std::size_t k = 0; k < n.out.size(); ++k) same[std::size_t(n.out[k])] = first.out[k];
        continue;
      }
    }
    kept.push_back(std::move(n));
  }
  g.nodes = std::move(kept);
  for (int& v : g.outputs) v = same[std::size_t(v)];
  return g;
}

}  // namespace tapir::graph
