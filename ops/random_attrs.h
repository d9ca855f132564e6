// Attributes of the random ops that their kernels read.
#pragma once
#include <tapir/ops/attrs.h>

namespace tapir {

struct DrawAttrs {
  Shape shape;
  DType dtype;
  double a, b;             // [low, high), or mean and deviation
  bool truncated = false;  // within two deviations
  template <class V>
  void visit(V&& v) {
    v("shape", shape), v("dtype", dtype), v("a", a), v("b", b), v("truncated", truncated);
  }
};

/// The largest number of the dtype below `high`.
double just_below(double high, DType d);

struct IntegerDrawAttrs {
  Shape shape;
  DType dtype;
  std::int64_t low, high;
  template <class V>
  void visit(V&& v) {
    v("shape", shape), v("dtype", dtype), v("low", low), v("high", high);
  }
};

struct CountAttrs {
  std::int64_t count;
  template <class V>
  void visit(V&& v) {
    v("count", count);
  }
};

struct DropoutAttrs {
  double rate;
  template <class V>
  void visit(V&& v) {
    v("rate", rate);
  }
};

}  // namespace tapir
