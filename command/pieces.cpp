#include <tapir/command/pieces.h>
#include <tapir/command/tokens.h>

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <span>

namespace tapir::command {
namespace {

using List = std::vector<Token>;
using Kind = Piece::Kind;

bool is_any(const Token& t, std::initializer_list<std::string_view> words) {
  return t.kind != Token::Kind::text && std::find(words.begin(), words.end(), t.text) != words.end();
}

bool opens_definition(const Token& t) {
  return is_any(t, {"template", "namespace", "class", "struct", "union", "enum", "using", "typedef", "concept",
                    "static_assert", "extern", "friend"});
}
bool opens_statement(const Token& t) {
  return is_any(t, {"if", "for", "while", "do", "switch", "try", "return", "throw", "delete", "goto", "break",
                    "continue", "case", "default", "{"});
}
// Words that no type begins with.
bool opens_expression(const Token& t) {
  return is_any(t, {"new", "sizeof", "alignof", "this", "not", "true", "false", "nullptr", "co_await"});
}
bool is_specifier(const Token& t) {
  return is_any(t, {"const", "constexpr", "constinit", "consteval", "static", "inline", "thread_local", "volatile"});
}
bool is_builtin_type(const Token& t) {
  return is_any(t, {"auto", "void", "bool", "char", "short", "int", "long", "signed", "unsigned", "float", "double"});
}

// What one piece is, from its tokens.
class Reader {
 public:
  explicit Reader(std::span<const Token> tokens) : t_(tokens.begin(), tokens.end()) {}

  Kind kind(std::vector<std::string>& names) {
    if (t_.empty()) return Kind::statement;
    if (is(0, "template")) {
      std::size_t at = 1;
      if (is(1, "<")) at = after_angle(t_, 1);
      at = after_requires(std::max<std::size_t>(at, 1));
      Reader rest{std::span(t_).subspan(at)};
      rest.kind(names);
      return Kind::definition;
    }
    if (opens_definition(t_[0])) {
      name_definition(names);
      return Kind::definition;
    }
    if (opens_statement(t_[0])) return Kind::statement;
    return declaration(names);
  }

 private:
  bool is(std::size_t i, std::string_view text) const { return i < t_.size() && command::is(t_[i], text); }
  bool word(std::size_t i) const { return i < t_.size() && t_[i].kind == Token::Kind::word; }
  std::size_t bracket(std::size_t i) const { return std::min(after_bracket(t_, i), t_.size()); }

  // Past `requires A<T> && (B) || requires(T t) { ... }`, if that is what stands at `i`.
  std::size_t after_requires(std::size_t i) const {
    if (!is(i, "requires")) return i;
    do {
      ++i;
      if (is(i, "requires")) {
        if (is(++i, "(")) i = bracket(i);
        i = std::min(bracket(i), t_.size());
      } else if (is(i, "(")) {
        i = bracket(i);
      } else {
        bool sure = false;
        i = type(i, sure);
      }
    } while (is(i, "&&") || is(i, "||"));
    return std::min(i, t_.size());
  }

  void name_definition(std::vector<std::string>& names) const {
    if (is(0, "using") && is(1, "namespace")) return;
    if (is_any(t_[0], {"namespace", "static_assert", "extern", "friend"})) return;
    std::size_t i = 1;
    if (is(0, "typedef")) {
      i = t_.size();
      while (i > 0 && !word(i - 1)) --i;
      if (i > 0) names.emplace_back(t_[i - 1].text);
      return;
    }
    if (is(0, "enum") && (is(1, "class") || is(1, "struct"))) ++i;
    while (is(i, "[")) i = bracket(i);
    if (word(i)) names.emplace_back(t_[i].text);
  }

  // Past a type from `i`; sets `sure` where it can be nothing else. Returns `i` if there is none.
  std::size_t type(std::size_t i, bool& sure) const {
    const std::size_t begin = i;
    while (i < t_.size() && (is_specifier(t_[i]) || is_any(t_[i], {"typename", "struct", "class", "enum"})))
      sure = true, ++i;
    if (i < t_.size() && is_builtin_type(t_[i])) {
      while (i < t_.size() && (is_builtin_type(t_[i]) || is_specifier(t_[i]))) ++i;
      if (!is(i, "(") && !is(i, "{")) sure = true;  // int(x) is an expression
      return i;
    }
    if (is(i, "decltype") && is(i + 1, "(")) return sure = true, bracket(i + 1);
    if (is(i, "::")) ++i;
    for (;;) {
      if (!word(i) || opens_statement(t_[i]) || opens_expression(t_[i])) return begin;
      ++i;
      if (is(i, "<")) {
        const std::size_t after = after_angle(t_, i);
        if (after == i) return begin;
        i = after;
      }
      if (!is(i, "::")) break;
      ++i;
    }
    while (i < t_.size() && is_specifier(t_[i])) sure = true, ++i;
    return i;
  }

  Kind declaration(std::vector<std::string>& names) const {
    std::size_t i = 0;
    while (is(i, "[") && is(i + 1, "[")) i = bracket(i);
    bool sure = false;
    const std::size_t begin = i;
    i = type(i, sure);
    if (i == begin) return Kind::statement;
    bool pointer = false;
    while (i < t_.size() && is_any(t_[i], {"*", "&", "&&", "const"})) pointer = true, ++i;
    if (is(i, "[") && is(i - 1, "auto")) return binding(i, names);
    if (is(i, "[") && pointer && is(begin, "auto")) return binding(i, names);
    if (is(i, "[") && pointer && is(begin + 1, "auto")) return binding(i, names);
    if (is(i, "operator")) return Kind::definition;
    if (!word(i) || i == begin) return Kind::statement;
    if (pointer && !sure && !is(i + 1, "=") && !(is(i + 1, ";") && i + 2 == t_.size())) {
      if (!is(i + 1, "(")) return Kind::statement;  // a & b
      const std::size_t after = bracket(i + 1);
      if (!is(after, "{")) return Kind::statement;  // a * f(b), unless it is a function
    }
    const std::size_t name = i++;
    if (is(i, "<")) return Kind::statement;
    if (is(i, "::")) return Kind::definition;  // a member, defined outside
    if (is(i, "(") && function(i)) {
      names.emplace_back(t_[name].text);
      return Kind::definition;
    }
    if (i < t_.size() && !is_any(t_[i], {"=", "(", "{", "[", ";", ","})) return Kind::statement;
    names_from(name, names);
    return Kind::variable;
  }

  Kind binding(std::size_t i, std::vector<std::string>& names) const {
    for (const std::size_t end = bracket(i); i < end; ++i)
      if (word(i)) names.emplace_back(t_[i].text);
    return Kind::variable;
  }

  // Does a function begin at these parentheses, rather than a variable with arguments?
  bool function(std::size_t open) const {
    std::size_t after = bracket(open);
    while (after < t_.size() && is_any(t_[after], {"const", "noexcept", "&", "override"})) ++after;
    if (is(after, "{") || is(after, "->") || is(after, "requires") || is(after, "try")) return true;
    if (after == open + 2) return true;  // ()
    Reader parameter{std::span(t_).subspan(open + 1, after - open - 2)};
    bool sure = false;
    if (parameter.type(0, sure) == parameter.t_.size() && sure) return true;  // (int)
    std::vector<std::string> ignored;
    return parameter.kind(ignored) == Kind::variable;
  }

  // `a = 1, *b, c{2}` from the first name on.
  void names_from(std::size_t i, std::vector<std::string>& names) const {
    names.emplace_back(t_[i].text);
    for (++i; i < t_.size();) {
      if (is(i, "(") || is(i, "[") || is(i, "{")) {
        i = bracket(i);
      } else if (const std::size_t after = is(i, "<") ? after_angle(t_, i) : i; after != i) {
        i = after;
      } else if (is(i, ",")) {
        while (i < t_.size() && is_any(t_[i], {",", "*", "&"})) ++i;
        if (word(i)) names.emplace_back(t_[i].text);
      } else {
        ++i;
      }
    }
  }

  List t_;
};

// Is the brace at `i` the body of a requires-expression? Then what holds it goes on behind.
bool is_requirement(const List& t, std::size_t begin, std::size_t i) {
  if (i == begin) return false;
  if (is(t[i - 1], "requires")) return true;
  if (!is(t[i - 1], ")")) return false;
  int depth = 0;
  for (std::size_t k = i; k-- > begin;) {
    if (is(t[k], ")")) ++depth;
    if (is(t[k], "(") && --depth == 0) return k > begin && is(t[k - 1], "requires");
  }
  return false;
}

// Does the piece that began at `begin` go on after the closing brace before `next`?
bool continues(const List& t, std::size_t begin, std::size_t next) {
  if (next >= t.size()) return false;
  const Token& n = t[next];
  if (n.kind == Token::Kind::directive) return false;
  if (is_any(t[begin], {"struct", "class", "union", "enum"})) return true;
  if (is(t[begin], "template"))
    for (std::size_t k = begin + 1; k < next; ++k) {
      if (is(t[k], "<")) k = std::max(after_angle(t, k), k + 1) - 1;
      else return is_any(t[k], {"struct", "class", "union"}) || is(n, ";");
    }
  if (is_any(n, {"else", "catch"})) return true;
  if (is(n, "while")) return is(t[begin], "do");
  if (opens_statement(t[begin]) || is_any(t[begin], {"namespace", "extern"})) return false;
  if (is_any(n, {"++", "--", "[", "(", "*", "&", "-", "+"})) {  // of this expression, or the start of the next piece
    std::size_t open = next;
    int depth = 0;
    while (open-- > begin) {
      if (is(t[open], "}")) ++depth;
      if (is(t[open], "{") && --depth == 0) break;
    }
    std::vector<std::string> ignored;
    return Reader(std::span(t).subspan(begin, open + 1 - begin)).kind(ignored) != Kind::definition;
  }
  return n.kind == Token::Kind::sign && !is_any(n, {"{", "}", "~", "!", "::"});
}

// Does the end leave something out that must follow?
bool wants_more(const List& all) {
  if (all.empty()) return false;
  if (is_any(all.back(), {",", "=", "+", "-", "<<", "&&", "||", "?", "->", ".", "else", "do", "try"})) return true;
  const auto pieces = pieces_of(std::string_view(
      all[0].text.data(), std::size_t(all.back().text.data() - all[0].text.data()) + all.back().text.size()));
  const List t = tokens_of(pieces.back().text).list;
  if (is(t[0], "template")) return !is(t.back(), ";") && !is(t.back(), "}");
  if (!is_any(t[0], {"for", "if", "while", "switch"})) return false;
  const std::size_t open = t.size() > 1 && is(t[1], "constexpr") ? 2 : 1;
  return open < t.size() && after_bracket(t, open) == t.size();  // no body yet
}

}  // namespace

std::vector<Piece> pieces_of(std::string_view source) {
  const Tokens tokens = tokens_of(source);
  const List& t = tokens.list;
  std::vector<Piece> out;
  for (std::size_t begin = 0; begin < t.size();) {
    if (t[begin].kind == Token::Kind::directive) {
      out.push_back({Kind::directive, t[begin].text, t[begin].line, {}});
      ++begin;
      continue;
    }
    std::size_t i = begin;
    bool closed = false;
    while (i < t.size() && !closed) {
      if (t[i].kind == Token::Kind::directive) break;
      if (is(t[i], "{") && !is_requirement(t, begin, i)) {
        i = std::min(after_bracket(t, i), t.size());
        closed = !continues(t, begin, i);
      } else if (is(t[i], "(") || is(t[i], "[") || is(t[i], "{")) {
        i = std::min(after_bracket(t, i), t.size());
      } else {
        closed = is(t[i++], ";");
        if (closed && i < t.size() && is(t[i], "else")) closed = false;  // if (a) b; else c;
        if (closed && i < t.size() && is(t[i], "while") && is(t[begin], "do")) closed = false;
      }
    }
    Piece p{Kind::statement, source.substr(t[begin].begin, t[i - 1].end - t[begin].begin), t[begin].line, {}};
    p.kind = Reader(std::span(t).subspan(begin, i - begin)).kind(p.names);
    if (p.kind == Kind::statement && !is(t[i - 1], ";") && !opens_statement(t[begin])) p.kind = Kind::expression;
    out.push_back(std::move(p));
    begin = i;
  }
  return out;
}

std::string line_directive(int line, const std::string& file) {
  std::string quoted;
  for (char c : file) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return fmt::format("#line {} \"{}\"\n", line, quoted);
}

std::string placed(const Piece& p, std::string_view source, const std::string& file) {
  const auto at = std::size_t(p.text.data() - source.data());
  const std::size_t newline = at ? source.rfind('\n', at - 1) : std::string_view::npos;
  const std::size_t column = newline == std::string_view::npos ? at : at - newline - 1;
  return line_directive(p.line, file) + std::string(column, ' ') + std::string(p.text) + "\n";
}

bool goes_on(std::string_view source) {
  const Tokens tokens = tokens_of(source);
  int depth = 0;
  for (auto& t : tokens.list) {
    if (is_any(t, {"(", "[", "{"})) ++depth;
    if (is_any(t, {")", "]", "}"})) --depth;
  }
  return depth > 0 || !tokens.complete || wants_more(tokens.list);
}

bool has_main(std::string_view source) {
  const List t = tokens_of(source).list;
  for (std::size_t i = 1; i + 1 < t.size(); ++i)
    if (is(t[i], "main") && is(t[i + 1], "(") && is_any(t[i - 1], {"int", "auto"})) return true;
  return false;
}

}  // namespace tapir::command
