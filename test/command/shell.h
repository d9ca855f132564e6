// Commands as a user types them, for the tests of the `tapir` command.
#pragma once
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace shell {

namespace fs = std::filesystem;

inline std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline void write(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

struct Result {
  int status = 0;  // 128 + N for signal N
  std::string out, err;
  double seconds = 0;
};

/// A folder for one test, with the command in PATH as `tapir`. The precompiled header is shared by all tests.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "tapir-test-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  fs::path operator/(const std::string& name) const { return path_ / name; }

  /// Runs `command` in this folder; `setting`: "NAME=value ..." in front of it.
  Result run(const std::string& command) const {
    const std::string tapir = std::getenv("TAPIR_COMMAND"), cache = std::getenv("TAPIR_TEST_CACHE");
    const std::string line = "cd '" + path_.string() + "' && export PATH='" + fs::path(tapir).parent_path().string() +
                             "':$PATH XDG_CACHE_HOME='" + cache + "' && unset CXX && (" + command +
                             "\n) >.out 2>.err </dev/null";
    const auto begin = std::chrono::steady_clock::now();
    const int status = std::system(line.c_str());
    Result r;
    r.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    r.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    r.out = read(path_ / ".out");
    r.err = read(path_ / ".err");
    return r;
  }

 private:
  fs::path path_;
};

}  // namespace shell
