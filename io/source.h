// Where readers get their bytes: a file, a part of one, a compressed stream. A source knows how much can still come, so
// that a reader refuses a size that the file cannot hold before it allocates anything. Internal to io/ and data/.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace tapir::detail {

/// Which operation works on which file; every FileError of a reader or writer starts with both.
struct FileContext {
  std::string op, path;
  /// Throws FileError "op: path: rule".
  [[noreturn]] void fail(const std::string& rule) const;
  /// As `fail("cannot be WHAT, REASON.")` with the reason from errno.
  [[noreturn]] void fail_errno(const char* what) const;
};

/// Bytes that come in order.
class ByteSource {
 public:
  explicit ByteSource(FileContext context) : context_(std::move(context)) {}
  virtual ~ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  /// The next bytes, at least one and at most `n`, or 0 at the end. Throws FileError if the file is damaged.
  virtual std::size_t read_some(void* out, std::size_t n) = 0;
  /// No more bytes than this can still come. Exact where nothing is compressed.
  virtual std::uint64_t left() const = 0;

  /// Exactly `n` bytes. `what` names them in the error where the file ends before.
  void read(void* out, std::size_t n, const char* what);
  /// Throws FileError if there are more bytes.
  void expect_end();
  const FileContext& context() const { return context_; }

 private:
  FileContext context_;
};

/// An open regular file of known length.
class InputFile {
 public:
  explicit InputFile(FileContext context);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  std::uint64_t size() const { return size_; }
  /// Reads exactly `n` bytes at `offset`; throws FileError if the file does not have them.
  void read_at(std::uint64_t offset, void* out, std::size_t n) const;
  const FileContext& context() const { return context_; }

 private:
  FileContext context_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

/// The bytes [begin, end) of a file, which must outlive it.
class FileSource : public ByteSource {
 public:
  FileSource(const InputFile& file, std::uint64_t begin, std::uint64_t end, FileContext context);
  FileSource(const InputFile& file) : FileSource(file, 0, file.size(), file.context()) {}
  std::size_t read_some(void* out, std::size_t n) override;
  std::uint64_t left() const override { return end_ - at_; }

 private:
  const InputFile& file_;
  std::uint64_t at_, end_;
};

enum class Deflate { raw, gzip };

/// What a deflated source expands to; checks gzip's own checksum. The source must outlive it.
class InflateSource : public ByteSource {
 public:
  InflateSource(ByteSource& compressed, Deflate format);
  ~InflateSource() override;
  std::size_t read_some(void* out, std::size_t n) override;
  /// Deflate expands a byte to at most 1032.
  std::uint64_t left() const override;

 private:
  bool next_member();
  struct State;
  ByteSource& compressed_;
  Deflate format_;
  State* state_;
};

}  // namespace tapir::detail
