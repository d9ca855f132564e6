#include <tapir/command/place.h>
#include <tapir_command_config.h>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

namespace tapir::command {
namespace {

Place found() {
  Place p;
  p.command = fs::read_symlink("/proc/self/exe");
  const fs::path up = p.command.parent_path().parent_path();  // of PREFIX/bin/tapir, or BUILD/command/tapir
  const auto first = [](std::initializer_list<fs::path> candidates) {
    for (auto& c : candidates)
      if (fs::exists(c)) return c;
    return fs::path();
  };
  p.headers = first({up / kIncludeFolder / "tapir/tapir.h", up / "include/tapir/tapir.h"}).parent_path().parent_path();
  p.library = first({up / kLibraryFolder / "libtapir.so", up / "libtapir.so"});
  if (p.library.empty()) {
    p.library = first({up / kLibraryFolder / "libtapir.a", up / "libtapir.a"});
    p.shared = false;
  }
  if (p.headers.empty() || p.library.empty())
    throw Failure(fmt::format("the {} that belong to {} are not in {}. Install tapir whole: meson install.",
                              p.headers.empty() ? "headers" : "libraries", p.command.string(), up.string()));
  p.public_headers = words_of(kPublicHeaders);
  return p;
}

bool is_own_folder(const fs::path& p) {
  struct stat s {};
  return stat(p.c_str(), &s) == 0 && S_ISDIR(s.st_mode) && s.st_uid == geteuid() && access(p.c_str(), W_OK | X_OK) == 0;
}

fs::path made_cache_folder() {
  const char *xdg = std::getenv("XDG_CACHE_HOME"), *home = std::getenv("HOME");
  std::vector<fs::path> candidates;
  if (xdg && *xdg == '/') candidates.push_back(fs::path(xdg) / "tapir");
  else if (home && *home == '/') candidates.push_back(fs::path(home) / ".cache/tapir");
  candidates.push_back(fs::temp_directory_path() / fmt::format("tapir-{}", geteuid()));
  for (auto& c : candidates) {
    std::error_code ignored;
    const bool fresh = fs::create_directories(c, ignored);
    if (fresh) fs::permissions(c, fs::perms::owner_all, ignored);
    if (is_own_folder(c)) return c;
  }
  throw Failure(
      fmt::format("no folder for the cache: {} cannot be written. Set XDG_CACHE_HOME.", candidates[0].string()));
}

}  // namespace

const Place& place() {
  static const Place p = found();
  return p;
}

const fs::path& cache_folder() {
  static const fs::path folder = made_cache_folder();
  return folder;
}

}  // namespace tapir::command
