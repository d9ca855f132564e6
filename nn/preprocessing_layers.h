// Layers that put data into the form that a network wants. Rescaling stands in core_layers.h.
#pragma once
#include <tapir/nn/core_layers.h>

namespace tapir::nn {

struct NormalizationOptions {
  Axes axis = -1;                   ///< these have a mean and a variance each; the others are pooled
  Tensor mean = {}, variance = {};  ///< given: adapt is not needed
  bool invert = false;              ///< back from normalised values
  std::string name = "";
};
/// (x - mean) / sqrt(variance), of the data that adapt has seen or as given.
class Normalization : public LayerOf<Normalization> {
 public:
  explicit Normalization(const NormalizationOptions& options = {}) : LayerOf(options.name), options_(options) {
    passes_mask();
  }
  /// Takes mean and variance from data [N, ...].
  void adapt(const Tensor& data, Where where = Where::current());

 protected:
  Tensor call(const Tensor& x, bool training) override;

 private:
  NormalizationOptions options_;
};

struct ResizingOptions {
  std::string interpolation = "bilinear";  ///< or "nearest"
  std::string name = "";
};
/// [N, H, W, C] -> [N, height, width, C], without antialiasing.
class Resizing : public LayerOf<Resizing> {
 public:
  Resizing(std::int64_t height, std::int64_t width, const ResizingOptions& options = {},
           Where where = Where::current());

 protected:
  Tensor call(const Tensor& x, bool training) override;

 private:
  std::int64_t height_, width_;
  bool bilinear_;
};

/// The middle of images [N, H, W, C], at least as large: [N, height, width, C]. Throws ShapeError for smaller ones.
class CenterCrop : public LayerOf<CenterCrop> {
 public:
  CenterCrop(std::int64_t height, std::int64_t width, const LayerName& options = {}, Where where = Where::current());

 protected:
  Tensor call(const Tensor& x, bool training) override;

 private:
  std::int64_t height_, width_;
};

struct CategoryEncodingOptions {
  std::string output_mode = "multi_hot";  ///< or "one_hot", "count"
  std::string name = "";
};
/// Numbers in [0, num_tokens) as vectors: "one_hot" [...] -> [..., num_tokens]; "multi_hot" and "count" [N, k] -> [N,
/// num_tokens], which of them there are, or how often.
class CategoryEncoding : public LayerOf<CategoryEncoding> {
 public:
  explicit CategoryEncoding(std::int64_t num_tokens, const CategoryEncodingOptions& options = {},
                            Where where = Where::current());

 protected:
  Tensor call(const Tensor& x, bool training) override;

 private:
  std::int64_t num_tokens_;
  std::string mode_;
};

/// The number of the interval that x lies in, i64: 0 below the first boundary, 1 from there to the second, ...
class Discretization : public LayerOf<Discretization> {
 public:
  explicit Discretization(const std::vector<double>& bin_boundaries, const LayerName& options = {},
                          Where where = Where::current());

 protected:
  Tensor call(const Tensor& x, bool training) override;

 private:
  std::vector<double> boundaries_;
};

}  // namespace tapir::nn
