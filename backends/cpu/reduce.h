// A reduction as loops over strided memory, and the inner loops that each instruction set provides for it.
// The input's dimensions are sorted by stride and neighbours merged, so that the innermost is dense: either it is
// reduced (rows) or kept (columns). Results do not depend on the number of threads.
#pragma once
#include <tapir/tensor/dtype.h>
#include <tapir/tensor/shape.h>

namespace tapir::cpu {

struct Loops {
  int rank = 0;
  std::int64_t size[Shape::max_rank], in[Shape::max_rank], out[Shape::max_rank];  // strides in elements
  std::int64_t count() const {
    std::int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= size[i];
    return n;
  }
};

struct Reduction {
  const void* in;
  Loops kept, reduced;     // all but the innermost dimension
  std::int64_t inner;      // its length; its stride is 1
  std::int64_t inner_out;  // columns: stride of the result along it
  void* out;               // the result, at the strides of `kept`; used if `partial` is null
  void* partial;           // accumulators of a part of the reduced range, dense: [kept..., inner for columns]
};

enum class Fold { sum, prod, min, max, any, all };
inline constexpr int fold_count = 6;
inline constexpr std::int64_t column_block = 1024;

/// Does units [begin, end): for rows one unit is one result; for columns it is `column_block` neighbouring results.
using ReduceFn = void (*)(const Reduction& r, std::int64_t begin, std::int64_t end);
/// Joins the accumulators of `parts` parts, which lie one after the other at r.partial, into r.out.
using JoinFn = void (*)(const Reduction& r, std::int64_t parts, bool columns);

/// The index of the first smallest or largest along `n`; NaN counts as both. x: [units, n, inner] contiguous, unit by
/// unit. One result a unit and column: its index, and its value if `best` is not null.
using ArgFn = void (*)(const void* x, std::int64_t n, std::int64_t inner, std::int64_t begin, std::int64_t end,
                       std::int64_t* index, void* best);

struct ReduceFns {
  struct Entry {
    ReduceFn rows, columns;
    JoinFn join;
    int wide;  // bytes of an accumulator
  };
  Entry fold[fold_count][dtype_count];  // null: not defined
  ArgFn arg[2][dtype_count];            // min, max
};

namespace v2 {
extern const ReduceFns reduce_fns;
}
namespace v3 {
extern const ReduceFns reduce_fns;
}
namespace v4 {
extern const ReduceFns reduce_fns;
}

}  // namespace tapir::cpu
