// Tensors as pictures and as numbers: what pages and event files show of them. Internal to look/.
#pragma once
#include <tapir/tensor/tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace tapir::look {

/// Pictures of one size, 8 bits a channel.
struct Pixels {
  std::int64_t count, height, width;
  int channels;
  std::vector<std::uint8_t> bytes;  // row-major

  /// The picture number i as a PNG file.
  std::string png(std::int64_t i) const;
};

/// The first pictures, `most` at most, of images [N, H, W, C] with C from 1 (grey) to 4 (RGB and alpha): u8 as it is,
/// floating values from 0 to 1 (others count as the nearer of both, NaN as 0), bool as black and white. Throws
/// ShapeError, DTypeError, UsageError if there are no values.
Pixels pixels_of(const char* op, const Tensor& images, std::int64_t most);

/// All elements, row-major. Throws UsageError if there are no values.
std::vector<double> numbers_of(const char* op, const Tensor& x);

}  // namespace tapir::look
