// Pictures as PNG, taken apart again by the rules of the standard.
#include <tapir/io/png.h>
#include <tapir/test/io/files.h>

#include <zlib.h>

using namespace tapir;

namespace {

std::uint32_t big_endian(const std::string& s, std::size_t at) {
  std::uint32_t v = 0;
  for (std::size_t i = 0; i < 4; ++i) v = v << 8 | static_cast<unsigned char>(s[at + i]);
  return v;
}

// The pixels of a PNG of 8 bits a channel; checks chunks and checksums.
std::vector<std::uint8_t> pixels(const std::string& file, std::int64_t height, std::int64_t width, int channels) {
  REQUIRE(file.substr(0, 8) == "\x89PNG\r\n\x1a\n");
  std::string types, packed;
  for (std::size_t at = 8; at < file.size();) {
    const std::size_t n = big_endian(file, at);
    REQUIRE(at + 12 + n <= file.size());
    const std::string body = file.substr(at + 4, 4 + n);
    CHECK(::crc32(0, reinterpret_cast<const Bytef*>(body.data()), uInt(body.size())) == big_endian(file, at + 8 + n));
    types += body.substr(0, 4) + " ";
    if (body.starts_with("IDAT")) packed += body.substr(4);
    if (body.starts_with("IHDR")) {
      CHECK(big_endian(body, 4) == width);
      CHECK(big_endian(body, 8) == height);
      CHECK(int(body[12]) == 8);
      CHECK(int(body[13]) == std::vector<int>{0, 4, 2, 6}[std::size_t(channels - 1)]);
    }
    at += 12 + n;
  }
  CHECK(types == "IHDR IDAT IEND ");
  const std::size_t row = std::size_t(width * channels), pixel = std::size_t(channels);
  std::string raw((row + 1) * std::size_t(height), '\0');
  uLongf size = uLongf(raw.size());
  REQUIRE(::uncompress(reinterpret_cast<Bytef*>(raw.data()), &size, reinterpret_cast<const Bytef*>(packed.data()),
                       uLong(packed.size())) == Z_OK);
  REQUIRE(size == raw.size());
  std::vector<std::uint8_t> out(row * std::size_t(height));
  for (std::size_t y = 0; y < std::size_t(height); ++y)
    for (std::size_t i = 0; i < row; ++i) {
      const int filter = raw[y * (row + 1)];
      const int left = i < pixel ? 0 : out[y * row + i - pixel], up = y == 0 ? 0 : out[(y - 1) * row + i];
      REQUIRE(filter >= 0);
      REQUIRE(filter <= 2);
      out[y * row + i] = std::uint8_t(static_cast<unsigned char>(raw[y * (row + 1) + 1 + i]) + (filter == 1   ? left
                                                                                                : filter == 2 ? up
                                                                                                              : 0));
    }
  return out;
}

}  // namespace

TEST_CASE("every pixel comes back, for one to four channels and odd sizes") {
  std::mt19937 random(1);
  for (int channels = 1; channels <= 4; ++channels)
    for (auto [height, width] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {1, 7}, {5, 1}, {13, 29}}) {
      std::vector<std::uint8_t> noise(std::size_t(height * width * channels)), ramp(noise.size());
      for (auto& v : noise) v = std::uint8_t(random());
      for (std::size_t i = 0; i < ramp.size(); ++i) ramp[i] = std::uint8_t(i / std::size_t(channels));
      CHECK(pixels(detail::png(noise.data(), height, width, channels), height, width, channels) == noise);
      CHECK(pixels(detail::png(ramp.data(), height, width, channels), height, width, channels) == ramp);
    }
}

TEST_CASE("smooth pictures are packed well") {
  std::vector<std::uint8_t> ramp(256 * 256);
  for (std::size_t i = 0; i < ramp.size(); ++i) ramp[i] = std::uint8_t((i % 256 + i / 256) / 2);
  CHECK(detail::png(ramp.data(), 256, 256, 1).size() < ramp.size() / 20);
}
