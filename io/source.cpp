#include <tapir/io/source.h>
#include <tapir/tensor/error.h>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace tapir::detail {

void FileContext::fail(const std::string& rule) const { throw FileError(fmt::format("{}: {}: {}", op, path, rule)); }

void FileContext::fail_errno(const char* what) const {
  fail(fmt::format("cannot be {}, {}.", what, std::strerror(errno)));
}

void ByteSource::read(void* out, std::size_t n, const char* what) {
  auto* p = static_cast<unsigned char*>(out);
  for (std::size_t got = 0; got < n;) {
    std::size_t some = read_some(p + got, n - got);
    if (some == 0) context().fail(fmt::format("ends too early, {} takes {} bytes but {} are there.", what, n, got));
    got += some;
  }
}

void ByteSource::expect_end() {
  unsigned char byte;
  if (read_some(&byte, 1) != 0) context().fail("goes on after its last value.");
}

InputFile::InputFile(FileContext context) : context_(std::move(context)) {
  // O_NONBLOCK: opening a pipe that nobody writes to must not hang; on regular files it means nothing.
  fd_ = ::open(context_.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd_ < 0) context_.fail_errno("opened");
  struct stat info;
  bool known = ::fstat(fd_, &info) == 0;
  if (known && S_ISREG(info.st_mode)) {
    size_ = std::uint64_t(info.st_size);
    return;
  }
  ::close(fd_);
  context_.fail(known && S_ISDIR(info.st_mode) ? "is a folder, not a file." : "is not a regular file.");
}

InputFile::~InputFile() { ::close(fd_); }

void InputFile::read_at(std::uint64_t offset, void* out, std::size_t n) const {
  if (offset > size_ || n > size_ - offset)
    context_.fail(fmt::format("ends too early, bytes {} to {} are needed but it has {}.", offset, offset + n, size_));
  auto* p = static_cast<unsigned char*>(out);
  while (n > 0) {
    ssize_t got = ::pread(fd_, p, std::min<std::size_t>(n, 1 << 30), off_t(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) context_.fail_errno("read");
    if (got == 0) context_.fail("became shorter while it was read.");
    p += got;
    offset += std::uint64_t(got);
    n -= std::size_t(got);
  }
}

FileSource::FileSource(const InputFile& file, std::uint64_t begin, std::uint64_t end, FileContext context)
    : ByteSource(std::move(context)), file_(file), at_(begin), end_(end) {}

std::size_t FileSource::read_some(void* out, std::size_t n) {
  n = std::size_t(std::min<std::uint64_t>(n, end_ - at_));
  file_.read_at(at_, out, n);
  at_ += n;
  return n;
}

struct InflateSource::State {
  z_stream stream{};
  bool ended = false;
  unsigned char input[1 << 16];
};

InflateSource::InflateSource(ByteSource& compressed, Deflate format)
    : ByteSource(compressed.context()), compressed_(compressed), format_(format) {
  auto state = std::make_unique<State>();
  constexpr int window = 15, gzip_header = 16;
  if (inflateInit2(&state->stream, format == Deflate::gzip ? window + gzip_header : -window) != Z_OK)
    throw OutOfMemoryError(context().op + ": zlib could not start.");
  state_ = state.release();
}

InflateSource::~InflateSource() {
  inflateEnd(&state_->stream);
  delete state_;
}

std::uint64_t InflateSource::left() const {
  if (state_->ended) return 0;
  std::uint64_t in = compressed_.left() + state_->stream.avail_in;
  constexpr std::uint64_t ratio = 1032, window = 1 << 16;  // the window: output that inflate holds back
  return in > (UINT64_MAX - window) / ratio ? UINT64_MAX : in * ratio + window;
}

// A gzip file may hold several members, one after the other; they expand to one text.
bool InflateSource::next_member() {
  z_stream& z = state_->stream;
  if (z.avail_in == 0) {
    z.next_in = state_->input;
    z.avail_in = uInt(compressed_.read_some(state_->input, sizeof state_->input));
  }
  if (z.avail_in == 0) return false;
  if (format_ == Deflate::raw || z.next_in[0] != 0x1f) context().fail("goes on after its compressed data.");
  inflateReset(&z);
  return true;
}

std::size_t InflateSource::read_some(void* out, std::size_t n) {
  z_stream& z = state_->stream;
  z.next_out = static_cast<unsigned char*>(out);
  z.avail_out = uInt(n = std::min<std::size_t>(n, 1 << 30));
  while (z.avail_out == n && n > 0 && !state_->ended) {
    if (z.avail_in == 0) {
      z.next_in = state_->input;
      z.avail_in = uInt(compressed_.read_some(state_->input, sizeof state_->input));
    }
    int status = inflate(&z, Z_NO_FLUSH);
    if (status == Z_STREAM_END) state_->ended = !next_member();
    else if (status == Z_BUF_ERROR) context().fail("ends too early, inside its compressed data.");
    else if (status != Z_OK) context().fail(fmt::format("has damaged compressed data ({}).", z.msg ? z.msg : "zlib"));
  }
  return n - z.avail_out;
}

}  // namespace tapir::detail
