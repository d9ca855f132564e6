// Layers that change images [N, H, W, C] at random in training and do nothing else. Each image gets a draw of its own.
// Inside a model they are part of its graph. Options, ranges and what stands beyond the edges are Keras's.
#pragma once
#include <tapir/nn/core_layers.h>

#include <optional>

namespace tapir::nn {

/// A range to draw from: `0.2` is [-0.2, 0.2], `{0.1, 0.3}` what it says.
class Range {
 public:
  Range(double width) : low_(-width), high_(width) {}
  Range(double low, double high) : low_(low), high_(high) {}
  double low() const { return low_; }
  double high() const { return high_; }

 private:
  double low_, high_;
};

/// What stands beyond an image's edge: itself mirrored (dcba|abcd|dcba), `fill_value`, its edge, itself again.
enum class FillMode : std::uint8_t { reflect, constant, nearest, wrap };

struct RandomTransformOptions {
  FillMode fill_mode = FillMode::reflect;
  bool bilinear = true;  ///< false: the nearest pixel
  double fill_value = 0;
  std::optional<Range> width_factor = {};  ///< RandomZoom: that of the width; none: the same as the height's
  std::int64_t seed = -1;                  ///< given: the draws of a new layer repeat
  std::string name = "";
};

/// What the layers below share.
class AugmentationLayer : public SeededLayer {
 protected:
  AugmentationLayer(const char* type, std::int64_t seed, const std::string& name);
  /// One number of the range for each of n images: [n, 1].
  Tensor draw(std::int64_t n, const Range& range);
  /// x as floating images; ShapeError unless its rank is 4.
  Tensor images(const Tensor& x) const;
  const char* type_;
};

struct FlipLayerOptions {
  bool horizontal = true, vertical = true;
  std::int64_t seed = -1;
  std::string name = "";
};
/// Mirrors half of the images, along both axes at once if both are named.
class RandomFlip : public LayerOf<RandomFlip, AugmentationLayer> {
 public:
  explicit RandomFlip(const FlipLayerOptions& options = {});

 protected:
  Tensor call(const Tensor& x, bool training) override;

 private:
  bool horizontal_, vertical_;
};

/// What rotation, translation and zoom share: each pixel of the result is looked up where a matrix says.
class TransformLayer : public AugmentationLayer {
 protected:
  TransformLayer(const char* type, const RandomTransformOptions& options);
  Tensor call(const Tensor& x, bool training) override;
  /// [n, 1] each: x' = a x + b y + c, y' = d x + e y + f is where the pixel at (x, y) comes from.
  struct Matrix {
    Tensor a, b, c, d, e, f;
  };
  virtual Matrix matrix(std::int64_t n, double height, double width) = 0;

 private:
  RandomTransformOptions options_;
};

/// Turns images by `factor` full circles, counter-clockwise.
class RandomRotation : public LayerOf<RandomRotation, TransformLayer> {
 public:
  explicit RandomRotation(const Range& factor, const RandomTransformOptions& options = {})
      : LayerOf("RandomRotation", options), factor_(factor) {}

 protected:
  Matrix matrix(std::int64_t n, double height, double width) override;

 private:
  Range factor_;
};

/// Moves images down and to the right by these parts of their height and width.
class RandomTranslation : public LayerOf<RandomTranslation, TransformLayer> {
 public:
  RandomTranslation(const Range& height_factor, const Range& width_factor, const RandomTransformOptions& options = {})
      : LayerOf("RandomTranslation", options), height_(height_factor), width_(width_factor) {}

 protected:
  Matrix matrix(std::int64_t n, double height, double width) override;

 private:
  Range height_, width_;
};

/// Shows 1 + factor times as much of the image: positive factors make things smaller. Both directions
/// have the same factor unless `.width_factor` is given.
class RandomZoom : public LayerOf<RandomZoom, TransformLayer> {
 public:
  explicit RandomZoom(const Range& height_factor, const RandomTransformOptions& options = {})
      : LayerOf("RandomZoom", options), height_(height_factor), width_(options.width_factor) {}

 protected:
  Matrix matrix(std::int64_t n, double height, double width) override;

 private:
  Range height_;
  std::optional<Range> width_;
};

struct CropLayerOptions {
  std::int64_t seed = -1;
  std::string name = "";
};
/// [N, H, W, C] -> [N, height, width, C]: in training a random part, the same of all images of a batch as in Keras,
/// else the middle. Throws ShapeError for smaller images.
class RandomCrop : public LayerOf<RandomCrop, AugmentationLayer> {
 public:
  RandomCrop(std::int64_t height, std::int64_t width, const CropLayerOptions& options = {},
             Where where = Where::current());

 protected:
  Tensor call(const Tensor& x, bool training) override;

 private:
  std::int64_t height_, width_;
};

struct ColourLayerOptions {
  double low = 0, high = 255;  ///< the values that pixels have; results are cut to them
  std::int64_t seed = -1;
  std::string name = "";
};
/// Multiplies the distance of each pixel from its channel's mean by 1 + u, u in `factor`.
class RandomContrast : public LayerOf<RandomContrast, AugmentationLayer> {
 public:
  explicit RandomContrast(const Range& factor, const ColourLayerOptions& options = {})
      : LayerOf("RandomContrast", options.seed, options.name), factor_(factor), options_(options) {}

 protected:
  Tensor call(const Tensor& x, bool training) override;

 private:
  Range factor_;
  ColourLayerOptions options_;
};
/// Adds u times the range of values, u in `factor`.
class RandomBrightness : public LayerOf<RandomBrightness, AugmentationLayer> {
 public:
  explicit RandomBrightness(const Range& factor, const ColourLayerOptions& options = {})
      : LayerOf("RandomBrightness", options.seed, options.name), factor_(factor), options_(options) {}

 protected:
  Tensor call(const Tensor& x, bool training) override;

 private:
  Range factor_;
  ColourLayerOptions options_;
};

}  // namespace tapir::nn
