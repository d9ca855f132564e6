// VGG-16. Source: Simonyan and Zisserman, Very Deep Convolutional Networks, ICLR 2015 (configuration D).
#pragma once
#include <tapir/nn/conv_layers.h>
#include <tapir/nn/core_layers.h>
#include <tapir/nn/model.h>
#include <tapir/nn/pooling_layers.h>

namespace networks {

/// x [N, H, W, 3] -> logits [N, classes]. The paper's images are 224x224; the first dense layer's weights follow the
/// size.
inline tapir::nn::Sequential vgg16(std::int64_t classes = 1000) {
  using namespace tapir::nn;
  struct Stage {
    int depth, filters;
  };
  Sequential net;
  for (auto [depth, filters] : {Stage{2, 64}, {2, 128}, {3, 256}, {3, 512}, {3, 512}}) {
    for (int i = 0; i < depth; ++i)
      net.add(Conv2D(filters, 3, {.padding = "same", .activation = "relu", .kernel_initializer = "he_normal"}));
    net.add(MaxPooling2D(2));
  }
  net.add(Flatten());
  for (int i = 0; i < 2; ++i) {
    net.add(Dense(4096, {.activation = "relu"}));
    net.add(Dropout(0.5));
  }
  net.add(Dense(classes));
  return net;
}

}  // namespace networks
