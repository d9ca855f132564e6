// What the rows of reductions, scans and sorts tell their kernels.
#pragma once
#include <tapir/ops/attrs.h>

namespace tapir {

/// `axes` are in range and distinct; empty reduces nothing.
struct ReduceAttrs {
  Shape axes;
  bool keepdims = false;
  template <class V>
  void visit(V&& v) {
    v("axes", axes), v("keepdims", keepdims);
  }
};

/// One axis, in range.
struct AxisAttrs {
  int axis = 0;
  template <class V>
  void visit(V&& v) {
    v("axis", axis);
  }
};

/// A scan along `axis`, from its end if `reverse`; element i does not take part in result i if `exclusive`.
struct ScanAttrs {
  int axis = 0;
  bool exclusive = false, reverse = false;
  template <class V>
  void visit(V&& v) {
    v("axis", axis), v("exclusive", exclusive), v("reverse", reverse);
  }
};

/// By how much to move along `axis`, and the size of the result there.
struct ShiftAttrs {
  int axis = 0;
  std::int64_t offset = 0, size = 0;
  template <class V>
  void visit(V&& v) {
    v("axis", axis), v("offset", offset), v("size", size);
  }
};

/// The first `k` of the elements along `axis` in order.
struct SortAttrs {
  int axis = 0;
  bool descending = false;
  std::int64_t k = 0;
  template <class V>
  void visit(V&& v) {
    v("axis", axis), v("descending", descending), v("k", k);
  }
};

/// A contiguous tensor seen around one axis: [outer, n, inner].
struct AroundAxis {
  std::int64_t outer = 1, n = 1, inner = 1;
  AroundAxis(const Shape& s, int axis) {
    for (int i = 0; i < s.rank(); ++i) (i < axis ? outer : i == axis ? n : inner) *= s[i];
  }
};

/// The order of axes that brings some of them to the end, the way back, and the shapes on the way:
/// s -> permute by `order` -> `apart` [kept..., gone...] -> `flat` [kept..., product of gone].
struct AxesLast {
  Axes order, back;
  Shape apart, flat;
  AxesLast(const Shape& s, const Shape& axes) {
    bool gone[Shape::max_rank] = {};
    for (auto a : axes) gone[a] = true;
    for (bool last : {false, true})
      for (int i = 0; i < s.rank(); ++i)
        if (gone[i] == last) order.push_back(i), apart.push_back(s[i]), back.push_back(0);
    for (int i = 0; i < s.rank(); ++i) back[int(order[i])] = i;
    flat = apart.first(s.rank() - axes.rank());
    flat.push_back(apart.last(axes.rank()).size());
  }
};

}  // namespace tapir
