// Pooling of one range of output rows or images, for each instruction set.
#pragma once
#include <tapir/backends/cpu/isa.h>

#include <cstdint>

namespace tapir::cpu {

struct PoolGeometry {
  std::int64_t channels;
  std::int64_t input[3], size[3], stride[3], before[3], output[3];
  /// Each element of the image lies in exactly one window.
  bool covered() const {
    for (int d = 0; d < 3; ++d)
      if (before[d] != 0 || stride[d] != size[d] || output[d] * size[d] < input[d]) return false;
    return true;
  }
};

// Rows are counted over N * OD * OH. Gradients take any rows if the image is `covered`, else whole images. `winners` is
// u8 or i32 by `wide`, null for none.
template <class T>
struct PoolFnsOf {
  void (*max)(const PoolGeometry&, const T* x, T* y, void* winners, bool wide, std::int64_t from, std::int64_t to);
  void (*pick)(const PoolGeometry&, const T* x, T* y, const void* winners, bool wide, std::int64_t from,
               std::int64_t to);
  void (*avg)(const PoolGeometry&, const T* x, T* y, std::int64_t from, std::int64_t to);
  void (*max_grad)(const PoolGeometry&, const T* dy, T* dx, const void* winners, bool wide, std::int64_t from,
                   std::int64_t to);
  void (*avg_grad)(const PoolGeometry&, const T* dy, T* dx, std::int64_t from, std::int64_t to);
};
struct PoolFns {
  PoolFnsOf<float> f32;
  PoolFnsOf<double> f64;
};
namespace v2 {
extern const PoolFns pool_fns;
}
namespace v3 {
extern const PoolFns pool_fns;
}
namespace v4 {
extern const PoolFns pool_fns;
}

}  // namespace tapir::cpu
