// Protocol buffers, the writing half: a message is bytes, field after field. Internal to io/ and look/.
// https://protobuf.dev/programming-guides/encoding/
#pragma once
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace tapir::detail {

class Proto {
 public:
  /// int32, int64, bool, enum
  Proto& integer(int field, std::int64_t v) {
    tag(field, 0);
    varint(std::uint64_t(v));
    return *this;
  }
  Proto& number(int field, double v) {
    tag(field, 1);
    fixed(v);
    return *this;
  }
  Proto& number(int field, float v) {
    tag(field, 5);
    fixed(v);
    return *this;
  }
  /// string, bytes
  Proto& text(int field, std::string_view v) {
    tag(field, 2);
    varint(v.size());
    bytes_ += v;
    return *this;
  }
  Proto& message(int field, const Proto& m) { return text(field, m.bytes_); }
  /// repeated double, packed
  Proto& numbers(int field, std::span<const double> v) {
    return text(field, {reinterpret_cast<const char*>(v.data()), v.size() * sizeof(double)});
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void tag(int field, int wire) { varint(std::uint64_t(field) << 3 | std::uint64_t(wire)); }
  void varint(std::uint64_t v) {
    for (; v >= 0x80; v >>= 7) bytes_ += char(v | 0x80);
    bytes_ += char(v);
  }
  template <class T>
  void fixed(T v) {  // little-endian, as the machine
    char b[sizeof v];
    std::memcpy(b, &v, sizeof v);
    bytes_.append(b, sizeof v);
  }
  std::string bytes_;
};

}  // namespace tapir::detail
