// What executable.cpp and replay.cpp share of an Executable; for nobody else.
#pragma once
#include <tapir/graph/executable.h>
#include <tapir/ops/op.h>
#include <tapir/tensor/storage.h>

#include <memory>

namespace tapir::graph {

struct Executable::Step {
  const Node* node;
  Attrs attrs;
  std::uint32_t first_in, first_out;            // in the frame's `ins` and `outs`
  bool made;                                    // by a view or by control flow; else by a kernel
  bool fresh;                                   // some outputs are allocated in each call
  bool empty;                                   // nothing to compute
  std::uint32_t first_target = 0, targets = 0;  // in `targets_`
};

// What one call needs. Tensor headers are made once; a call sets the pointers.
struct Executable::Frame {
  detail::Storage arena;  // stands for the arena's memory in headers; never released by them
  std::vector<Tensor> values;
  std::vector<Inputs::Ref> ins;  // the inputs of the steps, one after the other
  std::vector<Tensor> outs;      // the outputs alike, the same headers as in `values`
  std::vector<std::pair<detail::TensorImpl*, std::size_t>> in_arena;  // and where
  std::byte* base = nullptr;

  void move_to(std::byte* memory) {
    if (base == memory) return;
    for (auto& [impl, at] : in_arena) impl->data = memory + at;
    base = memory;
  }
};

/// The memory of variables that is being written over, held until this goes.
using Overwrites = std::vector<std::unique_ptr<detail::Overwrite>>;

}  // namespace tapir::graph
