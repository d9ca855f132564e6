// C++ text as tokens, as far as is needed to see where a statement ends. No preprocessor: a directive is one token.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace tapir::command {

struct Token {
  enum class Kind { word, number, text, sign, directive };
  Kind kind;
  std::string_view text;  // of the source
  std::size_t begin, end;
  int line;  // from 1
};

struct Tokens {
  std::vector<Token> list;
  bool complete = true;  // false: a string, comment or directive goes on beyond the end
};

/// The view must outlive the tokens.
Tokens tokens_of(std::string_view source);

inline bool is(const Token& t, std::string_view text) { return t.text == text && t.kind != Token::Kind::text; }

/// The index just after the bracket that closes the one at `open`; past the end if nothing closes it.
std::size_t after_bracket(const std::vector<Token>& tokens, std::size_t open);
/// The same for `<`, or `open` where it does not seem to open template arguments.
std::size_t after_angle(const std::vector<Token>& tokens, std::size_t open);

}  // namespace tapir::command
