// PNG, the writing half: 8 bits a channel. Internal to io/, data/ and look/.
#pragma once
#include <cstdint>
#include <string>

namespace tapir::detail {

/// A picture of row-major pixels [height, width, channels] as the bytes of a PNG file: grey, grey and alpha, RGB or
/// RGBA for 1 to 4 channels.
std::string png(const std::uint8_t* pixels, std::int64_t height, std::int64_t width, int channels);

}  // namespace tapir::detail
