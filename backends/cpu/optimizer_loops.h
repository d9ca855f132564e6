// The loops of optimizer updates, one for each instruction set.
#pragma once
#include <tapir/tensor/dtype.h>

namespace tapir::cpu {

/// out[0] = new parameter, out[1..] = new state, elements [begin, end); `in` is parameter, state..., gradient. out[k]
/// may be in[k].
using UpdateLoop = void (*)(const void* rule, double rate, std::int64_t step, const void* const* in, void* const* out,
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
