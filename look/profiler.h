// What profiles are made of: the observer that takes notes, and the notes. Internal to look/.
#pragma once
#include <tapir/ops/call_observer.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace tapir::look {

/// One operation or scope.
struct Note {
  const OpDef* op;     // null: a scope
  const char* kind;    // of a scope
  std::uint32_t text;  // in Log::texts: the scope's name, or what was fused
  Where where;
  std::int64_t start, nanoseconds, inside;  // `inside`: of the nanoseconds, those of notes within
  double bytes, flops;
  std::uint32_t specs;  // in Log::specs, from here on: dtype + 256 * rank, sizes; inputs, then outputs
  std::uint16_t inputs, outputs;
  std::int32_t depth;
};

/// The notes of one thread. A note is written when it ends, so those within come first.
struct Log {
  std::mutex mutex;  // of all but `open`
  int thread = 0;
  std::vector<Note> notes;
  std::vector<std::int64_t> specs;
  std::vector<std::string> texts{""};
  std::unordered_map<std::string, std::uint32_t> text_number;

  std::uint32_t intern(const std::string& text);
  TensorSpec spec(std::size_t& at) const;

  struct Open {
    std::int64_t start, inside;
    const char* kind;
    std::string name;
    Where where;
  };
  std::uint64_t session = 0;  // of what is open; only its own thread looks
  std::vector<Open> open;
};

/// What a session gave.
struct Notes {
  std::vector<std::shared_ptr<Log>> logs;
  std::size_t dropped = 0;
};

class Profiler final : public detail::CallObserver {
 public:
  static Profiler& instance();
  /// False if a session is running already.
  bool start(std::size_t max_notes);
  Notes stop();
  static std::int64_t now();

  void kernel(const Call& call, FunctionRef<void()> run) override;
  std::uint64_t begin(const char* kind, const char* name) override;
  void end(std::uint64_t token) override;

 private:
  const std::shared_ptr<Log>& log(std::uint64_t session);
  void add(Log& log, Note note, const Call* call, const std::string& text, std::uint64_t session);
  std::mutex mutex_;
  std::vector<std::shared_ptr<Log>> logs_;
  std::atomic<std::uint64_t> session_{0};  // odd while one runs
  std::atomic<std::size_t> notes_{0};
  std::size_t max_notes_ = 0;
};

}  // namespace tapir::look
