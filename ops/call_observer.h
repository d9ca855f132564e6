// What a profiler sees: each kernel as it runs, and spans around them. While nobody looks on, a kernel costs no branch
// more, and a span one relaxed load.
#pragma once
#include <tapir/ops/op.h>
#include <tapir/tensor/callable.h>

#include <atomic>

namespace tapir::detail {

/// Looks on at the calls of all threads. It lives as long as the process, so that a call may end after it was taken
/// away.
struct CallObserver {
  /// Is to call `run`, which runs the kernel of `call`, once.
  virtual void kernel(const Call& call, FunctionRef<void()> run) = 0;
  /// A span of this thread: a function, a layer, a gradient, what the user named. Gives a token for `end`.
  virtual std::uint64_t begin(const char* kind, const char* name) = 0;
  virtual void end(std::uint64_t token) = 0;

 protected:
  ~CallObserver() = default;
};

/// Null while nobody looks on.
[[gnu::visibility("hidden")]] extern constinit std::atomic<CallObserver*> call_observer;

/// Says to the observer, if there is one, what this thread does while it lives. `kind` and `name` must outlive the
/// constructor only.
class Span {
 public:
  Span(const char* kind, const char* name) : observer_(call_observer.load(std::memory_order_relaxed)) {
    if (observer_) [[unlikely]]
      token_ = observer_->begin(kind, name);
  }
  ~Span() {
    if (observer_) [[unlikely]]
      observer_->end(token_);
  }
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;

 private:
  CallObserver* observer_;
  std::uint64_t token_ = 0;
};

}  // namespace tapir::detail
