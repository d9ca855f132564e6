// Errors: one line, `file.cpp:41: op: rule, values. Hint.`, that starts with the user's own file and line.
#pragma once
#include <tapir/tensor/where.h>

#include <stdexcept>
#include <string>

namespace tapir {

/// Whatever tapir throws. `what()` starts with the caller's file and line where one is known.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message);
};
/// Shapes, sizes or axes do not fit.
class ShapeError : public Error {
  using Error::Error;
};
/// Element types do not fit.
class DTypeError : public Error {
  using Error::Error;
};
/// A device that is not there, or an operation that it cannot run.
class DeviceError : public Error {
  using Error::Error;
};
/// A call that makes no sense as it stands: an unknown name, a value out of range, a tape used twice.
class UsageError : public Error {
  using Error::Error;
};
/// A file that cannot be read or written, or whose contents are not what they should be.
class FileError : public Error {
  using Error::Error;
};
/// The allocator's limit, or the machine's memory, does not allow the request. The program may go on.
class OutOfMemoryError : public Error {
  using Error::Error;
};
/// A defect of tapir, not of the caller.
class InternalError : public Error {
  using Error::Error;
};

/// While it lives, errors of this thread name `where`. The outermost one wins, so that an operation called by a layer
/// names the line that called the layer.
class CallSite {
 public:
  explicit CallSite(const Where& where) : outer_(current_) {
    if (!current_) current_ = &where;
  }
  /// The innermost wins if it names a place: operations of a graph, which know their own lines.
  struct Inner {};
  CallSite(const Where& where, Inner) : outer_(current_) {
    if (!current_ || *where.file_name()) current_ = &where;
  }
  ~CallSite() { current_ = outer_; }
  CallSite(const CallSite&) = delete;
  CallSite& operator=(const CallSite&) = delete;
  /// Null outside any call.
  static const Where* current() { return current_; }

 private:
  // initial-exec: reached without a call, also from a shared library
  [[gnu::tls_model("initial-exec")]] static thread_local constinit const Where* current_;
  const Where* outer_;
};

inline thread_local constinit const Where* CallSite::current_ = nullptr;

}  // namespace tapir
