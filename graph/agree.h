// Do two traces of one body agree, one that was made for any size and one for these sizes? If not, the body's C++
// decided by a size.
#pragma once
#include <tapir/graph/concrete.h>

namespace tapir::graph {

/// Empty if `open` with `sizes` in place of its unknown ones is, node for node, `other`, a trace of the same body for
/// these sizes; else what differs, for people.
std::string disagreement(const Concrete& open, std::span<const std::int64_t> sizes, const Concrete& other);

}  // namespace tapir::graph
