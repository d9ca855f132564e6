#include <tapir/formats/apart.h>
#include <tapir/tensor/error.h>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>

namespace tapir::detail {
namespace {

// Each piece of output starts with one of these and its length.
enum Kind : std::uint64_t { bytes_follow = 1, error_follows, done };

void write_all(int fd, const void* data, std::size_t n) {
  auto* p = static_cast<const char*>(data);
  while (n > 0) {
    const ssize_t some = ::write(fd, p, n);
    if (some < 0 && errno == EINTR) continue;
    if (some <= 0) ::_exit(1);  // nobody listens any more
    p += some;
    n -= std::size_t(some);
  }
}

void send(int fd, Kind kind, const void* data, std::size_t n) {
  const std::uint64_t head[] = {kind, n};
  write_all(fd, head, sizeof head);
  write_all(fd, data, n);
}

// What the child sends, piece after piece.
class ChildSource : public ByteSource {
 public:
  ChildSource(const FileContext& context, int fd, std::uint64_t limit) : ByteSource(context), fd_(fd), left_(limit) {}

  std::size_t read_some(void* out, std::size_t n) override {
    if (n == 0 || (piece_ == 0 && !next_piece())) return 0;
    n = std::size_t(std::min<std::uint64_t>({n, piece_, left_}));
    if (n == 0) return 0;
    const std::size_t got = receive(out, n);
    piece_ -= got;
    left_ -= got;
    return got;
  }
  std::uint64_t left() const override { return left_; }

  bool ended_well = false;
  std::string error;

 private:
  // False at the end, which only a child that has done all its work announces.
  bool next_piece() {
    std::uint64_t head[2] = {};
    for (std::size_t got = 0; got < sizeof head;) {
      const std::size_t some = receive(reinterpret_cast<char*>(head) + got, sizeof head - got);
      if (some == 0) return false;
      got += some;
    }
    if (head[0] == bytes_follow && head[1] > 0) return piece_ = head[1], true;
    ended_well = head[0] == done;
    if (head[0] != error_follows || head[1] > 4096) return false;
    error.resize(std::size_t(head[1]));
    for (std::size_t got = 0, some; got < error.size(); got += some)
      if ((some = receive(error.data() + got, error.size() - got)) == 0) break;
    return false;
  }
  std::size_t receive(void* out, std::size_t n) {
    for (;;) {
      const ssize_t got = ::read(fd_, out, n);
      if (got >= 0) return std::size_t(got);
      if (errno != EINTR) context().fail_errno("read");
    }
  }
  int fd_;
  std::uint64_t left_, piece_ = 0;
};

[[noreturn]] void be_the_child(int fd, unsigned seconds, const Callable<void(ApartOutput&)>& work) {
  for (int s : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGPIPE, SIGXCPU}) ::signal(s, SIG_DFL);
  const rlimit none{0, 0}, time{seconds, seconds + 1};
  ::setrlimit(RLIMIT_CORE, &none);
  ::setrlimit(RLIMIT_CPU, &time);
  try {
    ApartOutput out(fd);
    work(out);
    send(fd, done, nullptr, 0);
  } catch (const std::exception& e) {
    send(fd, error_follows, e.what(), std::min<std::size_t>(std::strlen(e.what()), 4096));
  }
  ::_exit(0);
}

// A child, its pipe, and the end of both.
struct Child {
  pid_t pid = -1;
  int fd = -1, status = 0;
  ~Child() {
    if (fd >= 0) ::close(fd);
    if (pid <= 0) return;
    ::kill(pid, SIGKILL);
    wait();
  }
  void wait() {
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    pid = -1;
  }
};

}  // namespace

void ApartOutput::write(const void* bytes, std::size_t n) {
  if (n > 0) send(fd_, bytes_follow, bytes, n);
}

void run_apart(const FileContext& context, std::uint64_t limit, unsigned seconds,
               const Callable<void(ApartOutput&)>& work, const Callable<void(ByteSource&)>& take) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) context.fail_errno("read");
  Child child;
  child.fd = ends[0];
  child.pid = ::fork();
  if (child.pid == 0) be_the_child(ends[1], seconds, work);
  ::close(ends[1]);
  if (child.pid < 0) context.fail_errno("read");
  ChildSource in(context, child.fd, limit);
  std::exception_ptr taken_badly;
  try {
    take(in);
    in.expect_end();
  } catch (const FileError&) {
    taken_badly = std::current_exception();
  }
  if (in.ended_well && !taken_badly) return child.wait();
  // It starts with the place of the call, which our own error says again.
  if (const std::size_t at = in.error.find(context.op + ": "); at != std::string::npos)
    throw FileError(in.error.substr(at));
  const bool stopped = in.left() == 0;
  if (stopped) ::kill(child.pid, SIGKILL);
  child.wait();
  if (!stopped && WIFSIGNALED(child.status))
    context.fail(
        WTERMSIG(child.status) == SIGXCPU
            ? fmt::format("is damaged: the library read it for {} seconds.", seconds)
            : fmt::format("is damaged: the library that read it crashed ({}).", ::strsignal(WTERMSIG(child.status))));
  if (taken_badly) std::rethrow_exception(taken_badly);
  context.fail("is damaged.");
}

}  // namespace tapir::detail
