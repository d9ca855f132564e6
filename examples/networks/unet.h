// U-Net. Source: Ronneberger et al., U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015; with
// zeros around the images, so that the result is as large as the image.
#pragma once
#include <tapir/nn/conv_layers.h>
#include <tapir/nn/model.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/pool.h>

namespace networks {

/// x [N, H, W, C], H and W multiples of 16 -> logits of each pixel [N, H, W, classes].
class UNet : public tapir::nn::Model {
 public:
  explicit UNet(std::int64_t classes = 2, std::int64_t filters = 64) : head_(classes, 1) {
    for (int i = 0; i < 4; ++i, filters *= 2) down_.push_back(pair(filters));
    bottom_ = pair(filters);
    for (int i = 0; i < 4; ++i) {
      filters /= 2;
      up_.push_back(tapir::nn::Conv2DTranspose(filters, 2, {.strides = 2}));
      join_.push_back(pair(filters));
    }
  }

 protected:
  tapir::Tensor call(const tapir::Tensor& image, bool) override {
    tapir::Tensor x = image;
    std::vector<tapir::Tensor> seen;  // what each level knows before it is made smaller
    for (auto& down : down_) {
      seen.push_back(down(x));
      x = tapir::max_pool2d(seen.back(), {2, 2});
    }
    x = bottom_(x);
    for (std::size_t i = 0; i < up_.size(); ++i) {
      x = join_[i](tapir::concat({seen.back(), up_[i](x)}, {.axis = -1}));
      seen.pop_back();
    }
    return head_(x);
  }

 private:
  static tapir::nn::Sequential pair(std::int64_t filters) {
    const tapir::nn::ConvLayerOptions o{.padding = "same", .activation = "relu", .kernel_initializer = "he_normal"};
    return {tapir::nn::Conv2D(filters, 3, o), tapir::nn::Conv2D(filters, 3, o)};
  }
  std::vector<tapir::nn::Sequential> down_, join_;
  std::vector<tapir::nn::Conv2DTranspose> up_;
  tapir::nn::Sequential bottom_;
  tapir::nn::Conv2D head_;
};

inline UNet unet(std::int64_t classes = 2) { return UNet(classes); }

}  // namespace networks
