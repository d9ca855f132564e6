#include <tapir/command/diagnostics.h>

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <vector>

namespace tapir::command {
namespace {

constexpr int kMostErrors = 5, kMostHints = 2;

struct Spot {
  std::string file;
  int line = 0, column = 0;
};

struct Record {
  enum class Kind { error, warning, note, frame };  // frame: "required from", the way into a template
  Kind kind;
  Spot spot;
  std::string message;
};

bool has(const std::string& s, const std::string& part) { return s.find(part) != std::string::npos; }

void replace_all(std::string& s, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = s.find(from, at)) != std::string::npos; at += to.size())
    s.replace(at, from.size(), to);
}

// Removes `open ... }` with what is nested in it.
void drop_nested(std::string& s, const std::string& open, char inner, char close) {
  for (std::size_t at; (at = s.find(open)) != std::string::npos;) {
    std::size_t end = at + open.size();
    for (int depth = 1; end < s.size() && depth > 0; ++end) depth += (s[end] == inner) - (s[end] == close);
    s.erase(at, end - at);
  }
}

std::string plain(std::string s) {
  drop_nested(s, " {aka ", '{', '}');
  drop_nested(s, " [with ", '[', ']');
  drop_nested(s, ", std::allocator<", '<', '>');
  replace_all(s, "std::__cxx11::", "std::");
  replace_all(s, "std::basic_string<char>", "std::string");
  replace_all(s, "std::basic_ostream<char>", "std::ostream");
  replace_all(s, " [-fpermissive]", "");
  return s;
}

// "file:12:3: error: message" and its kin; false for any other line.
bool read_record(const std::string& line, Record& r) {
  static const std::pair<const char*, Record::Kind> kinds[] = {
      {": fatal error: ", Record::Kind::error},    {": error: ", Record::Kind::error},
      {": warning: ", Record::Kind::warning},      {": note: ", Record::Kind::note},
      {":   required from ", Record::Kind::frame}, {":   required by ", Record::Kind::frame}};
  std::size_t at = std::string::npos;
  for (auto& [text, kind] : kinds)
    if (const std::size_t here = line.find(text); here < at)
      at = here, r.kind = kind, r.message = line.substr(here + std::string(text).size());
  if (at == std::string::npos || line[0] == ' ') return false;
  std::string place = line.substr(0, at);
  int numbers[2] = {0, 0}, count = 0;  // from the end
  while (count < 2) {
    const std::size_t colon = place.rfind(':');
    if (colon == std::string::npos || colon + 1 == place.size() ||
        !std::all_of(place.begin() + std::ptrdiff_t(colon) + 1, place.end(),
                     [](char c) { return c >= '0' && c <= '9'; }))
      break;
    numbers[count++] = std::atoi(place.c_str() + colon + 1);
    place.resize(colon);
  }
  r.spot = {place, count == 2 ? numbers[1] : numbers[0], count == 2 ? numbers[0] : 0};
  return true;
}

class Reader {
 public:
  Reader(const std::string& said, const DiagnosisContext& context) : context_(context) {
    std::istringstream in(said);
    for (std::string line; std::getline(in, line);)
      if (!line.empty()) lines_.push_back(line);
  }

  Diagnosis read() {
    std::vector<Record> group;  // an error with the frames before it and the notes after it
    bool begun = false;
    Record r;
    for (auto& line : lines_) {
      if (!read_record(line, r) || is_linkers(line)) continue;
      ++out_.cut;
      const bool starts = r.kind == Record::Kind::frame || r.kind != Record::Kind::note;
      if (begun && starts) show(group), group.clear(), begun = false;
      group.push_back(r);
      begun |= r.kind == Record::Kind::error || r.kind == Record::Kind::warning;
    }
    if (begun) show(group);
    linker();
    return out_;
  }

 private:
  bool others(const Spot& s) const { return context_.is_others(s.file); }

  // What linker() reads.
  static bool is_linkers(const std::string& line) {
    return has(line, "undefined reference") || has(line, "undefined symbol") || has(line, "ld returned") ||
           has(line, "linker command failed");
  }

  void put(const std::string& line) { out_.text += line + "\n"; }

  std::string line_of(const Spot& s) {
    auto known = context_.texts.find(s.file);
    std::string text;
    if (known != context_.texts.end()) {
      text = known->second;
    } else {
      std::ifstream in(s.file, std::ios::binary);
      text.assign(std::istreambuf_iterator<char>(in), {});
    }
    std::istringstream in(text);
    std::string line;
    for (int i = 0; i < s.line; ++i)
      if (!std::getline(in, line)) return "";
    return line;
  }

  void put_source(const Spot& s) {
    const std::string line = s.line ? line_of(s) : "";
    if (line.empty()) return;
    put(fmt::format("{:5} | {}", s.line, line));
    if (s.column < 1 || std::size_t(s.column) > line.size() + 1) return;
    std::string blank;
    for (char c : line.substr(0, std::size_t(s.column) - 1))
      if (c == '\t') blank += c;
      else if ((c & 0xC0) != 0x80) blank += ' ';
    put("      | " + blank + "^");
  }

  std::string place_of(const Spot& s) const {
    if (s.line == 0) return s.file + ": ";
    if (!context_.places && context_.texts.count(s.file)) return "";
    const std::string here = std::filesystem::current_path().native() + "/";
    const std::string file = s.file.rfind(here, 0) == 0 ? s.file.substr(here.size()) : s.file;
    return s.column ? fmt::format("{}:{}:{}: ", file, s.line, s.column) : fmt::format("{}:{}: ", file, s.line);
  }

  static const char* name_of(Record::Kind k) { return k == Record::Kind::warning ? "warning" : "error"; }

  // What an error in a header is to the user: the line that led there.
  static const Record* way_in(const std::vector<Record>& group, const Reader& self) {
    for (auto& r : group)
      if ((r.kind == Record::Kind::frame || (r.kind == Record::Kind::note && has(r.message, "requested here"))) &&
          r.spot.line && !self.others(r.spot))
        return &r;
    return nullptr;
  }

  void show(const std::vector<Record>& group) {
    const auto main = std::find_if(group.begin(), group.end(), [](auto& r) {
      return r.kind == Record::Kind::error || r.kind == Record::Kind::warning;
    });
    const bool within = others(main->spot);
    const Record* in = within ? way_in(group, *this) : nullptr;
    if (within && !in && main->kind == Record::Kind::warning) return;
    const Spot& spot = in ? in->spot : main->spot;
    const bool same_line = !seen_lines_.insert({spot.file, spot.line}).second;
    if (!seen_.insert({spot.file, spot.line, spot.column}).second || (in && same_line))
      return;  // follows from the first
    if (main->kind == Record::Kind::error && ++errors_ > kMostErrors) return;
    --out_.cut;
    put(fmt::format("{}{}: {}", place_of(spot), name_of(main->kind), plain(main->message)));
    if (!within || in) put_source(spot);
    if (in)
      put(fmt::format("        met in {}:{}, which this line calls", short_name(main->spot.file), main->spot.line));
    out_.cut -= in != nullptr;
    if (!within) notes(group);
  }

  static std::string short_name(const std::string& header) {
    for (const char* part : {"/include/tapir/", "/include/c++/"})
      if (const std::size_t at = header.find(part); at != std::string::npos) {
        const std::string rest = header.substr(at + std::string(part).size());
        return part[9] == 't' ? "tapir/" + rest : rest.substr(rest.find('/') + 1);  // without gcc's version
      }
    return header;
  }

  // Of notes about headers, only which functions of tapir there are, where one was named.
  void notes(const std::vector<Record>& group) {
    int hints = 0;
    bool parent = true;  // was the note shown that an indented one belongs to?
    for (auto& r : group) {
      if (r.kind != Record::Kind::note) continue;
      const bool indented = r.message.rfind("  ", 0) == 0;
      if (indented ? !parent : others(r.spot)) {
        parent = false;
        const bool tapirs = has(r.spot.file, "/include/tapir/") && !has(r.message, "operator<<") && !indented;
        if (!tapirs || hints >= kMostHints) continue;
        ++hints;
        --out_.cut;
        parent = true;
        put("        " + plain(r.message));
      } else {
        parent = true;
        --out_.cut;
        put(indented || others(r.spot) ? "        " + plain(r.message)
                                       : fmt::format("{}note: {}", place_of(r.spot), plain(r.message)));
        if (!others(r.spot) && !indented) put_source(r.spot);
      }
    }
  }

  // "file.cpp:6: undefined reference to `f()'", as ld, gold, lld and mold have it.
  void linker() {
    std::set<std::string> symbols;
    for (auto& line : lines_) {
      for (const char* text : {"undefined reference to ", "undefined symbol: "}) {
        const std::size_t at = line.find(text);
        if (at == std::string::npos) continue;
        std::string symbol = line.substr(at + std::string(text).size());
        if (symbol.size() > 2 && (symbol[0] == '`' || symbol[0] == '\'')) symbol = symbol.substr(1, symbol.size() - 2);
        if (symbols.insert(symbol).second) undefined(line.substr(0, at), symbol);
      }
      if (const std::size_t at = line.find("cannot find -l"); at != std::string::npos) {
        std::string name = line.substr(at + 14);
        name.resize(std::min(name.size(), name.find_first_of(": ")));
        put(fmt::format(
            "error: there is no library lib{0} where the linker looks. Install its -dev package, or say where "
            "it is: --flags '-L/folder -l{0}'.",
            name));
      }
    }
  }

  void undefined(std::string before, const std::string& symbol) {
    Spot spot;
    if (before.rfind("/usr/bin/ld: ", 0) == 0) before.erase(0, 13);
    for (auto& [name, text] : context_.texts) {
      const std::string file = std::filesystem::path(name).filename().string() + ":";
      const std::size_t at = before.find(file);
      if (at == std::string::npos) continue;
      spot = {name, std::atoi(before.c_str() + at + file.size()), 0};
      break;
    }
    put(fmt::format("{}error: '{}' is declared, but defined nowhere. Define it, or link what does: --flags -lNAME.",
                    spot.line ? place_of(spot) : "", plain(symbol)));
    put_source(spot);
  }

  const DiagnosisContext& context_;
  std::vector<std::string> lines_;
  Diagnosis out_;
  std::set<std::tuple<std::string, int, int>> seen_;
  std::set<std::pair<std::string, int>> seen_lines_;
  int errors_ = 0;
};

}  // namespace

Diagnosis diagnosis_of(const std::string& said, const DiagnosisContext& context) {
  return Reader(said, context).read();
}

}  // namespace tapir::command
