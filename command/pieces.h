// The pieces of a program: which are definitions that stand outside of functions, which are statements, and what they
// declare. Only as far as a session and a script without main() need it; the compiler has the last word.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace tapir::command {

struct Piece {
  enum class Kind {
    directive,   ///< a line of the preprocessor
    definition,  ///< function, class, template, using, namespace, ...
    variable,    ///< declares `names`
    statement,
    expression,  ///< the last piece, without its `;`
  };
  Kind kind;
  std::string_view text;           // of the source
  int line;                        // its first, from 1
  std::vector<std::string> names;  // what it declares, as far as that can be seen
};

/// In order. The view must outlive them.
std::vector<Piece> pieces_of(std::string_view source);

/// `#line` with the name in quotes.
std::string line_directive(int line, const std::string& file);

/// The piece with its line and column in `source`, which the compiler is to call `file`.
std::string placed(const Piece& piece, std::string_view source, const std::string& file);

/// Does the text end within a bracket, comment or directive, or with an operator that wants more?
bool goes_on(std::string_view source);

/// Has it a function main() of its own?
bool has_main(std::string_view source);

}  // namespace tapir::command
