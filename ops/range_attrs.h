// Attributes of the rows that count, for their kernels.
#pragma once
#include <tapir/ops/attrs.h>

namespace tapir {

struct ArangeAttrs {
  std::int64_t start = 0, step = 1, count = 0;
  DType dtype = DType::i64;
  template <class V>
  void visit(V&& v) {
    v("start", start), v("step", step), v("count", count), v("dtype", dtype);
  }
};

struct SpacedAttrs {
  double start = 0, stop = 1, step = 0;  // a step of 0: the one that leads to stop
  std::int64_t count = 0;
  bool endpoint = true;
  DType dtype = DType::f32;
  template <class V>
  void visit(V&& v) {
    v("start", start), v("stop", stop), v("step", step), v("count", count), v("endpoint", endpoint), v("dtype", dtype);
  }
};

}  // namespace tapir
