// What the kernels of slices, gathers and scatters are told. Inside use.
#pragma once
#include <tapir/ops/attrs.h>
#include <tapir/ops/reduce_attrs.h>  // AxisAttrs

namespace tapir {

struct SliceAttrs {
  Shape begin, size, step;
  template <class V>
  void visit(V&& v) {
    v("begin", begin), v("size", size), v("step", step);
  }
};
struct SliceGradientAttrs {
  Shape begin, size, step, shape;
  template <class V>
  void visit(V&& v) {
    v("begin", begin), v("size", size), v("step", step), v("shape", shape);
  }
};
struct AxisShapeAttrs {
  int axis = 0;
  Shape shape;
  template <class V>
  void visit(V&& v) {
    v("axis", axis), v("shape", shape);
  }
};
enum class Scatter : std::uint8_t { add, update, min, max };
struct ScatterAttrs {
  Scatter mode = Scatter::add;
  template <class V>
  void visit(V&& v) {
    v("mode", mode);
  }
};
struct DimsAttrs {
  Shape dims;
  template <class V>
  void visit(V&& v) {
    v("dims", dims);
  }
};

}  // namespace tapir
