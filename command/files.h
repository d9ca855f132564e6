// Files, folders and digests, as the command needs them; and its own kind of error.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace tapir::command {

namespace fs = std::filesystem;

/// Ends the command with one line on stderr.
struct Failure : std::runtime_error {
  int status;
  explicit Failure(const std::string& message, int exit_status = 1)
      : std::runtime_error(message), status(exit_status) {}
};

/// The whole file. Throws Failure.
std::string read_file(const fs::path& path);
/// The file appears whole or not at all, also beside others who write it. Throws Failure.
void write_file(const fs::path& path, std::string_view text);

/// What tells one set of inputs from another: 128 bits of XXH3.
class Digest {
 public:
  Digest();
  /// Parts count one by one: "ab", "c" is not "a", "bc".
  Digest& operator<<(std::string_view part);
  /// Path, size and time of change; changes with the file, at the cost of a look.
  Digest& look_of(const fs::path& path);
  std::string text() const;

 private:
  struct Free {
    void operator()(void* state) const;
  };
  std::unique_ptr<void, Free> state_;
};

/// A folder of one's own, removed with everything in it.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const fs::path& within);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// Held by one process at a time; others wait. The file stays.
class FileLock {
 public:
  explicit FileLock(const fs::path& file);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int file_;
};

struct Usage {
  std::uint64_t bytes = 0;
  int files = 0;
};
/// Of all files within; 0 if there is no such folder.
Usage usage_of(const fs::path& folder);

}  // namespace tapir::command
