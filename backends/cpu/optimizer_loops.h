// The loops of optimizer updates, one for each instruction set.
#pragma once
#include <tapir/tensor/dtype.h>

#include <span>

namespace tapir::cpu {

/// A parameter: `in` is its value, state..., gradient; out[0] its new value, out[1..] its new state. out[k] may be
/// in[k].
struct Updated {
  std::int64_t begin, size;  // the place of its elements among those of all
  const void* in[5];
  void* out[4];
};
/// Elements [begin, end) of all parameters.
using UpdateLoop = void (*)(const void* rule, double rate, std::int64_t step, std::span<const Updated> parameters,
                            std::int64_t begin, std::int64_t end);
struct UpdateLoops {
  UpdateLoop f32, f64;
};

namespace v2 {
template <class F>
struct Updates {
  static const UpdateLoops loops;
};
}  // namespace v2
namespace v3 {
template <class F>
struct Updates {
  static const UpdateLoops loops;
};
}  // namespace v3
namespace v4 {
template <class F>
struct Updates {
  static const UpdateLoops loops;
};
}  // namespace v4

}  // namespace tapir::cpu
