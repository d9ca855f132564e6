#include <tapir/graph/graph.h>
#include <tapir/look/markup.h>
#include <tapir/look/profile_text.h>

#include <fmt/format.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <map>

namespace tapir::look {
namespace {

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string specs_text(const std::vector<TensorSpec>& specs) {
  std::string out;
  for (auto& s : specs) out += fmt::format("{}\"{}{}\"", out.empty() ? "" : ", ", name_of(s.dtype), s.shape.str());
  return "[" + out + "]";
}

std::string milliseconds(double seconds) { return fmt::format("{:.2f}", seconds * 1e3); }

// Three digits and no more than six characters.
std::string rate(double v) { return v <= 0 ? "" : v < 10 ? fmt::format("{:.2f}", v) : fmt::format("{:.0f}", v); }

}  // namespace

void Session::sort() {
  for (auto& log : notes.logs)
    for (auto& n : log->notes) order.push_back({log.get(), &n});
  std::stable_sort(order.begin(), order.end(), [](const Place& a, const Place& b) {
    return a->start != b->start ? a->start < b->start : a->depth < b->depth;
  });
}

double Session::least_seconds(const Note& n) const {
  return std::max(roof.flops > 0 ? n.flops / roof.flops : 0, roof.bandwidth > 0 ? n.bytes / roof.bandwidth : 0);
}

ProfileEvent Session::event(const Place& p) const {
  ProfileEvent e;
  e.name = name(p), e.kind = p->kind, e.line = graph::line_of(p->where);
  if (p->op) e.fused = p.text();
  std::size_t at = p->specs;
  for (int i = 0; i < p->inputs; ++i) e.inputs.push_back(p.log->spec(at));
  for (int i = 0; i < p->outputs; ++i) e.outputs.push_back(p.log->spec(at));
  e.thread = p.log->thread, e.depth = p->depth;
  e.start = 1e-9 * double(p->start - start), e.seconds = 1e-9 * double(p->nanoseconds);
  e.own_seconds = 1e-9 * double(p->nanoseconds - p->inside);
  e.bytes = p->bytes, e.flops = p->flops;
  e.share = e.seconds > 0 ? least_seconds(*p.note) / e.seconds : 0;
  return e;
}

void chrome_trace(const Session& s, FunctionRef<void(const std::string&)> write) {
  const int process = int(::getpid());
  std::string out = fmt::format(
      "{{\"displayTimeUnit\": \"ns\",\n\"otherData\": {{\"library\": \"tapir\", \"threads\": {}, \"roof GFLOP/s\": "
      "{:.1f}, \"roof GB/s\": {:.1f}, \"events not kept\": {}}},\n\"traceEvents\": [\n"
      "{{\"ph\": \"M\", \"name\": \"process_name\", \"pid\": {}, \"args\": {{\"name\": \"tapir\"}}}}",
      s.threads, s.roof.flops * 1e-9, s.roof.bandwidth * 1e-9, s.notes.dropped, process);
  for (auto& log : s.notes.logs)
    out += fmt::format(
        ",\n{{\"ph\": \"M\", \"name\": \"thread_name\", \"pid\": {}, \"tid\": {}, \"args\": {{\"name\": \"thread "
        "{}\"}}}}",
        process, log->thread, log->thread);
  for (auto& p : s.order) {
    const ProfileEvent e = s.event(p);
    out += fmt::format(
        ",\n{{\"ph\": \"X\", \"name\": {}, \"cat\": \"{}\", \"pid\": {}, \"tid\": {}, \"ts\": {:.3f}, \"dur\": {:.3f}, "
        "\"args\": {{",
        quoted(e.name), e.kind, process, e.thread, e.start * 1e6, e.seconds * 1e6);
    if (p->op) {
      const bool by_flops = s.roof.flops > 0 && e.flops / s.roof.flops > e.bytes / s.roof.bandwidth;
      const double per_second = e.seconds > 0 ? 1 / e.seconds : 0;
      out += fmt::format("\"in\": {}, \"out\": {}, \"bytes\": {:.0f}, \"GB/s\": {:.3f}", specs_text(e.inputs),
                         specs_text(e.outputs), e.bytes, e.bytes * per_second * 1e-9);
      if (e.flops > 0)
        out += fmt::format(", \"flops\": {:.0f}, \"GFLOP/s\": {:.3f}", e.flops, e.flops * per_second * 1e-9);
      out += fmt::format(", \"share of roof\": {:.4f}, \"roof\": \"{}\"", e.share, by_flops ? "arithmetic" : "memory");
      if (!e.fused.empty()) out += ", \"fused\": " + quoted(e.fused);
      if (!e.line.empty()) out += ", ";
    }
    if (!e.line.empty()) out += "\"line\": " + quoted(e.line);
    out += "}}";
    if (out.size() > 1 << 20) write(out), out.clear();
  }
  write(out + "\n]}\n");
}

namespace {

struct Row {
  std::int64_t calls = 0;
  double seconds = 0, bytes = 0, flops = 0, least = 0;
  std::map<std::string, double> ops = {};  // seconds by name

  const std::string& mostly() const {
    return std::max_element(ops.begin(), ops.end(), [](auto& a, auto& b) { return a.second < b.second; })->first;
  }
};

std::string key_of(const Session::Place& p, ProfileBy by) {
  if (by == ProfileBy::line) return p->where.line() ? graph::line_of(p->where) : "(unknown)";
  if (by == ProfileBy::scope) return fmt::format("{} {}", p->kind, p.text());
  return p.text().empty() ? p->op->name : fmt::format("{} ({})", p->op->name, p.text());
}

std::string head(const Session& s, double in_ops, std::size_t ops) {
  std::string out = fmt::format("{} operations, {} ms of the {} ms that were recorded", ops, milliseconds(in_ops),
                                milliseconds(1e-9 * double(s.end - s.start)));
  if (s.notes.logs.size() > 1) out += fmt::format(", on {} threads", s.notes.logs.size());
  if (s.notes.dropped) out += fmt::format("; {} more events were not kept", s.notes.dropped);
  return out + fmt::format(".\nThe roof, measured with {} thread{}: {:.0f} GFLOP/s, {:.1f} GB/s.\n", s.threads,
                           s.threads == 1 ? "" : "s", s.roof.flops * 1e-9, s.roof.bandwidth * 1e-9);
}

}  // namespace

std::string table(const Session& s, const ProfileSummaryOptions& o) {
  std::map<std::string, Row> rows;
  double in_ops = 0;
  std::size_t ops = 0;
  for (auto& p : s.order) {
    const double own = 1e-9 * double(p->nanoseconds - p->inside);
    if (p->op) in_ops += own, ++ops;
    if ((p->op == nullptr) != (o.by == ProfileBy::scope)) continue;
    Row& r = rows[key_of(p, o.by)];
    ++r.calls;
    r.seconds += o.by == ProfileBy::scope ? 1e-9 * double(p->nanoseconds) : own;
    r.bytes += p->bytes, r.flops += p->flops, r.least += s.least_seconds(*p.note);
    if (p->op) r.ops[p->op->name] += own;
  }
  std::vector<std::pair<std::string, Row>> sorted(rows.begin(), rows.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](auto& a, auto& b) { return a.second.seconds > b.second.seconds; });

  const bool scopes = o.by == ProfileBy::scope, lines = o.by == ProfileBy::line;
  std::string out = head(s, in_ops, ops);
  out += fmt::format("\n{:<44}{:>8}{:>11}{:>7}{:>11}",
                     scopes  ? "scope"
                     : lines ? "line"
                             : "operation",
                     "calls", "total ms", "%", "mean us");
  out += scopes ? "\n" : fmt::format("{:>9}{:>7}{:>9}{}\n", "GFLOP/s", "GB/s", "of roof", lines ? "  mostly" : "");
  const double whole = scopes ? 1e-9 * double(s.end - s.start) : in_ops;
  for (std::size_t i = 0; i < sorted.size() && i < std::size_t(o.rows); ++i) {
    const auto& [name, r] = sorted[i];
    out += column(name, 43) + " ";
    out += fmt::format("{:>8}{:>11}{:>7.1f}{:>11.1f}", r.calls, milliseconds(r.seconds),
                       whole > 0 ? 100 * r.seconds / whole : 0, 1e6 * r.seconds / double(r.calls));
    if (!scopes)
      out += fmt::format("{:>9}{:>7}{:>7.0f} %", rate(r.flops / r.seconds * 1e-9), rate(r.bytes / r.seconds * 1e-9),
                         100 * r.least / r.seconds);
    out += (lines ? "  " + r.mostly() : "") + "\n";
  }
  if (sorted.size() > std::size_t(o.rows)) out += fmt::format("... and {} more\n", sorted.size() - std::size_t(o.rows));
  if (sorted.empty()) out += "(nothing)\n";
  return out;
}

}  // namespace tapir::look
