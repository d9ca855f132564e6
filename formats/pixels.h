// What PNG and JPEG decoding share. Internal to formats/.
#pragma once
#include <tapir/io/source.h>
#include <tapir/tensor/tensor.h>

#include <string_view>

namespace tapir::detail {

/// Which picture is decoded, and what is wanted of it.
struct PixelRequest {
  FileContext context;
  int channels;  // 0: as it is
  std::int64_t max_pixels;
  /// Fails if width * height is none or too many.
  void check_size(std::int64_t width, std::int64_t height) const;
};

Tensor png_pixels(std::string_view bytes, const PixelRequest& request);
Tensor jpeg_pixels(std::string_view bytes, const PixelRequest& request);
/// u8 [height, width, c] with another number of channels.
Tensor with_channels(const Tensor& image, int channels);

}  // namespace tapir::detail
