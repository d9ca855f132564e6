// What these networks are made of: a convolution, batch normalisation, an activation.
#pragma once
#include <tapir/nn/conv_layers.h>
#include <tapir/nn/normalization_layers.h>

namespace networks {

struct ConvNormOptions {
  std::int64_t strides = 1, groups = 1;
  tapir::nn::ActivationFunction activation = {};
};

/// activation(batch_norm(conv(x))) with a window of odd `size` centred on each pixel: x [N, H, W, C] ->
/// [N, H / strides, W / strides, filters], rounded up.
class ConvNorm : public tapir::nn::Layer {
 public:
  ConvNorm(std::int64_t filters, std::int64_t size, const ConvNormOptions& options = {})
      : conv_(filters, size,
              {.strides = options.strides,
               .padding = tapir::Padding{{size / 2, size / 2}, {size / 2, size / 2}},
               .groups = options.groups,
               .use_bias = false,
               .kernel_initializer = "he_normal"}),
        norm_({.momentum = 0.9, .epsilon = 1e-5}),
        activation_(options.activation) {}

 protected:
  tapir::Tensor call(const tapir::Tensor& x, bool) override { return activation_(norm_(conv_(x))); }

 private:
  tapir::nn::Conv2D conv_;
  tapir::nn::BatchNormalization norm_;
  tapir::nn::ActivationFunction activation_;
};

}  // namespace networks
