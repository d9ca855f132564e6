// A traced call on a GPU as a CUDA graph: the third call is noted (kernels, copies, addresses), and later ones replay
// the notes at once, without the host's work for each node.
//
// Inputs that stayed at their addresses (weights) are read where they are, the others are copied to a fixed place;
// results are copied out; variables that are written over stay where they are. A call that the notes do not fit runs
// node by node. Nothing of this on the CPU.
#pragma once
#include <tapir/graph/executable.h>

#include <memory>
#include <mutex>
#include <optional>

namespace tapir::graph {

class Replay {
 public:
  /// Is `e` on a GPU, and does no node of it need the host? TAPIR_CUDA_GRAPHS=0 says no.
  static bool possible(const Executable& e);
  /// Nodes that run on the host before the notes: keys of random numbers.
  static bool before(const Node& n);

  explicit Replay(Executable& e);
  ~Replay();
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  /// As Executable::run; nullopt if this call is to run node by node.
  std::optional<std::vector<Tensor>> run(std::vector<Tensor>& inputs);

 private:
  struct Notes;
  using Addresses = std::vector<const std::byte*>;
  using Overwrites = std::vector<std::unique_ptr<detail::Overwrite>>;
  bool moved(const Addresses& before);
  bool take(const std::vector<Tensor>& inputs, Overwrites& held) const;
  std::unique_ptr<Notes> note(std::vector<Tensor>& inputs, const Addresses& then, Overwrites& held);
  std::vector<Tensor> results(const Notes& n) const;

  Executable& e_;
  std::mutex mutex_;
  std::vector<char> moves_;  // inputs that are somewhere else in each call
  Addresses last_;           // of the inputs of the last call
  std::unique_ptr<Notes> notes_;
  int calls_ = 0, attempts_ = 0;
};

}  // namespace tapir::graph
