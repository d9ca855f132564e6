// A graph as TensorFlow's GraphDef, for TensorBoard's Graphs tab. Internal to look/.
#pragma once
#include <tapir/graph/concrete.h>

#include <string>

namespace tapir::look {

/// The bytes of a GraphDef: a node for each argument, variable, constant, operation, result and assignment. Names begin
/// with the program's line where there are several lines, so that TensorBoard folds what a line does into one box.
std::string graph_def(const graph::Concrete& concrete, bool optimised);

}  // namespace tapir::look
