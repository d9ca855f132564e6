// The attributes of pooling rows, shared with their kernels. Everything is three-dimensional; missing dimensions are 1.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {

struct PoolAttrs {
  Shape input, size, strides, before, output;  // one per spatial dimension
  bool winners = false;                        // max_pool: a second output says where in the window the maximum was
  template <class V>
  void visit(V&& v) {
    v("input", input), v("size", size), v("strides", strides), v("before", before), v("output", output);
    v("winners", winners);
  }
};

}  // namespace tapir
