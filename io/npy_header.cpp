#include <tapir/io/npy_header.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace tapir::detail {
namespace {

constexpr char magic[] = "\x93NUMPY";
constexpr std::size_t magic_size = 6, longest_header = 1 << 16;

struct DescrRow {
  const char* descr;  // without the byte order
  DType dtype;
  bool is_unsigned = false;
};
constexpr DescrRow descr_rows[] = {
    {"f4", DType::f32},       {"f8", DType::f64},        {"f2", DType::f16},       {"V2", DType::bf16},
    {"i1", DType::i8},        {"u1", DType::u8},         {"i2", DType::i16},       {"i4", DType::i32},
    {"i8", DType::i64},       {"b1", DType::boolean},    {"u2", DType::i16, true}, {"u4", DType::i32, true},
    {"u8", DType::i64, true}, {"bfloat16", DType::bf16},
};

// Reads the one kind of Python text that a header may be: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
class DictReader {
 public:
  DictReader(const FileContext& context, const std::string& text) : context_(context), text_(text) {}

  NpyHeader read() {
    expect('{');
    while (!accept('}')) {
      std::string key = quoted();
      expect(':');
      if (key == "descr") once(have_descr_), read_descr();
      else if (key == "fortran_order") once(have_order_), header_.fortran_order = boolean();
      else if (key == "shape") once(have_shape_), read_shape();
      else bad(fmt::format("it has the key {}", printable(key)));
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) bad("it goes on after its dictionary");
    if (!have_descr_ || !have_order_ || !have_shape_) bad("it lacks 'descr', 'fortran_order' or 'shape'");
    return header_;
  }

 private:
  [[noreturn]] void bad(const std::string& why) { context_.fail(fmt::format("has a damaged .npy header, {}.", why)); }
  // What a hostile file says goes to the user's terminal.
  static std::string printable(std::string s) {
    constexpr std::size_t most = 40;
    if (s.size() > most) s = s.substr(0, most) + "...";
    for (char& c : s)
      if (c < ' ' || c > '~') c = '?';
    return "'" + s + "'";
  }
  void once(bool& have) {
    if (have) bad("a key is there twice");
    have = true;
  }
  void skip_space() {
    while (at_ < text_.size() && std::strchr(" \t\n\r", text_[at_]) && text_[at_]) ++at_;
  }
  bool accept(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) bad(fmt::format("'{}' is missing at byte {}", c, at_));
  }
  bool accept_word(const char* word) {
    skip_space();
    if (text_.compare(at_, std::strlen(word), word) != 0) return false;
    at_ += std::strlen(word);
    return true;
  }
  std::string quoted() {
    skip_space();
    char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') bad(fmt::format("a string is missing at byte {}", at_));
    auto end = text_.find(quote, at_ + 1);
    if (end == std::string::npos) bad("a string does not end");
    std::string s = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return s;
  }
  bool boolean() {
    if (accept_word("True")) return true;
    if (accept_word("False")) return false;
    bad("'fortran_order' is neither True nor False");
  }
  std::int64_t integer() {
    skip_space();
    std::size_t begin = at_;
    std::int64_t v = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_)
      if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, text_[at_] - '0', &v))
        bad("a size is too large");
    if (at_ == begin) bad(fmt::format("a size is missing at byte {}", at_));
    accept('L');  // as Python 2 wrote
    return v;
  }
  void read_shape() {
    expect('(');
    while (!accept(')')) {
      if (header_.shape.rank() == Shape::max_rank)
        context_.fail(fmt::format("has more than {} dimensions, which a tensor cannot.", Shape::max_rank));
      header_.shape.push_back(integer());
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
  }
  void read_descr() {
    skip_space();
    if (at_ < text_.size() && text_[at_] == '[')
      context_.fail("holds records (a structured dtype), which tensors cannot.");
    std::string descr = quoted();
    bool has_order = !descr.empty() && std::strchr("<>|=", descr[0]);
    std::string type = has_order ? descr.substr(1) : descr;
    for (auto& row : descr_rows)
      if (type == row.descr) {
        header_.dtype = row.dtype;
        header_.is_unsigned = row.is_unsigned;
        header_.big_endian = descr[0] == '>' && type != "V2";  // raw bytes have no order
        return;
      }
    context_.fail(fmt::format("holds dtype {}, which tensors cannot.", printable(descr)));
  }

  const FileContext& context_;
  const std::string& text_;
  std::size_t at_ = 0;
  NpyHeader header_;
  bool have_descr_ = false, have_order_ = false, have_shape_ = false;
};

}  // namespace

NpyHeader read_npy_header(ByteSource& in) {
  unsigned char start[12];
  in.read(start, magic_size + 2, "the .npy magic");
  if (std::memcmp(start, magic, magic_size) != 0)
    in.context().fail("is not a .npy file, it does not begin with \\x93NUMPY.");
  int version = start[6];
  if (version < 1 || version > 3 || start[7] != 0)
    in.context().fail(fmt::format("has .npy version {}.{}; versions 1.0, 2.0 and 3.0 are known.", start[6], start[7]));
  in.read(start + 8, version == 1 ? 2 : 4, "the length of the .npy header");
  std::size_t length = start[8] | std::size_t(start[9]) << 8;
  if (version > 1) length |= std::size_t(start[10]) << 16 | std::size_t(start[11]) << 24;
  if (length > longest_header)
    in.context().fail(fmt::format("has a .npy header of {} bytes; at most {} are read.", length, longest_header));
  std::string text(length, '\0');
  in.read(text.data(), length, "the .npy header");
  return DictReader(in.context(), text).read();
}

std::string npy_header_of(const TensorSpec& spec) {
  auto* row =
      std::find_if(std::begin(descr_rows), std::end(descr_rows), [&](auto& r) { return r.dtype == spec.dtype; });
  std::string shape;
  for (int i = 0; i < spec.shape.rank(); ++i) shape += fmt::format("{}{}", i ? ", " : "", spec.shape[i]);
  if (spec.shape.rank() == 1) shape += ",";
  bool byte_sized = size_of(spec.dtype) == 1;
  std::string dict = fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}), }}", byte_sized ? "|" : "<",
                                 row->descr, shape);
  // NumPy leaves room for the first size to grow to 21 digits, then pads the whole header to 64 bytes.
  if (spec.shape.rank() > 0) dict.append(21 - fmt::formatted_size("{}", spec.shape[0]), ' ');
  constexpr std::size_t fixed = magic_size + 4, alignment = 64;
  dict.append(alignment - (fixed + dict.size() + 1) % alignment, ' ');
  dict += '\n';
  std::string header(magic, magic_size);
  header += {'\1', '\0', char(dict.size() & 0xff), char(dict.size() >> 8)};
  return header + dict;
}

}  // namespace tapir::detail
