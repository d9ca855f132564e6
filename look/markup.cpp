#include <tapir/look/markup.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace tapir::look {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// The character at `at`, and how many bytes it takes; 1 byte and ~0u if they are no UTF-8.
struct Character {
  std::uint32_t code;
  std::size_t bytes;
};
Character character(std::string_view s, std::size_t at) {
  const auto byte = [&](std::size_t i) { return std::uint32_t(static_cast<unsigned char>(s[i])); };
  const std::uint32_t first = byte(at);
  if (first < 0x80) return {first, 1};
  const std::size_t n = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || at + n > s.size()) return {~0u, 1};
  std::uint32_t code = first & (0xFFu >> (n + 1));
  for (std::size_t i = 1; i < n; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return {~0u, 1};
    code = code << 6 | (byte(at + i) & 0x3F);
  }
  constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < least[n] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return {~0u, 1};
  return {code, n};
}

bool allowed(std::uint32_t c) {
  return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c <= 0x10FFFF && c != 0x7F && c != 0xFFFE && c != 0xFFFF);
}

// Of DejaVu Sans, which is wide, in parts of the font size.
double advance(std::uint32_t c) {
  if (c >= 0x1100) return 1.0;  // scripts of wide characters, symbols
  const char ascii = c < 0x80 ? char(c) : 'a';
  if (std::string_view("ijl'|").find(ascii) != std::string_view::npos) return 0.29;
  if (std::string_view(" ftr.,:;!()[]/\\I-").find(ascii) != std::string_view::npos) return 0.4;
  if (std::string_view("mwMW%@").find(ascii) != std::string_view::npos) return 0.97;
  return ascii >= 'A' && ascii <= 'Z' ? 0.72 : 0.64;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (std::size_t at = 0; at < text.size();) {
    const Character c = character(text, at);
    if (!allowed(c.code)) out += kReplacement;
    else if (c.code == '<') out += "&lt;";
    else if (c.code == '>') out += "&gt;";
    else if (c.code == '&') out += "&amp;";
    else if (c.code == '"') out += "&quot;";
    else if (c.code == '\'') out += "&#39;";
    else out += text.substr(at, c.bytes);
    at += c.bytes;
  }
  return out;
}

// How many characters there are, and where the one number `n` begins.
static std::pair<std::size_t, std::size_t> measured(std::string_view text, std::size_t n) {
  std::size_t count = 0, begin = text.size();
  for (std::size_t at = 0; at < text.size(); ++count) {
    if (count == n) begin = at;
    at += character(text, at).bytes;
  }
  return {count, begin};
}

std::string shortened(std::string_view text, std::size_t length) {
  const auto [count, cut] = measured(text, length ? length - 1 : 0);
  return count <= length ? std::string(text) : std::string(text.substr(0, cut)) + "…";
}

std::string column(std::string_view text, std::size_t length) {
  const std::string cut = shortened(text, length);
  return cut + std::string(length - std::min(length, measured(cut, 0).first), ' ');
}

double text_width(std::string_view text, double font_size, bool bold) {
  double width = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Character c = character(text, at);
    width += advance(c.code);
    at += c.bytes;
  }
  return width * font_size * (bold ? 1.1 : 1.0);
}

const std::string& colour_rules() {
  static const std::string rules =
      ".tp{--ink:#1f2328;--soft:#57606a;--paper:#ffffff;--card:#f6f8fa;--line:#d0d7de;"
      "--c1:#2563c9;--c2:#c2570c;--c3:#1f8a4c;--c4:#8250df;--c5:#c93a4b;--c6:#0e8a99;--c7:#8a6d00;--heat:37,99,201;--"
      "miss:201,58,75}\n"
      "@media "
      "(prefers-color-scheme:dark){.tp{--ink:#e6edf3;--soft:#9aa5b1;--paper:#0f141a;--card:#1a212a;--line:#39434f;"
      "--c1:#6ea8fe;--c2:#f0954a;--c3:#56c884;--c4:#b794f6;--c5:#f47c88;--c6:#4cc5d4;--c7:#d9b84a;--heat:110,168,254;--"
      "miss:244,124,136}}"
      "\n";
  return rules;
}

}  // namespace tapir::look
