// Writing a file so that a crash leaves the old one whole. Internal to io/.
#pragma once
#include <tapir/io/source.h>

namespace tapir::detail {

/// A file that appears under its name all at once: bytes go to a temporary file beside it, which `commit` flushes to
/// the disk and renames. Without a commit the temporary is removed. Throws FileError whenever the system refuses.
class OutputFile {
 public:
  explicit OutputFile(FileContext context);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(const void* bytes, std::size_t n);
  void write(const std::string& bytes) { write(bytes.data(), bytes.size()); }
  /// Writes over bytes that are there already.
  void patch(std::uint64_t offset, const std::string& bytes);
  /// Bytes written so far.
  std::uint64_t size() const { return size_; }
  /// Puts the file in its place. The last call.
  void commit();
  const FileContext& context() const { return context_; }

 private:
  void write_at(std::uint64_t offset, const char* bytes, std::size_t n);
  void close_and_remove();
  FileContext context_;
  std::string target_, temporary_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace tapir::detail
