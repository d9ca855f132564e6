#include <tapir/io/output_file.h>
#include <tapir/tensor/error.h>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace tapir::detail {

// Where `path` leads: a link is followed, so that the rename replaces the file and not the link.
static std::string resolve(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  std::string target = real ? real : path;
  std::free(real);
  return target;
}

OutputFile::OutputFile(FileContext context) : context_(std::move(context)), target_(resolve(context_.path)) {
  struct stat old;
  bool exists = ::stat(target_.c_str(), &old) == 0;
  if (exists && S_ISDIR(old.st_mode)) context_.fail("is a folder, not a file.");
  if (exists && !S_ISREG(old.st_mode)) context_.fail("is not a regular file.");
  static std::atomic<unsigned> count{0};
  do {
    temporary_ = fmt::format("{}.{}-{}.tmp", target_, ::getpid(), count++);
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (fd_ < 0 && errno == EEXIST);
  if (fd_ < 0) context_.fail_errno("written");
  if (exists && ::fchmod(fd_, old.st_mode & 07777) != 0) {
    // Not the owner's file system to decide: the new file keeps the usual mode.
  }
}

OutputFile::~OutputFile() { close_and_remove(); }

void OutputFile::close_and_remove() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
  fd_ = -1;
}

void OutputFile::write_at(std::uint64_t offset, const char* bytes, std::size_t n) {
  while (n > 0) {
    ssize_t done = ::pwrite(fd_, bytes, std::min<std::size_t>(n, 1 << 30), off_t(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) context_.fail_errno("written");
    bytes += done;
    offset += std::uint64_t(done);
    n -= std::size_t(done);
  }
}

void OutputFile::write(const void* bytes, std::size_t n) {
  write_at(size_, static_cast<const char*>(bytes), n);
  size_ += n;
}

void OutputFile::patch(std::uint64_t offset, const std::string& bytes) {
  if (offset + bytes.size() > size_) throw InternalError("io: patch beyond the end of the file.");
  write_at(offset, bytes.data(), bytes.size());
}

void OutputFile::commit() {
  if (::fsync(fd_) != 0) context_.fail_errno("flushed to the disk");
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) context_.fail_errno("put in place");
  ::close(fd_);
  fd_ = -1;
  // The rename itself is safe on the disk once the folder is. Some file systems refuse this; the file is whole anyway.
  auto slash = target_.rfind('/');
  std::string folder = slash == std::string::npos ? "." : target_.substr(0, slash + 1);
  int dir = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir >= 0) {
    ::fsync(dir);
    ::close(dir);
  }
}

}  // namespace tapir::detail
