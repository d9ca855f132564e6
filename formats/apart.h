// Work done in a process of its own, for libraries that a damaged file can crash. Internal to formats/.
#pragma once
#include <tapir/io/source.h>
#include <tapir/tensor/callable.h>

#include <string>

namespace tapir::detail {

/// Where the work in the other process puts its results.
class ApartOutput {
 public:
  explicit ApartOutput(int fd) : fd_(fd) {}
  void write(const void* bytes, std::size_t n);
  void write(std::uint64_t number) { write(&number, sizeof number); }

 private:
  int fd_;
};

/// Runs `work` in a child of this process and `take` here on what it writes, of which at most `limit` bytes are read.
/// An error that `work` throws is thrown here, and a crash, or more than `seconds` of CPU, is FileError. `work` may use
/// neither tensors nor threads: other threads of this process may have been anywhere when the child was made.
void run_apart(const FileContext& context, std::uint64_t limit, unsigned seconds,
               const Callable<void(ApartOutput&)>& work, const Callable<void(ByteSource&)>& take);

}  // namespace tapir::detail
