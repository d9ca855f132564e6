// MobileNetV2. Source: Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018.
#pragma once
#include <tapir/examples/networks/conv_norm.h>
#include <tapir/nn/core_layers.h>
#include <tapir/nn/model.h>
#include <tapir/nn/pooling_layers.h>
#include <tapir/ops/elementwise.h>

namespace networks {

/// Widens the channels, looks at each with a 3x3 window, narrows them again; adds x where the shape is still its own.
class InvertedResidual : public tapir::nn::Layer {
 public:
  InvertedResidual(std::int64_t in, std::int64_t out, std::int64_t strides, std::int64_t expansion)
      : expands_(expansion > 1),
        widen_(in * expansion, 1, {.activation = "relu6"}),
        look_(in * expansion, 3, {.strides = strides, .groups = in * expansion, .activation = "relu6"}),
        narrow_(out, 1) {}

 protected:
  tapir::Tensor call(const tapir::Tensor& x, bool) override {
    const tapir::Tensor y = narrow_(look_(expands_ ? widen_(x) : x));
    return y.shape() == x.shape() ? x + y : y;
  }

 private:
  bool expands_;
  ConvNorm widen_, look_, narrow_;
};

/// x [N, H, W, 3] -> logits [N, classes].
inline tapir::nn::Sequential mobilenet_v2(std::int64_t classes = 1000) {
  using namespace tapir::nn;
  struct Stage {
    int expansion, filters, depth, strides;
  };  // table 2 of the paper
  Sequential net{ConvNorm(32, 3, {.strides = 2, .activation = "relu6"})};
  int in = 32;
  for (auto [expansion, filters, depth, strides] :
       {Stage{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}})
    for (int i = 0; i < depth; ++i, in = filters) net.add(InvertedResidual(in, filters, i ? 1 : strides, expansion));
  net.add(ConvNorm(1280, 1, {.activation = "relu6"}));
  net.add(GlobalAveragePooling2D());
  net.add(Dropout(0.2));
  net.add(Dense(classes));
  return net;
}

}  // namespace networks
