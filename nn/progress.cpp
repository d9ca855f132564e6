#include <tapir/nn/progress.h>

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace tapir::nn::detail {
namespace {

// "3s", "1:05", "2:03:04"
std::string clock_text(double s) {
  const auto n = std::int64_t(s);
  if (n < 60) return fmt::format("{}s", n);
  if (n < 3600) return fmt::format("{}:{:02}", n / 60, n % 60);
  return fmt::format("{}:{:02}:{:02}", n / 3600, n / 60 % 60, n % 60);
}
std::string step_text(double s) {
  if (s >= 1) return fmt::format("{:.0f}s/step", s);
  return s >= 1e-3 ? fmt::format("{:.0f}ms/step", s * 1e3) : fmt::format("{:.0f}us/step", s * 1e6);
}

}  // namespace

std::string metrics_text(const Logs& logs) {
  std::string out;
  for (auto& [name, v] : logs)
    out +=
        std::fabs(v) > 1e-3 || v == 0 ? fmt::format(" - {}: {:.4f}", name, v) : fmt::format(" - {}: {:.4e}", name, v);
  return out;
}

Progress::Progress(int verbose, int epochs)
    : style_(verbose == 0                            ? Style::none
             : verbose == 1 && isatty(STDOUT_FILENO) ? Style::bar
                                                     : Style::lines),
      epochs_(epochs) {}

void Progress::start_epoch(int epoch, std::int64_t steps) {
  epoch_ = epoch;
  steps_ = steps;
  start_ = Clock::now();
  drawn_ = start_ - std::chrono::seconds(1);
  if (style_ == Style::bar) fmt::print("Epoch {}/{}\n", epoch + 1, epochs_);
}

bool Progress::due() const { return style_ == Style::bar && Clock::now() - drawn_ > std::chrono::milliseconds(100); }

void Progress::tell(std::int64_t step, const Logs& logs) {
  constexpr int bar_width = 20;
  const int done = int(bar_width * step / std::max<std::int64_t>(steps_, 1));
  const double s = seconds(), each = s / double(std::max<std::int64_t>(step, 1));
  if (steps_ < 0) {
    fmt::print("\r\033[K{:7}/Unknown \033[1m{}\033[0m {}{}", step, clock_text(s), step_text(each), metrics_text(logs));
    std::fflush(stdout);
    drawn_ = Clock::now();
    return;
  }
  const std::string count = fmt::format("{}/{}", step, steps_);
  std::string line = fmt::format("\033[1m{:>{}}\033[0m \033[32m", count, 2 * std::to_string(steps_).size() + 1);
  for (int i = 0; i < bar_width; ++i) {
    if (i == done) line += "\033[37m";
    line += "━";
  }
  line += fmt::format("\033[0m \033[1m{}\033[0m {}{}", clock_text(step < steps_ ? each * double(steps_ - step) : s),
                      step_text(each), metrics_text(logs));
  fmt::print("\r\033[K{}", line);
  std::fflush(stdout);
  drawn_ = Clock::now();
}

void Progress::end_epoch(std::int64_t steps, const Logs& logs) {
  steps_ = steps;
  if (style_ == Style::none) return;
  if (style_ == Style::bar) {
    tell(steps_, logs);
    fmt::print("\n");
  } else {
    const double s = seconds();
    fmt::print("Epoch {}/{} - {}/{} - {} - {}{}\n", epoch_ + 1, epochs_, steps_, steps_, clock_text(s),
               step_text(s / double(std::max<std::int64_t>(steps_, 1))), metrics_text(logs));
  }
  std::fflush(stdout);
}

}  // namespace tapir::nn::detail
