// Epilogue: elementwise work on a result, done piece by piece while each piece is still in the cache of whoever made
// it.
#pragma once
#include <tapir/ops/tile_program.h>

#include <memory>

namespace tapir::cpu {

class Epilogue {
 public:
  /// `in` and `out` as for run_tiles(); input 0 is the result that is worked on.
  Epilogue(const TileProgram& p, Inputs in, std::span<const Tensor> out);
  ~Epilogue();
  /// Elements [begin, begin + count) of input 0 are ready. From any thread.
  void operator()(std::int64_t begin, std::int64_t count) const;
  /// All of them, on all threads.
  void over_all() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tapir::cpu
