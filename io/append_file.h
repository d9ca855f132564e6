// A file that only grows: logs that others read while they are written. Internal to io/ and look/.
#pragma once
#include <tapir/io/source.h>

namespace tapir::detail {

/// What was appended stays, whatever becomes of the process later. Throws FileError whenever the system refuses.
class AppendFile {
 public:
  /// Makes the file; it must not be there yet.
  explicit AppendFile(FileContext context);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;
  void append(const std::string& bytes);
  const FileContext& context() const { return context_; }

 private:
  FileContext context_;
  int fd_ = -1;
};

/// Makes a folder and those that it lies in, where they are not there yet.
void make_folders(const FileContext& context);

}  // namespace tapir::detail
