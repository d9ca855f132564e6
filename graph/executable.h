// Executable: a graph made ready to run. One arena holds all values that die inside; kernels are called one after the
// other with ready-made arguments. Any number of threads may run one at once.
#pragma once
#include <tapir/graph/graph.h>
#include <tapir/tensor/variable.h>

#include <atomic>
#include <mutex>

namespace tapir::graph {

/// An input that is the value of a variable, and the output that is to be its next value.
struct Assignment {
  std::size_t input, output;
  Variable variable;
};

class Executable {
 public:
  /// The graph as it is to run: passes have been over it. `name`: for profiles. `keeps`: what lasts from call to call
  /// (settled.h) is kept.
  explicit Executable(Graph g, std::vector<Assignment> assignments = {}, std::string name = "graph", bool keeps = true);
  ~Executable();
  Executable(const Executable&) = delete;
  Executable& operator=(const Executable&) = delete;

  /// Inputs as in `Graph::inputs`, of the dtypes and shapes that were traced; results as in `Graph::outputs`. Where
  /// nobody else holds the value of a variable that is to be assigned, and its last reader may write over it, that is
  /// done: the variable has its next value then, and the result is undefined.
  std::vector<Tensor> run(std::vector<Tensor> inputs);

  const Graph& graph() const { return graph_; }
  std::size_t arena_bytes() const { return arena_bytes_; }
  /// What the same values need at most at once when each is freed after its last use, with no sharing of buffers by
  /// passes.
  std::size_t unplanned_bytes() const { return unplanned_bytes_; }
  /// Calls so far, and seconds that one took on average: one in 16 is timed.
  std::int64_t calls() const { return calls_.load(std::memory_order_relaxed); }
  double seconds_per_call() const;

 private:
  friend class Replay;
  struct Step;
  struct Frame;
  void plan(bool keeps);
  std::vector<char> settle(bool keeps);
  bool only_as_it_is(const Node& n, int value) const;
  void plan_overwrites(const std::vector<int>& last);
  std::vector<Tensor> run_once(std::vector<Tensor> inputs);
  /// The outputs that variables have already. `kept`: the call is noted for a replay (replay.h), and what is being
  /// written over is held there.
  std::vector<int> run_steps(Frame& f, std::vector<std::unique_ptr<detail::Overwrite>>* kept);
  std::vector<Tensor> results_of(const Frame& f, const std::vector<int>& done) const;
  void forget(Frame& f) const;
  std::unique_ptr<Frame> make_frame() const;
  Tensor constant_there(const Tensor& c) const;
  void check_device(const Tensor& input) const;

  // Where a step may write over the value of a variable.
  struct Target {
    int input, output;  // values
    Variable variable;
    std::vector<int> views;  // of the input; nobody reads them any more
  };

  Graph graph_;
  const Device device_;  // of every value
  std::vector<Assignment> assignments_;
  std::string name_;
  std::vector<Step> steps_;
  std::vector<Target> targets_;  // by step
  // Where a value lives.
  enum class Place : std::uint8_t {
    input,
    constant,
    arena,
    fresh,
    made,  // by a view or by control flow
    kept,  // by settled_
  };
  std::vector<Place> place_;
  std::vector<int> root_;            // the value whose memory it is
  std::vector<std::size_t> offset_;  // in the arena
  std::vector<int> transient_;       // values that frames must forget after a run
  std::size_t arena_bytes_ = 0, unplanned_bytes_ = 0;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Frame>> idle_;
  std::unique_ptr<class Settled> settled_;  // null: everything depends on what calls are given
  std::unique_ptr<class Replay> replay_;    // null: calls run node by node
  std::atomic<std::int64_t> calls_{0}, timed_{0}, nanoseconds_{0};
};

}  // namespace tapir::graph
