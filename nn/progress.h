// What fit shows while it runs. Internal to nn/.
#pragma once
#include <tapir/nn/history.h>

#include <chrono>
#include <cstdint>

namespace tapir::nn::detail {

/// Keras's progress bar on a terminal, redrawn at most ten times a second; one line an epoch elsewhere; or nothing.
class Progress {
 public:
  /// verbose as in FitOptions.
  Progress(int verbose, int epochs);
  bool bar() const { return style_ == Style::bar; }
  /// steps: -1 if not known.
  void start_epoch(int epoch, std::int64_t steps);
  /// True if it is time to draw: then tell() may be called with what there is to say.
  bool due() const;
  void tell(std::int64_t step, const Logs& logs);
  /// steps: as many as there turned out to be.
  void end_epoch(std::int64_t steps, const Logs& logs);

 private:
  enum class Style : std::uint8_t { none, bar, lines };
  using Clock = std::chrono::steady_clock;
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  Style style_;
  int epochs_, epoch_ = 0;
  std::int64_t steps_ = 0;
  Clock::time_point start_, drawn_;
};

/// " - accuracy: 0.9123 - loss: 0.3012"
std::string metrics_text(const Logs& logs);

}  // namespace tapir::nn::detail
