// Residual networks. Source: He et al., Deep Residual Learning for Image Recognition, CVPR 2016; as in torchvision,
// where a bottleneck's stride is in its 3x3 convolution.
#pragma once
#include <tapir/examples/networks/conv_norm.h>
#include <tapir/nn/core_layers.h>
#include <tapir/nn/model.h>
#include <tapir/nn/pooling_layers.h>
#include <tapir/ops/elementwise.h>

namespace networks {

/// relu(path(x) + x). Where the path changes the shape, x goes through a 1x1 convolution.
class Residual : public tapir::nn::Layer {
 public:
  Residual(const tapir::nn::Sequential& path, std::int64_t filters, std::int64_t strides)
      : path_(path), shortcut_(filters, 1, {.strides = strides}) {}

 protected:
  tapir::Tensor call(const tapir::Tensor& x, bool) override {
    const tapir::Tensor y = path_(x);
    return tapir::relu(y + (y.shape() == x.shape() ? x : shortcut_(x)));
  }

 private:
  tapir::nn::Sequential path_;
  ConvNorm shortcut_;
};

inline Residual basic_block(std::int64_t filters, std::int64_t strides) {
  return {{ConvNorm(filters, 3, {.strides = strides, .activation = "relu"}), ConvNorm(filters, 3)}, filters, strides};
}

inline Residual bottleneck(std::int64_t filters, std::int64_t strides) {
  return {{ConvNorm(filters, 1, {.activation = "relu"}),
           ConvNorm(filters, 3, {.strides = strides, .activation = "relu"}), ConvNorm(4 * filters, 1)},
          4 * filters,
          strides};
}

/// Four stages of blocks, each of half the size and twice the filters. x [N, H, W, 3] -> logits [N, classes].
inline tapir::nn::Sequential resnet(Residual (*block)(std::int64_t filters, std::int64_t strides),
                                    const std::vector<int>& depths, std::int64_t classes) {
  using namespace tapir::nn;
  Sequential net{ConvNorm(64, 7, {.strides = 2, .activation = "relu"}),
                 MaxPooling2D(3, {.strides = 2, .padding = tapir::Padding{{1, 1}, {1, 1}}})};
  std::int64_t filters = 64;
  for (int depth : depths) {
    for (int i = 0; i < depth; ++i) net.add(block(filters, i == 0 && filters > 64 ? 2 : 1));
    filters *= 2;
  }
  net.add(GlobalAveragePooling2D());
  net.add(Dense(classes));
  return net;
}

inline tapir::nn::Sequential resnet18(std::int64_t classes = 1000) {
  return resnet(basic_block, {2, 2, 2, 2}, classes);
}
inline tapir::nn::Sequential resnet50(std::int64_t classes = 1000) { return resnet(bottleneck, {3, 4, 6, 3}, classes); }

}  // namespace networks
