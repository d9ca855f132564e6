// Protocol buffers, the reading half (io/protobuf.h writes): the fields of one message, in order. Nothing is copied,
// and no length leads out of the message. Internal to formats/. https://protobuf.dev/programming-guides/encoding/
#pragma once
#include <tapir/io/source.h>

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace tapir::detail {

class ProtoReader {
 public:
  ProtoReader(std::string_view message, const FileContext& context) : rest_(message), context_(context) {}

  /// Moves on to the next field; false at the end. A field that nobody asks for is passed over.
  bool next() {
    if (rest_.empty()) return false;
    const std::uint64_t tag = varint();
    wire_ = int(tag & 7);
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) damaged();
    field_ = int(tag >> 3);
    if (wire_ == 0) value_ = varint();
    else if (wire_ == 1) bytes_ = take(8);
    else if (wire_ == 2) bytes_ = take(varint());
    else if (wire_ == 5) bytes_ = take(4);
    else damaged();  // groups, which nobody writes, and what is no wire type
    return true;
  }
  int field() const { return field_; }

  /// int32, int64, bool, enum
  std::int64_t integer() const {
    expect(0);
    return std::int64_t(value_);
  }
  float number() const {
    expect(5);
    return fixed<float>(bytes_);
  }
  /// string, bytes, a message
  std::string_view text() const {
    expect(2);
    return bytes_;
  }
  /// Appends a repeated field, whether packed or not.
  void integers(std::vector<std::int64_t>& out) const {
    if (wire_ == 0) return out.push_back(std::int64_t(value_));
    ProtoReader packed(text(), context_);
    while (!packed.rest_.empty()) out.push_back(std::int64_t(packed.varint()));
  }
  /// float or double
  template <class T>
  void numbers(std::vector<T>& out) const {
    if (wire_ == (sizeof(T) == 4 ? 5 : 1)) return out.push_back(fixed<T>(bytes_));
    const std::string_view packed = text();
    if (packed.size() % sizeof(T)) damaged();
    for (std::size_t i = 0; i < packed.size(); i += sizeof(T)) out.push_back(fixed<T>(packed.substr(i)));
  }
  const FileContext& context() const { return context_; }

 private:
  [[noreturn]] void damaged() const { context_.fail("is damaged or no protocol buffer."); }
  void expect(int wire) const {
    if (wire_ != wire) damaged();
  }
  std::string_view take(std::uint64_t n) {
    if (n > rest_.size()) damaged();
    const std::string_view taken = rest_.substr(0, std::size_t(n));
    rest_.remove_prefix(std::size_t(n));
    return taken;
  }
  std::uint64_t varint() {
    std::uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = std::uint8_t(take(1)[0]);
      v |= std::uint64_t(byte & 0x7f) << shift;
      if (byte < 0x80) return v;
    }
    damaged();
  }
  template <class T>
  static T fixed(std::string_view bytes) {  // little-endian, as the machine
    T v;
    std::memcpy(&v, bytes.data(), sizeof v);
    return v;
  }

  std::string_view rest_, bytes_;
  const FileContext& context_;
  std::uint64_t value_ = 0;
  int field_ = 0, wire_ = 0;
};

}  // namespace tapir::detail
