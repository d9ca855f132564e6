#include <tapir/io/tfrecord.h>

#include <array>

namespace tapir::detail {

static constexpr std::array<std::uint32_t, 256> kTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = c & 1 ? c >> 1 ^ 0x82F63B78u : c >> 1;
    table[i] = c;
  }
  return table;
}();

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t c = ~0u;
  for (char b : bytes) c = c >> 8 ^ kTable[(c ^ static_cast<unsigned char>(b)) & 0xFF];
  return ~c;
}

std::uint32_t masked_crc32c(std::string_view bytes) {
  const std::uint32_t c = crc32c(bytes);
  return (c >> 15 | c << 17) + 0xA282EAD8u;
}

template <class T>
static std::string little_endian(T v) {
  std::string out;
  for (std::size_t i = 0; i < sizeof v; ++i) out += char(v >> (8 * i) & 0xFF);
  return out;
}

std::string tfrecord(std::string_view bytes) {
  const std::string length = little_endian(std::uint64_t(bytes.size()));
  std::string out = length + little_endian(masked_crc32c(length));
  out += bytes;
  return out + little_endian(masked_crc32c(bytes));
}

}  // namespace tapir::detail
