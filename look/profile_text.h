// A profile that is over, as a Chrome trace and as a table. Internal to look/.
#pragma once
#include <tapir/look/profile.h>
#include <tapir/look/profiler.h>
#include <tapir/tensor/callable.h>

namespace tapir::look {

/// The notes of a session and what they are seen against.
struct Session {
  struct Place {
    const Log* log;
    const Note* note;
    const Note* operator->() const { return note; }
    const std::string& text() const { return log->texts[note->text]; }
  };
  Notes notes;
  std::vector<Place> order;  // by their start
  std::int64_t start = 0, end = 0;
  Roof roof;
  int threads = 1;

  void sort();
  static std::string name(const Place& p) { return p->op ? p->op->name : p.text(); }
  /// Seconds that the machine needs at least.
  double least_seconds(const Note& n) const;
  ProfileEvent event(const Place& p) const;
};

/// In the Trace Event Format (https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU), handed
/// over in parts.
void chrome_trace(const Session& session, FunctionRef<void(const std::string&)> write);
std::string table(const Session& session, const ProfileSummaryOptions& options);

}  // namespace tapir::look
