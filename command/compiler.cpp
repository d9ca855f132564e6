#include <tapir/command/compiler.h>
#include <tapir_command_config.h>

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace tapir::command {
namespace {

constexpr int kPrecompiledKept = 3;  // of some 80 MB each
constexpr int kOldestClang = 16;     // before, it does not know std::source_location

bool is_link_flag(const std::string& flag) {
  return flag.rfind("-l", 0) == 0 || flag.rfind("-L", 0) == 0 || flag.rfind("-Wl,", 0) == 0;
}

void append(Words& to, const Words& words) { to.insert(to.end(), words.begin(), words.end()); }

// The ones unused for longest go, unless somebody may be at them right now.
void drop_old_headers() {
  std::vector<std::pair<fs::file_time_type, fs::path>> all;
  std::error_code wrong;
  for (auto& entry : fs::directory_iterator(precompiled_folder(), wrong))
    all.emplace_back(entry.last_write_time(wrong), entry.path());
  std::sort(all.rbegin(), all.rend());
  const auto safe = fs::file_time_type::clock::now() - std::chrono::minutes(10);
  for (std::size_t i = kPrecompiledKept; i < all.size(); ++i)
    if (all[i].first < safe) fs::remove_all(all[i].second, wrong);
}

}  // namespace

Words chosen_compiler() {
  const char* asked = std::getenv("CXX");
  if (asked && *asked) {
    Words w = words_of(asked);
    if (!w.empty() && !program_called(w[0]).empty()) return w;
    throw Failure(fmt::format("no C++ compiler: CXX names {}, which is not to be found.", asked), 127);
  }
  for (const char* name : {"g++", "clang++"})
    if (!program_called(name).empty()) return {name};
  throw Failure(
      "no C++ compiler: neither g++ nor clang++ is in PATH. Install one (Debian: apt-get install g++), or name it: "
      "CXX=/path/to/g++.",
      127);
}

fs::path precompiled_folder() { return cache_folder() / "precompiled"; }

Compiler::Compiler(const CompileOptions& options) : options_(options), compiler_(chosen_compiler()) {
  // -O1 compiles a script fastest of all, and loops of the script's own are not slow (docs/scripting.md). -fPIC: one
  // precompiled header serves scripts and sessions.
  flags_ = {"-std=c++20", "-O1", "-fPIC", "-Wall", "-Wno-unused"};
  append(flags_, words_of(kBuildFlags));
  for (auto& f : words_of(options.flags)) (is_link_flag(f) ? link_flags_ : flags_).push_back(f);

  Digest d;
  d << kVersion << place().headers.native();
  if (!place().shared) d.look_of(place().library);  // a program that is linked to the other kind takes it as it is
  for (auto& h : place().public_headers) d << read_file(place().headers / "tapir" / h);
  d.look_of(fs::canonical(program_called(compiler_[0])));
  for (auto* words : {&compiler_, &flags_, &link_flags_})
    for (auto& w : *words) d << w;
  if (!options.flags.empty()) d << fs::current_path().native();
  for (const char* name : {"CPATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH"})
    if (const char* value = std::getenv(name)) d << name << value;
  key_ = d.text();
  folder_ = precompiled_folder() / key_;
}

bool Compiler::is_header_of_others(const std::string& file) const {
  return file.rfind(folder_.native(), 0) == 0 || file.rfind(place().headers.native(), 0) == 0 ||
         file.rfind("/usr/", 0) == 0 || file.rfind("<built-in>", 0) == 0;
}

void Compiler::prepare() {
  const std::string said = run_program({compiler_[0], "--version"}).output;
  const std::size_t at = said.find("clang version ");
  clang_ = at != std::string::npos;
  if (clang_ && std::atoi(said.c_str() + at + 14) < kOldestClang)
    throw Failure(fmt::format("{} is {}; tapir's headers need clang {} or later, or g++ 12 or later.", compiler_[0],
                              said.substr(0, said.find('\n')), kOldestClang));
  std::error_code wrong;
  fs::create_directories(folder_ / "include", wrong);
  if (fs::exists(folder_ / "ready")) {
    fs::last_write_time(folder_, fs::file_time_type::clock::now(), wrong);
    return;
  }
  FileLock lock(folder_ / "lock");
  if (!fs::exists(folder_ / "ready")) precompile();
}

// In place, under the lock: clang keeps the path in what it makes.
void Compiler::precompile() {
  if (isatty(2)) std::fputs("tapir: preparing its header for this compiler; this happens once.\n", stderr);
  std::error_code wrong;
  fs::remove(folder_ / "include/tapir", wrong);
  // A link of its own: a system folder as -isystem would break the compiler's own headers.
  fs::create_directory_symlink(place().headers / "tapir", folder_ / "include/tapir");
  write_file(folder_ / "script.h", "#include <tapir/command/script.h>\n");
  const fs::path result = folder_ / (clang_ ? "script.h.pch" : "script.h.gch");
  Words header = compiler_, launch = compiler_;
  for (Words* w : {&header, &launch}) {
    append(*w, flags_);
    append(*w, {"-isystem", folder_ / "include"});
  }
  if (!clang_) header.push_back("-fno-canonical-system-headers");  // so that errors name the link
  append(header, {"-x", "c++-header", folder_ / "script.h", "-o", result.native() + ".part"});
  if (clang_) append(header, {"-Xclang", "-fno-pch-timestamp"});
  append(launch, {"-x", "c++", "-c", folder_ / "include/tapir/command/launch.h", "-o", folder_ / "launch.o"});
  for (auto& w : {header, launch})
    if (const Finished done = run_program(w); !done.good())
      throw Failure(fmt::format("{} cannot compile tapir's headers (its flags: {}). It says:\n{}", compiler_[0],
                                fmt::join(flags_, " "), done.output));
  fs::rename(result.native() + ".part", result);
  write_file(folder_ / "ready", "");
  drop_old_headers();
}

Words Compiler::command(Makes makes, const Job& job) const {
  Words w = compiler_;
  append(w, flags_);
  append(w, {"-fdiagnostics-color=never", "-fmax-errors=20"});
  if (job.debug) w.push_back("-g1");
  if (!job.quoted_includes.empty()) append(w, {"-iquote", job.quoted_includes});
  append(w, {"-isystem", folder_ / "include"});
  if (clang_) append(w, {"-include-pch", folder_ / "script.h.pch"});
  else
    append(w, {job.debug ? "-Wno-invalid-pch" : "-Winvalid-pch", "-include", folder_ / "script.h",
               "-fno-canonical-system-headers", "-fdiagnostics-column-unit=byte"});
  if (!job.dependencies.empty()) append(w, {"-MMD", "-MF", job.dependencies});
  append(w, {"-x", "c++", job.source, "-x", "none"});
  if (makes == Makes::module) w.push_back("-shared");
  else append(w, {folder_ / "launch.o", "-Wl,--wrap=main"});
  append(w, {"-o", job.out, place().library, "-Wl,-rpath," + place().library.parent_path().native()});
  append(w, link_flags_);
  if (!place().shared) append(w, words_of(kPrivateLibraries));
  return w;
}

Finished Compiler::compile(Makes makes, const Job& job) {
  prepare();
  Finished done = run_program(command(makes, job));
  const bool stale = !done.good() && !job.debug &&
                     (done.output.find("precompiled header") != std::string::npos ||
                      done.output.find("invalid-pch") != std::string::npos);
  if (!stale) return done;
  std::error_code wrong;  // the system's headers are not those any more that it was made of
  fs::remove(folder_ / "ready", wrong);
  prepare();
  return run_program(command(makes, job));
}

}  // namespace tapir::command
