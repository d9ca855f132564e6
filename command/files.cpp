#include <tapir/command/files.h>

#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fcntl.h>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tapir::command {

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in.is_open() || in.bad() || fs::is_directory(path))
    throw Failure(
        fmt::format("{}: {}.", path.string(), fs::is_directory(path) ? "it is a folder" : std::strerror(errno)));
  return text;
}

void write_file(const fs::path& path, std::string_view text) {
  const fs::path part = fmt::format("{}.{}", path.string(), getpid());
  std::ofstream out(part, std::ios::binary);
  out.write(text.data(), std::streamsize(text.size()));
  out.close();
  std::error_code wrong;
  if (out) fs::rename(part, path, wrong);
  if (out && !wrong) return;
  const std::string why = wrong ? wrong.message() : std::strerror(errno);
  fs::remove(part, wrong);
  throw Failure(fmt::format("{} cannot be written: {}.", path.string(), why));
}

Digest::Digest() : state_(XXH3_createState()) { XXH3_128bits_reset(static_cast<XXH3_state_t*>(state_.get())); }

void Digest::Free::operator()(void* state) const { XXH3_freeState(static_cast<XXH3_state_t*>(state)); }

Digest& Digest::operator<<(std::string_view part) {
  const std::uint64_t size = part.size();
  auto* state = static_cast<XXH3_state_t*>(state_.get());
  XXH3_128bits_update(state, &size, sizeof size);
  XXH3_128bits_update(state, part.data(), part.size());
  return *this;
}

Digest& Digest::look_of(const fs::path& path) {
  struct stat s {};
  stat(path.c_str(), &s);
  return *this << path.native() << fmt::format("{} {}.{}", s.st_size, s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
}

std::string Digest::text() const {
  const XXH128_hash_t h = XXH3_128bits_digest(static_cast<const XXH3_state_t*>(state_.get()));
  return fmt::format("{:016x}{:016x}", h.high64, h.low64);
}

TemporaryFolder::TemporaryFolder(const fs::path& within) {
  std::string name = (within / "tapir-XXXXXX").string();
  if (!mkdtemp(name.data()))
    throw Failure(fmt::format("no folder can be made in {}: {}.", within.string(), std::strerror(errno)));
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

FileLock::FileLock(const fs::path& file) : file_(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
  if (file_ < 0) throw Failure(fmt::format("{}: {}.", file.string(), std::strerror(errno)));
  while (flock(file_, LOCK_EX) != 0 && errno == EINTR) {
  }
}

FileLock::~FileLock() { close(file_); }

Usage usage_of(const fs::path& folder) {
  Usage u;
  std::error_code wrong;
  for (fs::recursive_directory_iterator it(folder, wrong), end; !wrong && it != end; it.increment(wrong)) {
    std::error_code gone;
    if (!it->is_regular_file(gone) || it->is_symlink(gone)) continue;
    const auto size = it->file_size(gone);
    if (!gone) u.bytes += size, ++u.files;
  }
  return u;
}

}  // namespace tapir::command
