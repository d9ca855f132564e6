// A network for CIFAR-10. Source: Jordan, 94% on CIFAR-10 in 3.29 Seconds on a Single GPU, 2024 (airbench94). The paper
// also whitens with the first layer and starts the others from the identity; here all weights are trained.
#pragma once
#include <tapir/nn/activation_layers.h>
#include <tapir/nn/conv_layers.h>
#include <tapir/nn/core_layers.h>
#include <tapir/nn/model.h>
#include <tapir/nn/normalization_layers.h>
#include <tapir/nn/pooling_layers.h>

namespace networks {

/// x [N, 32, 32, 3] -> logits [N, classes].
inline tapir::nn::Sequential airbench(std::int64_t classes = 10) {
  using namespace tapir::nn;
  Sequential net{Conv2D(24, 2, {.activation = "gelu"})};
  for (int filters : {64, 256, 256}) {
    for (bool pooled : {true, false}) {
      net.add(Conv2D(filters, 3, {.padding = "same", .use_bias = false}));
      if (pooled) net.add(MaxPooling2D(2));
      net.add(BatchNormalization({.momentum = 0.6, .epsilon = 1e-12}));
      net.add(Activation("gelu"));
    }
  }
  net.add(MaxPooling2D(3));
  net.add(Flatten());
  net.add(Dense(classes, {.use_bias = false}));
  net.add(Rescaling(1.0 / 9));
  return net;
}

}  // namespace networks
