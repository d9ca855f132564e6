// Resizing images: nearest, bilinear.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {

enum class ResizeMethod : std::uint8_t { bilinear, nearest };
struct ResizeOptions {
  ResizeMethod method = ResizeMethod::bilinear;
};

/// images [N, H, W, C] at size {height, width}, with half-pixel centres and no antialiasing, as tf.image.resize.
/// Bilinear takes floating dtypes. Throws ShapeError unless rank 4 and the sizes are at least 1, DTypeError.
Tensor resize(const Tensor& images, const Shape& size, ResizeOptions options = {}, Where where = Where::current());

}  // namespace tapir
