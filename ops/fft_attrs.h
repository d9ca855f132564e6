// The attribute of the row of Fourier transforms.
#pragma once

namespace tapir {

struct FftAttrs {
  bool inverse;  // the sign of the exponent; neither direction divides
  template <class V>
  void visit(V&& v) {
    v("inverse", inverse);
  }
};

}  // namespace tapir
