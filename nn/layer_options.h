// The little types that layers' options are made of.
#pragma once
#include <tapir/nn/activations.h>
#include <tapir/nn/initializers.h>
#include <tapir/nn/layer.h>
#include <tapir/ops/spatial.h>

namespace tapir::nn {

/// One size for each spatial dimension, or one for all: `3`, `{3, 5}`.
class Sizes : public Shape {
 public:
  constexpr Sizes() = default;
  constexpr Sizes(int size) : Shape({std::int64_t(size)}) {}
  constexpr Sizes(std::int64_t size) : Shape({size}) {}
  constexpr Sizes(std::initializer_list<std::int64_t> sizes) : Shape(sizes) {}
  Sizes(const Shape& sizes) : Shape(sizes) {}
};

/// `Padding::same`, or Keras's words: "valid", "same", and for Conv1D "causal".
class LayerPadding {
 public:
  LayerPadding(const Padding& padding) : padding_(padding) {}
  LayerPadding(const char* name, Where where = Where::current());
  const Padding& padding() const { return padding_; }
  bool causal() const { return causal_; }

 private:
  Padding padding_;
  bool causal_ = false;
};

namespace detail {
/// `given` as `rank` sizes of at least 1. Throws UsageError: `Conv2D: strides must be 2 positive sizes, got [0].`
Shape checked_sizes(const char* layer, const char* what, const Shape& given, int rank);
/// Throws UsageError unless n >= 1.
void check_positive(const char* layer, const char* what, std::int64_t n);
/// Throws UsageError unless `rate` is in [0, 1).
void check_rate(const char* layer, const char* what, double rate);
/// Throws ShapeError unless x has this rank, batch included.
void check_rank(const char* layer, const Tensor& x, int rank);
/// "[3, -1]": sizes as the user gave them.
std::string listed(const Shape& sizes);
/// A floating x in the dtype of the weights it is about to meet, as they are read now, as Keras casts inputs; others as
/// they are.
Tensor as_weights(const Tensor& x, const Variable& weights);
}  // namespace detail

}  // namespace tapir::nn
