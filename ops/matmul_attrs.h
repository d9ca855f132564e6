// Attributes of matmul, for its row, its kernel and the passes.
#pragma once
#include <tapir/ops/precision.h>

namespace tapir {

struct MatmulAttrs {
  bool transpose_a = false, transpose_b = false;
  Precision precision = Precision::highest;  // of f32 products
  template <class V>
  void visit(V&& v) {
    v("transpose_a", transpose_a), v("transpose_b", transpose_b);
    v.rare("precision", precision, Precision::highest);
  }
};

}  // namespace tapir
