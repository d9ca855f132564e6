// Attributes of the rows of linear algebra that their kernels read.
#pragma once

namespace tapir {

struct TriangularAttrs {
  bool upper, transpose, unit_diagonal;
  template <class V>
  void visit(V&& v) {
    v("upper", upper), v("transpose", transpose), v("unit_diagonal", unit_diagonal);
  }
};
struct SolveAttrs {
  bool transpose;
  template <class V>
  void visit(V&& v) {
    v("transpose", transpose);
  }
};

}  // namespace tapir
