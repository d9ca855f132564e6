// Rows that function() puts in place of a 2d convolution followed by max-pooling, and of its kernel's gradient. Windows
// touch and have no padding. Not in the table, for nobody else calls them.
#pragma once
#include <tapir/ops/conv_attrs.h>
#include <tapir/ops/op.h>

namespace tapir {

struct ConvPoolAttrs {
  ConvAttrs conv;       // `sizes`: of the convolution's result; for the gradient, of the kernel
  Shape window;         // rows and columns
  bool winners = true;  // is the second output wanted?
  template <class V>
  void visit(V&& v) {
    conv.visit(v), v("window", window), v("winners", winners);
  }
};

/// [N, H, W, K]: what the convolution gives, or once it is pooled.
Shape conv_pool_shape(const Shape& x, const Shape& kernel, const ConvPoolAttrs& a, bool pooled);

/// (x, kernel) -> pooled [N, 1, PH, PW, K], and the place of each maximum in its window, u8.
extern const OpDef conv_max_pool_op;
/// (x, gradient of pooled, winners) -> gradient of the kernel.
extern const OpDef conv_max_pool_kernel_gradient_op;

namespace cpu {
/// Is the op in one, or of d == kernel_gradient its gradient, expected to be faster than a convolution and a pooling?
bool conv_pool_pays(const Shape& x, const Shape& kernel, const Shape& y, const ConvAttrs& a, DType dtype,
                    ConvDirection d);
void conv_max_pool(const Call& call);
void conv_max_pool_kernel_gradient(const Call& call);
}  // namespace cpu

}  // namespace tapir
