#include <tapir/command/tokens.h>

#include <algorithm>
#include <cctype>

namespace tapir::command {
namespace {

bool starts_word(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || (c & 0x80); }
bool in_word(char c) { return starts_word(c) || std::isdigit(static_cast<unsigned char>(c)); }

class Lexer {
 public:
  explicit Lexer(std::string_view s) : s_(s) {}

  Tokens run() {
    while (skip_blank(), at_ < s_.size()) next();
    return std::move(out_);
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < s_.size() ? s_[at_ + ahead] : '\0'; }

  void advance(std::size_t to) {
    to = std::min(to, s_.size());
    line_ += int(std::count(s_.begin() + std::ptrdiff_t(at_), s_.begin() + std::ptrdiff_t(to), '\n'));
    at_ = to;
  }

  void add(Token::Kind kind, std::size_t end) {
    end = std::min(end, s_.size());
    out_.list.push_back({kind, s_.substr(at_, end - at_), at_, end, line_});
    advance(end);
  }

  std::size_t find(std::string_view what, std::size_t from) {
    const std::size_t at = s_.find(what, std::min(from, s_.size()));
    if (at != std::string_view::npos) return at + what.size();
    out_.complete = false;
    return s_.size();
  }

  void skip_blank() {
    for (;;) {
      if (std::isspace(static_cast<unsigned char>(peek()))) advance(at_ + 1);
      else if (peek() == '/' && peek(1) == '/') advance(std::min(s_.find('\n', at_), s_.size()));
      else if (peek() == '/' && peek(1) == '*') advance(find("*/", at_ + 2));
      else return;
    }
  }

  void next() {
    const char c = peek();
    if (c == '#' && at_line_start()) return directive();
    if (const std::size_t raw = raw_string()) return add(Token::Kind::text, raw);
    if (starts_word(c)) return word();
    if (std::isdigit(static_cast<unsigned char>(c)) || (c == '.' && std::isdigit(static_cast<unsigned char>(peek(1)))))
      return number();
    if (c == '"' || c == '\'') return add(Token::Kind::text, quoted(at_));
    for (std::string_view sign :
         {"<=>", "...", "::", "->", "++", "--", "&&", "||", "==", "!=", "<=",
          ">=",  "+=",  "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<"})  // not >>: it closes template arguments
      if (s_.substr(at_, sign.size()) == sign) return add(Token::Kind::sign, at_ + sign.size());
    add(Token::Kind::sign, at_ + 1);
  }

  bool at_line_start() const {
    std::size_t i = at_;
    while (i > 0 && (s_[i - 1] == ' ' || s_[i - 1] == '\t')) --i;
    return i == 0 || s_[i - 1] == '\n';
  }

  void directive() {
    std::size_t end = at_;
    do {
      end = std::min(s_.find('\n', end + 1), s_.size());
    } while (end < s_.size() && s_[end - 1] == '\\');
    if (end == s_.size() && s_[end - 1] == '\\') out_.complete = false;
    add(Token::Kind::directive, end);
  }

  // The end of R"x(...)x", with any prefix, if one starts here; else 0.
  std::size_t raw_string() {
    std::size_t i = at_;
    while (i < s_.size() && (s_[i] == 'u' || s_[i] == 'U' || s_[i] == 'L' || s_[i] == '8')) ++i;
    if (s_.substr(i, 2) != "R\"") return 0;
    const std::size_t open = s_.find('(', i);
    if (open == std::string_view::npos) return 0;
    return find(")" + std::string(s_.substr(i + 2, open - i - 2)) + "\"", open);
  }

  std::size_t quoted(std::size_t from) {
    const char quote = s_[from];
    for (std::size_t i = from + 1; i < s_.size() && s_[i] != '\n'; ++i) {
      if (s_[i] == '\\') ++i;
      else if (s_[i] == quote) return i + 1;
    }
    return std::min(s_.find('\n', from), s_.size());  // the compiler will say that it is not closed
  }

  void word() {
    std::size_t end = at_;
    while (end < s_.size() && in_word(s_[end])) ++end;
    if (end < s_.size() && (s_[end] == '"' || s_[end] == '\'') && end - at_ <= 2) {  // u8"text"
      const std::string_view prefix = s_.substr(at_, end - at_);
      if (prefix == "u" || prefix == "U" || prefix == "L" || prefix == "u8") return add(Token::Kind::text, quoted(end));
    }
    add(Token::Kind::word, end);
  }

  void number() {
    std::size_t end = at_;
    while (end < s_.size() && (in_word(s_[end]) || s_[end] == '.' || (s_[end] == '\'' && in_word(at(end + 1))) ||
                               ((s_[end] == '+' || s_[end] == '-') &&
                                std::string_view("eEpP").find(s_[end - 1]) != std::string_view::npos)))
      ++end;
    add(Token::Kind::number, end);
  }

  char at(std::size_t i) const { return i < s_.size() ? s_[i] : ' '; }

  std::string_view s_;
  std::size_t at_ = 0;
  int line_ = 1;
  Tokens out_;
};

bool opens(const Token& t) { return is(t, "(") || is(t, "[") || is(t, "{"); }
bool closes(const Token& t) { return is(t, ")") || is(t, "]") || is(t, "}"); }

}  // namespace

Tokens tokens_of(std::string_view source) { return Lexer(source).run(); }

std::size_t after_bracket(const std::vector<Token>& tokens, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < tokens.size(); ++i) {
    if (opens(tokens[i])) ++depth;
    if (closes(tokens[i]) && --depth <= 0) return i + 1;
  }
  return tokens.size() + 1;
}

std::size_t after_angle(const std::vector<Token>& tokens, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < tokens.size();) {
    const Token& t = tokens[i];
    if (opens(t)) {
      i = after_bracket(tokens, i);
      continue;
    }
    if (closes(t) || is(t, ";") || is(t, "&&") || is(t, "||") || is(t, "<<")) return open;
    if (is(t, "<")) ++depth;
    if (is(t, ">") && --depth == 0) return i + 1;
    ++i;
  }
  return open;
}

}  // namespace tapir::command
