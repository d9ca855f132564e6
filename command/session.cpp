// What the compiler gets for an entry, all within `namespace session`:
//
//   static tapir::Tensor& x = tapir::session::object<tapir::Tensor>(0);    variables of earlier entries, by address
//   inline Tensor twice(const Tensor& t) { return 2 * t; }                 definitions, as they were entered
//   inline namespace level_1 {                                             where a name is declared again: it hides
//   extern "C" void tapir_entry_7() { static Tensor y = twice(x); tapir::session::keep(1, y); ... }
//
// So every entry sees what came before it as the compiler saw it then, and an object has one address for all.
#include <tapir/command/diagnostics.h>
#include <tapir/command/pieces.h>
#include <tapir/command/session.h>
#include <tapir/command/thrown.h>
#include <tapir/command/tokens.h>

#include <fmt/format.h>

#include <dlfcn.h>
#include <algorithm>
#include <cstdio>
#include <iostream>

namespace tapir::command {
namespace {

struct Object {
  void* address = nullptr;
  std::string type;
};
std::vector<Object>& objects() {
  static std::vector<Object> all;
  return all;
}

// Can it be written in another entry? Not if it is the type of a lambda, or one of the session's own, which may be
// hidden by then.
bool can_be_spelled(const std::string& type) {
  for (const char* part : {"lambda", "anonymous", "unnamed", "session::", "tapir_entry", "{", "'"})
    if (type.find(part) != std::string::npos) return false;
  return !type.empty();
}

std::string first_word(std::string_view text) {
  const Tokens tokens = tokens_of(text);
  return tokens.list.empty() ? "" : std::string(tokens.list[0].text);
}

bool is_one_of(const std::string& word, std::initializer_list<const char*> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Functions are inline: they stand in the text of every later entry, and one copy of them is used.
std::string before_definition(const Piece& p) {
  const bool plain = is_one_of(
      first_word(p.text), {"template", "namespace", "class", "struct", "union", "enum", "using", "typedef", "concept",
                           "static_assert", "extern", "friend", "inline", "static", "constexpr", "consteval", "["});
  return plain ? "" : "inline\n";
}

std::string before_variable(const Piece& p) {
  return is_one_of(first_word(p.text), {"static", "thread_local", "extern"}) ? "" : "static\n";
}

// Without the names that only stand in what the compiler gets.
std::string as_entered(std::string said) {
  for (const std::string name : {"session::", "level_"})
    for (std::size_t at = 0; (at = said.find(name, at)) != std::string::npos;) {
      const bool ours = at < 7 || said.compare(at - 7, 7, "tapir::") != 0;
      const std::size_t end = name == "level_" ? said.find("::", at) : at;
      if (!ours || end == std::string::npos) at += name.size();
      else said.erase(at, name == "level_" ? end + 2 - at : name.size());
    }
  return said;
}

}  // namespace

struct Session::Entry {
  std::string name, text, function;
  std::vector<Piece> pieces;
  std::vector<int> slots;  // the first of each piece
  bool opens_level = false;

  std::string text_of(const Piece& p) const { return placed(p, text, name); }
};

Session::Session(const CompileOptions& options) : compiler_(options), folder_(fs::temp_directory_path()) {}
Session::~Session() = default;

std::string Session::source_of(const Entry& e) const {
  std::string directives = directives_, definitions, body;
  for (std::size_t i = 0; i < e.pieces.size(); ++i) {
    const Piece& p = e.pieces[i];
    switch (p.kind) {
      case Piece::Kind::directive:
        directives += e.text_of(p);
        break;
      case Piece::Kind::definition:
        definitions += before_definition(p) + e.text_of(p);
        break;
      case Piece::Kind::expression:
        body += fmt::format("(\n{}, ::tapir::session::Show());\n", e.text_of(p));
        break;
      case Piece::Kind::statement:
        body += e.text_of(p);
        break;
      case Piece::Kind::variable:
        body += before_variable(p) + e.text_of(p) + ";\n";
        for (std::size_t k = 0; k < p.names.size(); ++k)
          body += fmt::format("::tapir::session::keep({}, {});\n", e.slots[i] + int(k), p.names[k]);
    }
  }
  const int levels = levels_ + e.opens_level;
  return directives + "namespace session {\nusing namespace tapir;\n" + items_ +
         (e.opens_level ? fmt::format("inline namespace level_{} {{\n", levels) : "") + definitions +
         fmt::format("extern \"C\" void {}() {{\n{}}}\n", e.function, body) +
         std::string(std::size_t(levels) + 1, '}') + "\n";
}

bool Session::enter(const std::string& text) {
  Entry e{fmt::format("[{}]", ++entries_), text, fmt::format("tapir_entry_{}", entries_), {}, {}, false};
  e.pieces = pieces_of(e.text);
  if (e.pieces.empty()) return --entries_, true;
  for (auto& p : e.pieces) {
    e.slots.push_back(slots_);
    if (p.kind == Piece::Kind::variable) slots_ += int(p.names.size());
    for (auto& n : p.names) e.opens_level |= level_names_.count(n) != 0;
  }
  objects().resize(std::size_t(slots_));
  return load_and_run(e);
}

bool Session::load_and_run(const Entry& e) {
  const Compiler::Job job{folder_.path() / (e.function + ".cpp"), folder_.path() / (e.function + ".so"),
                          fs::current_path()};
  write_file(job.source, source_of(e));
  const Finished done = compiler_.compile(Compiler::Makes::module, job);
  if (!done.good()) {
    const DiagnosisContext context{[&](const std::string& f) { return compiler_.is_header_of_others(f); },
                                   {{e.name, e.text}},
                                   e.text.find('\n') != std::string::npos};
    const Diagnosis d = diagnosis_of(done.output, context);
    const bool raw = compiler_.options().full || d.text.empty();
    std::fputs((raw ? done.output : as_entered(d.text)).c_str(), stderr);
    return false;
  }
  void* module = dlopen(job.out.c_str(), RTLD_NOW | RTLD_GLOBAL);
  const auto function = module ? reinterpret_cast<void (*)()>(dlsym(module, e.function.c_str())) : nullptr;
  if (!function) {
    std::string why = dlerror();
    if (const auto at = why.find("undefined symbol: "); at != std::string::npos) {
      int status = 0;
      char* plain = abi::__cxa_demangle(why.c_str() + at + 18, nullptr, nullptr, &status);
      if (plain) why = fmt::format("'{}' is declared, but defined nowhere", as_entered(plain));
      std::free(plain);
    }
    std::fprintf(stderr, "error: %s.\n", why.c_str());
    return false;
  }
  bool good = true;
  try {
    function();
  } catch (...) {
    show_exception(std::current_exception());
    good = false;
  }
  std::cout.flush();
  std::fflush(stdout);
  remember(e);
  return good;
}

// Of an entry that threw, the variables that it had made by then.
void Session::remember(const Entry& e) {
  if (e.opens_level) {
    items_ += fmt::format("inline namespace level_{} {{\n", ++levels_);
    level_names_.clear();
  }
  for (std::size_t i = 0; i < e.pieces.size(); ++i) {
    const Piece& p = e.pieces[i];
    if (p.kind == Piece::Kind::directive) directives_ += e.text_of(p);
    if (p.kind == Piece::Kind::definition) {
      items_ += before_definition(p) + e.text_of(p);
      for (auto& n : p.names) declare(n, std::string(p.text.substr(0, p.text.find('{'))));
    }
    if (p.kind == Piece::Kind::variable)
      for (std::size_t k = 0; k < p.names.size(); ++k)
        remember_variable(e.text_of(p) + ";", p.names[k], e.slots[i] + int(k));
  }
}

void Session::remember_variable(const std::string& declaration, const std::string& name, int slot) {
  const Object& o = objects()[std::size_t(slot)];
  if (!o.address) return;
  const std::string& type = o.type;
  const bool simple = type.find_first_of("[(") == std::string::npos;
  std::string spelled = simple ? type : fmt::format("std::type_identity_t<{}>", type);
  if (!can_be_spelled(type)) {  // what the same declaration would have here
    items_ += fmt::format("inline auto tapir_type_{}() {{\n{}\nreturn std::type_identity<decltype({})>();\n}}\n", slot,
                          declaration, name);
    spelled = fmt::format("std::remove_reference_t<decltype(tapir_type_{}())::type>", slot);
  }
  items_ += fmt::format("static {0}& {1} = ::tapir::session::object<{0}>({2});\n", spelled, name, slot);
  declare(name, as_entered(type));
}

void Session::declare(const std::string& name, const std::string& what) {
  level_names_.insert(name);
  std::string line = what.substr(0, what.find('\n'));
  while (!line.empty() && line.back() == ' ') line.pop_back();
  auto it = std::find_if(declared_.begin(), declared_.end(), [&](auto& d) { return d.first == name; });
  if (it != declared_.end()) declared_.erase(it);
  declared_.emplace_back(name, line);
}

bool Session::show_type(const std::string& expression) {
  return enter(fmt::format("::tapir::session::show_type<decltype({})>();", expression));
}

std::string Session::names() const {
  std::size_t width = 0;
  for (auto& [name, what] : declared_) width = std::max(width, name.size());
  std::string out;
  for (auto& [name, what] : declared_) out += fmt::format("{:{}}  {}\n", name, width, what);
  return out;
}

}  // namespace tapir::command

extern "C" void tapir_session_keep(int slot, const void* object, std::string_view type) {
  tapir::command::objects()[std::size_t(slot)] = {const_cast<void*>(object), std::string(type)};
}
extern "C" void* tapir_session_object(int slot) { return tapir::command::objects()[std::size_t(slot)].address; }
