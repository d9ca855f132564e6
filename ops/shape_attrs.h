// Attributes of the joining, padding and rearranging ops that their kernels read.
#pragma once
#include <tapir/ops/attrs.h>
#include <tapir/ops/padding.h>

namespace tapir {

struct ShapeAttrs {
  Shape shape;
  template <class V>
  void visit(V&& v) {
    v("shape", shape);
  }
};
struct AxesAttrs {
  Shape axes;
  template <class V>
  void visit(V&& v) {
    v("axes", axes);
  }
};
struct CastAttrs {
  DType dtype;
  template <class V>
  void visit(V&& v) {
    v("dtype", dtype);
  }
};

struct JoinAttrs {
  std::int64_t axis;
  bool new_axis;  // stack
  template <class V>
  void visit(V&& v) {
    v("axis", axis), v("new_axis", new_axis);
  }
};

struct SplitAttrs {
  std::int64_t axis, count;  // `count` equal parts, or `sizes` if it is 0
  Shape sizes;
  bool drop_axis = false;  // unstack
  template <class V>
  void visit(V&& v) {
    v("axis", axis), v("count", count), v("sizes", sizes), v("drop_axis", drop_axis);
  }
};

struct PadAttrs {
  Shape before, after;
  PadMode mode;
  double value;
  template <class V>
  void visit(V&& v) {
    v("before", before), v("after", after), v("mode", mode), v("value", value);
  }
};

struct RollAttrs {
  Shape shifts;  // one a dimension, in [0, size)
  template <class V>
  void visit(V&& v) {
    v("shifts", shifts);
  }
};

struct DiagonalAttrs {
  std::int64_t offset;
  template <class V>
  void visit(V&& v) {
    v("offset", offset);
  }
};

struct TriangleAttrs {
  std::int64_t offset;
  bool upper;
  template <class V>
  void visit(V&& v) {
    v("offset", offset), v("upper", upper);
  }
};

}  // namespace tapir
