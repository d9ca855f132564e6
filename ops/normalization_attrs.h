// What the rows of normalisation tell their kernels.
#pragma once
#include <tapir/ops/attrs.h>

namespace tapir {

struct NormAttrs {
  double epsilon = 1e-3;
  template <class V>
  void visit(V&& v) {
    v("epsilon", epsilon);
  }
};

/// Layer norms: each row is normalised in `groups` equal parts.
struct LayerNormAttrs {
  double epsilon = 1e-3;
  std::int64_t groups = 1;
  template <class V>
  void visit(V&& v) {
    v("epsilon", epsilon);
    v("groups", groups);
  }
};

/// Statistics of x [N, ..., C] for each example and each of `groups` parts of the channels: [N, groups]. 0: of each
/// channel over all else: [C].
struct MomentsAttrs {
  std::int64_t groups = 0;
  template <class V>
  void visit(V&& v) {
    v("groups", groups);
  }
};

/// x seen as its statistics need it: [examples, positions, groups, channels of a group]. `of` is their shape, [C] or
/// [N, G].
struct NormGroups {
  std::int64_t examples, positions = 1, groups, each;
  NormGroups(const Shape& x, const Shape& of) : examples(of.rank() == 2 ? of[0] : 1), groups(of.back()) {
    for (int i = of.rank() == 2; i + 1 < x.rank(); ++i) positions *= x[i];
    each = groups ? x.back() / groups : 1;
  }
  std::int64_t channels() const { return groups * each; }
};

}  // namespace tapir
