// Layers that pad, crop, repeat: of one, two and three spatial dimensions. ZeroPadding2D and UpSampling2D stand in
// conv_layers.h.
#pragma once
#include <tapir/nn/core_layers.h>

namespace tapir::nn {

/// How much before and after each spatial dimension: `1`; `{1, 2}` (before and after where there is one dimension, else
/// one amount a dimension, on both sides); `{{1, 2}, {0, 3}}`.
class SidesOf {
 public:
  SidesOf(std::int64_t amount) : one_(amount), kind_(0) {}
  SidesOf(int amount) : one_(amount), kind_(0) {}
  SidesOf(std::initializer_list<std::int64_t> amounts) : list_(amounts), kind_(1) {}
  SidesOf(std::initializer_list<std::initializer_list<std::int64_t>> amounts);
  /// (before, after) for each of `rank` dimensions. Throws UsageError: negative amounts, or not so many.
  std::vector<std::pair<std::int64_t, std::int64_t>> sides(const char* layer, int rank) const;

 private:
  std::int64_t one_ = 0;
  std::vector<std::int64_t> list_;
  int kind_;
};

/// What the paddings and croppings below share: x [N, spatial..., C].
class SidesLayer : public LayerOf<SidesLayer> {
 protected:
  SidesLayer(const char* type, bool crops, int rank, const SidesOf& amounts, const LayerName& options,
             const Where& where);
  Tensor call(const Tensor& x, bool training) override;

 private:
  const char* type_;
  bool crops_;
  std::vector<std::pair<std::int64_t, std::int64_t>> sides_;
};

/// Zeros around x [N, W, C].
class ZeroPadding1D : public SidesLayer {
 public:
  explicit ZeroPadding1D(const SidesOf& padding = 1, const LayerName& options = {}, Where where = Where::current())
      : SidesLayer("ZeroPadding1D", false, 1, padding, options, where) {}
};
/// Zeros around x [N, D, H, W, C].
class ZeroPadding3D : public SidesLayer {
 public:
  explicit ZeroPadding3D(const SidesOf& padding = 1, const LayerName& options = {}, Where where = Where::current())
      : SidesLayer("ZeroPadding3D", false, 3, padding, options, where) {}
};
/// x [N, W, C] without its ends.
class Cropping1D : public SidesLayer {
 public:
  explicit Cropping1D(const SidesOf& cropping = 1, const LayerName& options = {}, Where where = Where::current())
      : SidesLayer("Cropping1D", true, 1, cropping, options, where) {}
};
/// x [N, H, W, C] without its edges.
class Cropping2D : public SidesLayer {
 public:
  explicit Cropping2D(const SidesOf& cropping = 0, const LayerName& options = {}, Where where = Where::current())
      : SidesLayer("Cropping2D", true, 2, cropping, options, where) {}
};
/// x [N, D, H, W, C] without its outer parts.
class Cropping3D : public SidesLayer {
 public:
  explicit Cropping3D(const SidesOf& cropping = 1, const LayerName& options = {}, Where where = Where::current())
      : SidesLayer("Cropping3D", true, 3, cropping, options, where) {}
};

/// What UpSampling1D and UpSampling3D share: each element of x [N, spatial..., C] so many times.
class RepeatLayer : public LayerOf<RepeatLayer> {
 protected:
  RepeatLayer(const char* type, int rank, const Sizes& size, const LayerName& options, const Where& where);
  Tensor call(const Tensor& x, bool training) override;

 private:
  const char* type_;
  Shape size_;
};
/// [N, W, C] -> [N, W * size, C].
class UpSampling1D : public RepeatLayer {
 public:
  explicit UpSampling1D(std::int64_t size = 2, const LayerName& options = {}, Where where = Where::current())
      : RepeatLayer("UpSampling1D", 1, size, options, where) {}
};
/// [N, D, H, W, C] -> [N, D * size[0], H * size[1], W * size[2], C].
class UpSampling3D : public RepeatLayer {
 public:
  explicit UpSampling3D(const Sizes& size = 2, const LayerName& options = {}, Where where = Where::current())
      : RepeatLayer("UpSampling3D", 3, size, options, where) {}
};

/// [N, features] -> [N, n, features].
class RepeatVector : public LayerOf<RepeatVector> {
 public:
  explicit RepeatVector(std::int64_t n, const LayerName& options = {}, Where where = Where::current());

 protected:
  Tensor call(const Tensor& x, bool training) override;

 private:
  std::int64_t n_;
};

}  // namespace tapir::nn
