// What every benchmark shares: timing, the machine's roofs measured in the same run, tables and JSON.
#pragma once
#include <tapir/tapir.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

namespace bench {

struct Timing {
  double median, minimum;
};  // seconds a call

/// Seconds: with one thread those of this process on a CPU, which others on the machine disturb less.
inline double now() {
  timespec t;
  clock_gettime(tapir::num_threads() == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

/// Runs `f` until `seconds` have passed, in samples long enough to time; warms up first.
template <class F>
Timing measure(F&& f, double seconds = 0.4) {
  double start = now();
  int warm = 0;
  while (warm < 3 || (now() - start < 0.05 && warm < 100000)) f(), ++warm;
  double once = (now() - start) / warm;
  int inner = std::max(1, int(2e-4 / std::max(once, 1e-9)));
  std::vector<double> samples;
  start = now();
  while (samples.size() < 5 || (now() - start < seconds && samples.size() < 2000)) {
    double t = now();
    for (int i = 0; i < inner; ++i) f();
    samples.push_back((now() - t) / inner);
  }
  std::sort(samples.begin(), samples.end());
  return {samples[samples.size() / 2], samples[0]};
}

/// What bounds a row: `work` FLOPs or bytes a call; none for overhead.
enum class Bound { overhead, flops, bytes };

class Table {
 public:
  Table(const char* title, int argc, char** argv);
  ~Table();
  /// Should this row run? A name given on the command line picks the rows that contain it.
  bool wants(const std::string& name) const;
  template <class F>
  void row(const std::string& name, Bound bound, double work, F&& f) {
    if (wants(name)) add(name, bound, work, measure(f));
  }
  /// `note` ends the line.
  void add(const std::string& name, Bound bound, double work, Timing t, const char* note = "");
  /// A figure that is no time.
  void figure(const std::string& name, double value, const char* unit);

 private:
  std::string title_, filter_, json_;
  bool as_json_ = false;
  tapir::Roof roof_{};
};

}  // namespace bench
