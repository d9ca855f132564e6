// Cross entropies of a range of rows, for each instruction set.
#pragma once
#include <tapir/backends/cpu/isa.h>

#include <cstdint>

namespace tapir::cpu {

/// Rows [from, to) of `classes` logits each. Labels: a number per row (already checked), or a row of T.
template <class T>
struct CrossEntropyFnsOf {
  void (*sparse)(const std::int64_t* labels, const T* x, T* loss, std::int64_t classes, std::int64_t from,
                 std::int64_t to);
  void (*sparse_grad)(const T* dy, const std::int64_t* labels, const T* x, T* dx, std::int64_t classes,
                      std::int64_t from, std::int64_t to);
  void (*dense)(const T* labels, const T* x, T* loss, std::int64_t classes, std::int64_t from, std::int64_t to);
  void (*dense_grad)(const T* dy, const T* labels, const T* x, T* dx, std::int64_t classes, std::int64_t from,
                     std::int64_t to);
  void (*sigmoid)(const T* labels, const T* x, T* loss, std::int64_t from, std::int64_t to);  // elements
};
struct CrossEntropyFns {
  CrossEntropyFnsOf<float> f32;
  CrossEntropyFnsOf<double> f64;
};
namespace v2 {
extern const CrossEntropyFns cross_entropy_fns;
}
namespace v3 {
extern const CrossEntropyFns cross_entropy_fns;
}
namespace v4 {
extern const CrossEntropyFns cross_entropy_fns;
}

}  // namespace tapir::cpu
