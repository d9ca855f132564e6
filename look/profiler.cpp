#include <tapir/look/profiler.h>
#include <tapir/ops/fused.h>

#include <algorithm>
#include <chrono>
#include <string_view>

namespace tapir::look {
namespace {

// Elements that are there: a broadcast dimension has one.
double bytes_of(const Tensor& t) {
  double n = double(size_of(t.dtype()));
  for (int i = 0; i < t.rank(); ++i)
    if (t.strides()[i] != 0 || t.shape()[i] == 0) n *= double(t.shape()[i]);
  return n;
}

// Picks some elements of its first operand: as many as come out.
bool picks(const OpDef& op) {
  const std::string_view name = op.name;
  return name == "take" || name == "embedding_lookup" || name == "take_along_axis";
}

double bytes_of(const Call& c) {
  double in = 0, out = 0;
  for (auto& t : c.out) out += bytes_of(t);
  for (std::size_t i = 0; i < c.in.size(); ++i)
    in += i == 0 && picks(c.op) ? std::min(bytes_of(c.in[i]), out) : bytes_of(c.in[i]);
  return in + out;
}

std::string fused_in(const Call& c) {
  const TileProgram* p = nullptr;
  if (&c.op == &tile_program_op) p = c.attrs.as<TileProgramAttrs>().program;
  if (&c.op == &conv_then_op) p = c.attrs.as<ConvThenAttrs>().then.program;
  if (&c.op == &matmul_then_op) p = c.attrs.as<MatmulThenAttrs>().then.program;
  return p ? p->text() : "";
}

Where line_now() {
  const Where* where = CallSite::current();
  return where ? *where : Where();
}

}  // namespace

std::uint32_t Log::intern(const std::string& text) {
  if (text.empty()) return 0;
  const auto [at, fresh] = text_number.try_emplace(text, std::uint32_t(texts.size()));
  if (fresh) texts.push_back(text);
  return at->second;
}

TensorSpec Log::spec(std::size_t& at) const {
  const std::int64_t head = specs[at++];
  TensorSpec s({}, DType(head & 255));
  for (std::int64_t i = 0; i < head >> 8; ++i) s.shape.push_back(specs[at++]);
  return s;
}

Profiler& Profiler::instance() {
  static Profiler& profiler = *new Profiler;  // for threads that outlive main()
  return profiler;
}

std::int64_t Profiler::now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

bool Profiler::start(std::size_t max_notes) {
  std::lock_guard lock(mutex_);
  if (session_.load() % 2) return false;
  logs_.clear();
  notes_ = 0;
  max_notes_ = max_notes;
  ++session_;
  detail::call_observer = this;
  return true;
}

Notes Profiler::stop() {
  std::lock_guard lock(mutex_);
  detail::call_observer = nullptr;
  ++session_;  // what ends from now on is dropped
  Notes notes{std::exchange(logs_, {}), 0};
  for (auto& l : notes.logs) std::lock_guard wait(l->mutex);
  if (const std::size_t all = notes_; all > max_notes_) notes.dropped = all - max_notes_;
  return notes;
}

// A thread takes a new log in each session.
const std::shared_ptr<Log>& Profiler::log(std::uint64_t session) {
  thread_local std::shared_ptr<Log> mine;
  if (!mine || mine->session != session) {
    mine = std::make_shared<Log>();
    mine->session = session;
    std::lock_guard lock(mutex_);
    if (session_.load() == session) {
      logs_.push_back(mine);
      mine->thread = int(logs_.size());
    }
  }
  return mine;
}

void Profiler::add(Log& log, Note note, const Call* call, const std::string& text, std::uint64_t session) {
  if (session_.load(std::memory_order_relaxed) != session) return;
  if (notes_.fetch_add(1, std::memory_order_relaxed) >= max_notes_) return;
  std::lock_guard lock(log.mutex);
  if (session_.load() != session) return;
  note.text = log.intern(text);
  note.specs = std::uint32_t(log.specs.size());
  auto keep = [&](const Tensor& t) {
    log.specs.push_back(std::int64_t(t.dtype()) + 256 * t.rank());
    for (auto d : t.shape()) log.specs.push_back(d);
  };
  if (call) {
    for (std::size_t i = 0; i < call->in.size(); ++i) keep(call->in[i]);
    for (auto& t : call->out) keep(t);
    note.inputs = std::uint16_t(call->in.size()), note.outputs = std::uint16_t(call->out.size());
  }
  log.notes.push_back(note);
}

void Profiler::kernel(const Call& call, FunctionRef<void()> run) {
  const std::uint64_t session = session_.load(std::memory_order_relaxed);
  if (session % 2 == 0) return run();
  const std::shared_ptr<Log> mine = log(session);  // held: what runs may begin another session
  const Where where = line_now();
  struct Finish {  // also if the kernel throws
    Profiler& profiler;
    Log& log;
    const Call& call;
    const Where& where;
    std::uint64_t session;
    ~Finish() {
      const std::int64_t end = now();
      const Log::Open o = std::move(log.open.back());
      log.open.pop_back();
      if (!log.open.empty()) log.open.back().inside += end - o.start;
      const double flops = call.op.flops ? call.op.flops(call) : 0;
      profiler.add(log,
                   {&call.op, "op", 0, where, o.start, end - o.start, o.inside, bytes_of(call), flops, 0, 0, 0,
                    std::int32_t(log.open.size())},
                   &call, fused_in(call), session);
    }
  } finish{*this, *mine, call, where, session};
  mine->open.push_back({0, 0, nullptr, {}, where});
  mine->open.back().start = now();
  run();
}

std::uint64_t Profiler::begin(const char* kind, const char* name) {
  const std::uint64_t session = session_.load(std::memory_order_relaxed);
  if (session % 2 == 0) return 0;
  log(session)->open.push_back({now(), 0, kind, name, line_now()});
  return session;
}

void Profiler::end(std::uint64_t session) {
  const std::int64_t end = now();
  if (session == 0 || session != session_.load(std::memory_order_relaxed)) return;
  Log& mine = *log(session);
  if (mine.open.empty()) return;
  const Log::Open o = std::move(mine.open.back());
  mine.open.pop_back();
  if (!mine.open.empty()) mine.open.back().inside += end - o.start;
  add(mine,
      {nullptr, o.kind, 0, o.where, o.start, end - o.start, o.inside, 0, 0, 0, 0, 0, std::int32_t(mine.open.size())},
      nullptr, o.name, session);
}

}  // namespace tapir::look
