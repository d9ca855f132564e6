#include <tapir/graph/passes.h>
#include <tapir/tensor/device_scope.h>

#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>

namespace tapir::graph {
namespace {

const Pass kPasses[] = {
    {"prune", "drops what nobody reads", prune},
    {"loop_unrolling", "loops of few rounds become what they compute", loop_unrolling},
    {"unread_operands", "gradients do not read an operand whose value does not matter", unread_operands},
    {"constant_folding", "computes now what depends on constants alone", constant_folding},
    {"transposes", "reordered dimensions that cancel, or that a product takes as flags", transposes},
    {"simplify", "arithmetic, casts and reshapes that change nothing", simplify},
    {"common_subexpressions", "computes the same thing once", common_subexpressions},
    {"known_activations", "gelu and silu written out op by op are one op", known_activations},
    {"pool_early", "bias and activation of pooled values instead of all values", pool_early},
    {"fuse_conv_pool", "a first convolution and its max-pooling are one op, forward and backward", fuse_conv_pool,
     true},
    {"fold_batch_norm", "batch normalisation with given statistics goes into the weights of the convolution before it",
     fold_batch_norm, true},
    {"batch_norm_elementwise", "batch normalisation with given statistics as elementwise ops, which fuse",
     batch_norm_elementwise},
    {"fuse_elementwise", "elementwise ops and their sums run as one tile program", fuse_elementwise},
    {"fuse_epilogue", "a convolution or product works on its result piece by piece while it is in cache", fuse_epilogue,
     true},
};

struct Off {
  std::mutex mutex;
  std::set<std::string> names;
  Off() {
    std::string list = std::getenv("TAPIR_PASSES_OFF") ? std::getenv("TAPIR_PASSES_OFF") : "";
    for (std::size_t at = 0; at < list.size();) {
      std::size_t end = std::min(list.find(',', at), list.size());
      names.insert(list.substr(at, end - at));
      at = end + 1;
    }
  }
};
Off& off() {
  static Off o;
  return o;
}

bool verifying() {
#ifdef NDEBUG
  static const bool on = std::getenv("TAPIR_VERIFY") != nullptr;
  return on;
#else
  return true;
#endif
}

void dump(const Graph& g, int trace, int step, const char* name) {
  static const char* folder = std::getenv("TAPIR_DUMP");
  if (!folder) return;
  std::error_code ignored;
  std::filesystem::create_directories(folder, ignored);
  const std::string stem = fmt::format("{}/graph{:03}_{:02}_{}", folder, trace, step, name);
  std::ofstream(stem + ".txt") << to_text(g);
  std::ofstream(stem + ".dot") << to_dot(g);
}

}  // namespace

std::span<const Pass> all_passes() { return kPasses; }

void enable_pass(const std::string& name, bool on) {
  for (auto& p : kPasses) {
    if (name != p.name) continue;
    std::lock_guard lock(off().mutex);
    if (on) off().names.erase(name);
    else off().names.insert(name);
    return;
  }
  std::string known;
  for (auto& p : kPasses) known += (known.empty() ? "" : ", ") + std::string(p.name);
  throw UsageError(fmt::format("enable_pass: there is no pass '{}'. There are {}.", name, known));
}

Graph optimise(Graph g) {
  static std::atomic<int> traces{0};
  const int trace = traces++;
  int step = 0;
  if (verifying()) verify(g, "trace");
  dump(g, trace, step++, "trace");
  for (auto& p : kPasses) {
    if (p.for_cpu && default_device().backend != Backend::cpu) continue;
    {
      std::lock_guard lock(off().mutex);
      if (off().names.contains(p.name)) continue;
    }
    g = p.run(std::move(g));
    if (verifying()) verify(g, p.name);
    dump(g, trace, step++, p.name);
  }
  return g;
}

}  // namespace tapir::graph
