// A graph as a tensor: control flow takes the graphs of its bodies as inputs, so that tapes and graphs keep them alive.
#pragma once
#include <tapir/graph/concrete.h>

namespace tapir::graph {

Tensor handle_of(std::shared_ptr<Concrete> c);
/// Null if `t` is no handle.
std::shared_ptr<Concrete> concrete_of(const Tensor& t);
/// The handle of the same body as repeatable() makes it.
Tensor repeatable(const Tensor& handle);

}  // namespace tapir::graph
