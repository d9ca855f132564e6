// What the convolution rows carry, and what ops/conv.cpp asks of the backend that runs them.
#pragma once
#include <tapir/ops/conv.h>

namespace tapir {

struct ConvAttrs {
  Shape strides, dilations, before, after;  // per spatial dimension
  Shape sizes;                              // spatial sizes of the result; the gradient rows need them
  std::int64_t groups = 1;
  ConvAlgorithm algorithm = ConvAlgorithm::automatic;
  Precision precision = Precision::highest;  // another for f32 alone
  template <class V>
  void visit(V&& v) {
    v("strides", strides), v("dilations", dilations), v("before", before), v("after", after), v("sizes", sizes);
    v("groups", groups), v("algorithm", algorithm), v.rare("precision", precision, Precision::highest);
  }
};

/// Of a convolution of x [N, ..., C] done directly, whatever the algorithm; of its gradients too.
double conv_flops(const Shape& x, const Shape& kernel, const ConvAttrs& a);

namespace cpu {
/// For the shapes of x [N, ..., C], kernel and y of a convolution.
ConvPlan conv_plan(const Shape& x, const Shape& kernel, const Shape& y, const ConvAttrs& a, DType dtype,
                   ConvDirection direction);
/// Why `a.algorithm` cannot compute it; empty if it can.
std::string conv_refusal(const Shape& x, const Shape& kernel, const Shape& y, const ConvAttrs& a, DType dtype,
                         ConvDirection direction);
/// See autotune_convolutions().
void conv_autotune(const std::string& file);
}  // namespace cpu

}  // namespace tapir
