#include <tapir/io/png.h>
#include <tapir/tensor/error.h>

#include <zlib.h>

#include <cstdlib>
#include <vector>

namespace tapir::detail {
namespace {

std::string big_endian(std::uint32_t v) { return {char(v >> 24), char(v >> 16), char(v >> 8), char(v)}; }

std::string chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const uLong crc = ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), uInt(body.size()));
  return big_endian(std::uint32_t(data.size())) + body + big_endian(std::uint32_t(crc));
}

// A row less what is left of it, above it, or nothing: whichever gives the smallest numbers, as the standard suggests.
std::string filtered(const std::uint8_t* row, const std::uint8_t* above, std::size_t bytes, std::size_t pixel) {
  std::string best;
  long least = 0;
  for (int filter = 0; filter < 3; ++filter) {
    std::string line(1, char(filter));
    long size = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
      const int before = filter == 1 ? (i < pixel ? 0 : row[i - pixel]) : filter == 2 && above ? above[i] : 0;
      const auto difference = static_cast<signed char>(row[i] - before);
      line += char(difference);
      size += std::abs(int(difference));
    }
    if (best.empty() || size < least) least = size, best = std::move(line);
  }
  return best;
}

}  // namespace

std::string png(const std::uint8_t* pixels, std::int64_t height, std::int64_t width, int channels) {
  const std::size_t pixel = std::size_t(channels), row = std::size_t(width) * pixel;
  std::string raw;
  for (std::int64_t y = 0; y < height; ++y) {
    const std::uint8_t* at = pixels + std::size_t(y) * row;
    raw += filtered(at, y ? at - row : nullptr, row, pixel);
  }
  std::string packed(::compressBound(uLong(raw.size())), '\0');
  uLongf size = uLongf(packed.size());
  if (::compress2(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(raw.data()),
                  uLong(raw.size()), 6) != Z_OK)
    throw OutOfMemoryError("png: zlib could not compress.");
  packed.resize(size);
  constexpr char colours[] = {0, 0, 4, 2, 6};
  const std::string header = big_endian(std::uint32_t(width)) + big_endian(std::uint32_t(height)) + '\x08' +
                             colours[channels] + std::string(3, '\0');
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", header) + chunk("IDAT", packed) + chunk("IEND", "");
}

}  // namespace tapir::detail
