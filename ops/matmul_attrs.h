// Attributes of matmul, for its row, its kernel and the passes.
#pragma once
#include <tapir/ops/precision.h>
#include <tapir/tensor/shape.h>

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

/// Of the product of tensors of these shapes, whose first dimensions broadcast.
double matmul_flops(const Shape& a, const Shape& b, const MatmulAttrs& attrs);

}  // namespace tapir
