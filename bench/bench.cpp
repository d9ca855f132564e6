#include <tapir/bench/bench.h>

namespace bench {
namespace {

std::string pretty(double seconds) {
  char s[32];
  if (seconds < 1e-6) std::snprintf(s, sizeof s, "%.1f ns", seconds * 1e9);
  else if (seconds < 1e-3) std::snprintf(s, sizeof s, "%.2f us", seconds * 1e6);
  else std::snprintf(s, sizeof s, "%.3f ms", seconds * 1e3);
  return s;
}

}  // namespace

Table::Table(const char* title, int argc, char** argv) : title_(title) {
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--json")) as_json_ = true;
    else if (!std::strcmp(argv[i], "--help")) {
      std::printf("usage: %s [--json] [ROWS]   measures the rows whose name contains ROWS\n", title);
      std::exit(0);
    } else filter_ = argv[i];
  }
  roof_ = tapir::machine_roof();
  if (!as_json_) {
    std::printf("%s: %d threads, roofs %.0f GFLOP/s (f32 multiply-add), %.1f GB/s (triad)\n", title,
                tapir::num_threads(), roof_.flops * 1e-9, roof_.bandwidth * 1e-9);
    std::printf("%-52s %12s %12s %14s %8s\n", "", "median", "minimum", "rate", "of roof");
  }
}

Table::~Table() {
  if (as_json_)
    std::printf(
        "{\"bench\": \"%s\", \"threads\": %d, \"roof_flops\": %.6g, \"roof_bandwidth\": %.6g, \"rows\": [%s]}\n",
        title_.c_str(), tapir::num_threads(), roof_.flops, roof_.bandwidth, json_.c_str());
}

bool Table::wants(const std::string& name) const { return filter_.empty() || name.find(filter_) != std::string::npos; }

void Table::add(const std::string& name, Bound bound, double work, Timing t, const char* note) {
  double rate = work / t.median, roof = bound == Bound::flops ? roof_.flops : roof_.bandwidth;
  char line[512];
  if (as_json_) {
    std::snprintf(line, sizeof line,
                  "%s{\"name\": \"%s\", \"median\": %.6g, \"minimum\": %.6g, \"work\": %.6g, \"share\": %.4g, "
                  "\"note\": \"%s\"}",
                  json_.empty() ? "" : ", ", name.c_str(), t.median, t.minimum, work,
                  bound == Bound::overhead ? 0.0 : rate / roof, note);
    json_ += line;
    return;
  }
  std::printf("%-52s %12s %12s", name.c_str(), pretty(t.median).c_str(), pretty(t.minimum).c_str());
  if (bound == Bound::flops) std::printf(" %7.1f GFLOP/s %7.0f%%", rate * 1e-9, 100 * rate / roof);
  if (bound == Bound::bytes) std::printf(" %9.1f GB/s %8.0f%%", rate * 1e-9, 100 * rate / roof);
  std::printf("%s%s\n", *note ? "  " : "", note);
  std::fflush(stdout);
}

void Table::figure(const std::string& name, double value, const char* unit) {
  char line[512];
  if (as_json_) {
    std::snprintf(line, sizeof line, "%s{\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\"}",
                  json_.empty() ? "" : ", ", name.c_str(), value, unit);
    json_ += line;
  } else {
    std::printf("%-52s %12.6g %s\n", name.c_str(), value, unit);
  }
}

}  // namespace bench
