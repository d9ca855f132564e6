// Attributes of matmul, for its row, its kernel and the passes.
#pragma once

namespace tapir {

struct MatmulAttrs {
  bool transpose_a = false, transpose_b = false;
  template <class V>
  void visit(V&& v) {
    v("transpose_a", transpose_a), v("transpose_b", transpose_b);
  }
};

}  // namespace tapir
