#include <tapir/io/output_file.h>
#include <tapir/look/profile.h>
#include <tapir/look/profile_text.h>
#include <tapir/tensor/threads.h>

#include <fmt/format.h>

#include <algorithm>

namespace tapir {

struct Profile::Impl {
  std::string path;
  Where where;
  look::Session session;
  bool stopped = false, measured = false;

  const Roof& roof() {
    if (!measured) session.roof = machine_roof(), measured = true;
    return session.roof;
  }
};

static void write_trace(const std::string& path, const look::Session& session) {
  detail::OutputFile file({"profile", path});
  look::chrome_trace(session, [&](const std::string& part) { file.write(part); });
  file.commit();
}

Profile::Profile(const std::string& path, const ProfileOptions& options, Where where)
    : impl_(std::make_unique<Impl>()) {
  CallSite site(where);
  if (!path.empty()) detail::OutputFile possible({"profile", path});  // better now than after an hour of training
  impl_->path = path, impl_->where = where;
  if (!look::Profiler::instance().start(options.max_events))
    throw UsageError("profile: another profile runs. There can be one at a time.");
  impl_->session.start = look::Profiler::now();
}

Profile::~Profile() {
  try {
    stop(impl_->where);
  } catch (const Error& e) {  // nobody to throw to
    fmt::print(stderr, "{}\n", e.what());
  }
}

void Profile::stop(Where where) {
  if (impl_->stopped) return;
  CallSite site(where);
  impl_->stopped = true;
  look::Session& s = impl_->session;
  s.end = look::Profiler::now();
  s.notes = look::Profiler::instance().stop();
  s.threads = num_threads();
  s.sort();
  if (!impl_->path.empty()) save(impl_->path, where);
}

void Profile::save(const std::string& path, Where where) {
  stop(where);
  CallSite site(where);
  impl_->roof();
  write_trace(path, impl_->session);
}

Roof Profile::roof(Where where) {
  stop(where);
  return impl_->roof();
}

std::string Profile::summary(const ProfileSummaryOptions& options, Where where) {
  stop(where);
  CallSite site(where);
  if (options.rows < 1) throw UsageError(fmt::format("summary: needs at least 1 row, got {}.", options.rows));
  impl_->roof();
  return look::table(impl_->session, options);
}

std::vector<ProfileEvent> Profile::events(Where where) {
  stop(where);
  impl_->roof();
  std::vector<ProfileEvent> out;
  for (auto& n : impl_->session.order) out.push_back(impl_->session.event(n));
  return out;
}

ProfileScope::ProfileScope(const std::string& name, Where where) {
  CallSite site(where);
  detail::CallObserver* observer = detail::call_observer.load(std::memory_order_relaxed);
  token_ = observer ? observer->begin("scope", name.c_str()) : 0;
}
ProfileScope::~ProfileScope() {
  if (token_) look::Profiler::instance().end(token_);
}

}  // namespace tapir
