// The cache: KEY.inputs lists what a script includes, where KEY is of the script, the compiler and the library; the
// program itself is named after KEY and the contents of all those files. So going back to an earlier text finds the
// earlier program, and nothing needs to be locked: files appear whole, and two who make the same make the same.
#include <tapir/command/diagnostics.h>
#include <tapir/command/pieces.h>
#include <tapir/command/run.h>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <iterator>
#include <optional>
#include <sstream>

namespace tapir::command {
namespace {

constexpr std::uint64_t kMostBytes = 256 << 20;
constexpr std::size_t kMostPrograms = 256;

struct Script {
  std::string name;  // as messages have it
  std::string text;  // the user's
  fs::path folder;   // whose files it includes
};

Script read_script(const std::string& file) {
  Script s{file, "", fs::current_path()};
  if (file == "-") {
    s.name = "<stdin>";
    s.text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    s.text = read_file(file);
    s.folder = fs::canonical(file).parent_path();
  }
  return s;
}

// What the compiler reads. Lines and columns are the user's.
std::string program_text(const Script& script) {
  std::string text = script.text;
  if (text.rfind("#!", 0) == 0) text.replace(0, 2, "//");
  if (has_main(text)) return line_directive(1, script.name) + text;
  std::string outside = "using namespace tapir;\n", inside;
  for (auto& p : pieces_of(text)) {
    const bool out = p.kind == Piece::Kind::directive || p.kind == Piece::Kind::definition;
    (out ? outside : inside) += placed(p, text, script.name);
  }
  return outside + "int main(int argc, char** argv) {\nconst std::vector<std::string> args(argv + 1, argv + argc);\n" +
         inside + "}\n";
}

Words lines_of(const std::string& text) {
  Words out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

// The files that make's rule names, without those that are not the user's.
Words inputs_from(const std::string& rule, const fs::path& source, const Compiler& compiler) {
  Words out;
  std::string name;
  std::size_t i = rule.find(": ");
  for (i = i == std::string::npos ? rule.size() : i + 2; i <= rule.size(); ++i) {
    const char c = i < rule.size() ? rule[i] : ' ';
    if (c == '\\' && i + 1 < rule.size() && rule[i + 1] != '\n') name += rule[++i];
    else if (c == '\\') ++i;
    else if (c == '$' && i + 1 < rule.size() && rule[i + 1] == '$') name += rule[++i];
    else if (c != ' ' && c != '\n') name += c;
    else if (!name.empty()) {
      if (name != source && !compiler.is_header_of_others(name)) out.push_back(fs::absolute(name));
      name.clear();
    }
  }
  return out;
}

// Names the program of a script with these inputs as they are now; nothing if one of them is gone.
std::optional<fs::path> program_for(const std::string& key, const Words& inputs) {
  Digest d;
  d << key;
  for (auto& file : inputs) {
    std::error_code wrong;
    if (!fs::is_regular_file(file, wrong)) return {};
    d << file << read_file(file);
  }
  return programs_folder() / d.text();
}

// Those unused for longest go first.
void keep_within_bounds() {
  struct Entry {
    fs::file_time_type used;
    std::uint64_t size;
    fs::path path;
  };
  std::vector<Entry> all;
  std::error_code wrong;
  for (auto& e : fs::directory_iterator(programs_folder(), wrong))
    all.push_back({e.last_write_time(wrong), e.is_regular_file(wrong) ? e.file_size(wrong) : 0, e.path()});
  std::sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.used > b.used; });
  const auto safe = fs::file_time_type::clock::now() - std::chrono::hours(1);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    bytes += all[i].size;
    const bool leftover =
        fs::is_directory(all[i].path, wrong) && all[i].used < safe;  // of a compilation that was killed
    if (leftover || bytes > kMostBytes || i >= 2 * kMostPrograms) fs::remove_all(all[i].path, wrong);
  }
}

void show(const Diagnosis& d, bool failed, const std::string& all) {
  if (failed && d.text.empty()) {
    std::fputs(all.c_str(), stderr);
    return;
  }
  std::fputs(d.text.c_str(), stderr);
  if (failed && d.cut > 0)
    std::fprintf(stderr, "(%d more %s of the compiler; tapir run --full shows everything.)\n", d.cut,
                 d.cut == 1 ? "message" : "messages");
}

fs::path compiled(const Script& script, const std::string& key, Compiler& compiler) {
  TemporaryFolder folder(programs_folder());
  // The linker knows it by this name.
  const fs::path source = script.name == "-" ? "script.cpp" : fs::path(script.name).filename();
  Compiler::Job job{folder.path() / source, folder.path() / "program", script.folder, folder.path() / "inputs"};
  write_file(job.source, program_text(script));
  Finished done = compiler.compile(Compiler::Makes::program, job);
  if (!done.good() && done.output.find("undefined reference") != std::string::npos) {
    job.debug = true;  // once more, so that the linker can name lines
    done = compiler.compile(Compiler::Makes::program, job);
  }
  const bool full = compiler.options().full;
  if (!done.good() && full) std::fputs(done.output.c_str(), stderr);
  if (!done.output.empty() && !full)
    show(diagnosis_of(done.output, {[&](const std::string& f) { return compiler.is_header_of_others(f); },
                                    {{script.name, script.text}}}),
         !done.good(), done.output);
  if (!done.good()) throw Failure("", 1);

  const Words inputs = inputs_from(read_file(job.dependencies), job.source, compiler);
  const auto program = program_for(key, inputs);
  if (!program) throw Failure("a file that the script includes vanished while it was compiled.");
  fs::rename(job.out, *program);
  std::string list;
  for (auto& f : inputs) list += f + "\n";
  write_file(programs_folder() / (key + ".inputs"), list);
  keep_within_bounds();
  return *program;
}

std::optional<fs::path> known(const std::string& key) {
  std::error_code wrong;
  const fs::path list = programs_folder() / (key + ".inputs");
  if (!fs::exists(list, wrong)) return {};
  const auto program = program_for(key, lines_of(read_file(list)));
  if (!program || !fs::exists(*program, wrong)) return {};
  for (auto& p : {list, *program}) fs::last_write_time(p, fs::file_time_type::clock::now(), wrong);
  return program;
}

}  // namespace

fs::path programs_folder() { return cache_folder() / "programs"; }

int run_script(const std::string& file, const Words& arguments, const CompileOptions& options) {
  const Script script = read_script(file);
  Compiler compiler(options);
  std::error_code wrong;
  fs::create_directories(programs_folder(), wrong);
  Digest d;
  d << compiler.key() << script.name << script.folder.native() << script.text;
  const std::string key = d.text();

  std::vector<char*> words{const_cast<char*>(script.name.c_str())};
  for (auto& a : arguments) words.push_back(const_cast<char*>(a.c_str()));
  words.push_back(nullptr);
  const auto before = options.full ? std::nullopt : known(key);
  const fs::path program = before ? *before : compiled(script, key, compiler);
  execv(program.c_str(), words.data());
  if (before) {  // another process may just have made room
    const fs::path again = compiled(script, key, compiler);
    execv(again.c_str(), words.data());
  }
  throw Failure(fmt::format("{} does not start: {}.", script.name, std::strerror(errno)));
}

}  // namespace tapir::command
