#include <tapir/io/append_file.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace tapir::detail {

AppendFile::AppendFile(FileContext context) : context_(std::move(context)) {
  fd_ = ::open(context_.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
  if (fd_ < 0) context_.fail_errno("written");
}

AppendFile::~AppendFile() { ::close(fd_); }

void AppendFile::append(const std::string& bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t done = ::write(fd_, bytes.data() + at, bytes.size() - at);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) context_.fail_errno("written");
    at += std::size_t(done);
  }
}

void make_folders(const FileContext& context) {
  const std::string& path = context.path;
  if (path.empty()) context.fail("is no folder.");
  for (std::size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    const std::string part = path.substr(0, end);
    struct stat info;
    if (::mkdir(part.c_str(), 0777) == 0 || (::stat(part.c_str(), &info) == 0 && S_ISDIR(info.st_mode))) continue;
    if (errno == 0 || errno == EEXIST) context.fail("is not a folder.");
    context.fail_errno("made");
  }
}

}  // namespace tapir::detail
