// Event files taken apart by other means than the writer's: records with a bitwise checksum, protocol buffers as lists
// of fields.
#pragma once
#include <tapir/test/io/files.h>

#include <cstdint>
#include <map>
#include <optional>

namespace events {

inline std::uint32_t crc32c_bitwise(const std::string& s) {
  std::uint32_t c = ~0u;
  for (unsigned char b : s) {
    c ^= b;
    for (int i = 0; i < 8; ++i) c = (c >> 1) ^ ((c & 1) * 0x82F63B78u);
  }
  return ~c;
}

template <class T>
T read(const std::string& s, std::size_t at) {
  T v;
  REQUIRE(at + sizeof v <= s.size());
  std::memcpy(&v, s.data() + at, sizeof v);
  return v;
}

/// The records of a file; fails on a wrong checksum or a broken end.
inline std::vector<std::string> records(const std::string& path) {
  const std::string file = files::bytes_of(path);
  std::vector<std::string> out;
  auto unmasked = [](std::uint32_t m) { return (m - 0xA282EAD8u) << 15 | (m - 0xA282EAD8u) >> 17; };
  for (std::size_t at = 0; at < file.size();) {
    const auto n = read<std::uint64_t>(file, at);
    CHECK(unmasked(read<std::uint32_t>(file, at + 8)) == crc32c_bitwise(file.substr(at, 8)));
    REQUIRE(at + 16 + n <= file.size());
    out.push_back(file.substr(at + 12, n));
    CHECK(unmasked(read<std::uint32_t>(file, at + 12 + n)) == crc32c_bitwise(out.back()));
    at += 16 + n;
  }
  return out;
}

/// A message: each field's values in order, numbers as their bits or as strings.
struct Message {
  std::multimap<int, std::string> strings;
  std::multimap<int, std::uint64_t> integers;  // and fixed numbers, by their bits

  explicit Message(const std::string& s) {
    for (std::size_t at = 0; at < s.size();) {
      const std::uint64_t tag = varint(s, at);
      const int field = int(tag >> 3);
      switch (tag & 7) {
        case 0:
          integers.emplace(field, varint(s, at));
          break;
        case 1:
          integers.emplace(field, read<std::uint64_t>(s, at)), at += 8;
          break;
        case 5:
          integers.emplace(field, read<std::uint32_t>(s, at)), at += 4;
          break;
        default: {
          REQUIRE((tag & 7) == 2);
          const std::uint64_t n = varint(s, at);
          REQUIRE(at + n <= s.size());
          strings.emplace(field, s.substr(at, n)), at += n;
        }
      }
    }
  }
  static std::uint64_t varint(const std::string& s, std::size_t& at) {
    std::uint64_t v = 0;
    for (int shift = 0;; shift += 7) {
      REQUIRE(at < s.size());
      const auto b = static_cast<unsigned char>(s[at++]);
      v |= std::uint64_t(b & 127) << shift;
      if (b < 128) return v;
    }
  }
  std::string text(int field) const {
    auto at = strings.find(field);
    return at == strings.end() ? "" : at->second;
  }
  Message message(int field) const { return Message(text(field)); }
  std::vector<Message> messages(int field) const {
    std::vector<Message> out;
    for (auto [at, end] = strings.equal_range(field); at != end; ++at) out.emplace_back(at->second);
    return out;
  }
  std::uint64_t integer(int field) const {
    auto at = integers.find(field);
    return at == integers.end() ? 0 : at->second;
  }
  double f64(int field) const { return std::bit_cast<double>(integer(field)); }
  float f32(int field) const { return std::bit_cast<float>(std::uint32_t(integer(field))); }
  std::vector<double> numbers(int field) const {
    std::vector<double> out;
    const std::string s = text(field);
    for (std::size_t at = 0; at < s.size(); at += 8) out.push_back(read<double>(s, at));
    return out;
  }
};

}  // namespace events
