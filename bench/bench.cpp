#include <tapir/bench/bench.h>

#include <thread>

namespace bench {
namespace {

constexpr int kLanes = 16, kChains = 10;

// Independent multiply-adds in registers; the compiler makes one version for each instruction set.
__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), optimize("O3", "fast-math"))) float
multiply_adds(long rounds, float seed) {
  float acc[kChains][kLanes];
  for (auto& chain : acc)
    for (auto& v : chain) v = seed;
  for (long r = 0; r < rounds; ++r)
    for (int c = 0; c < kChains; ++c)
      for (int l = 0; l < kLanes; ++l) acc[c][l] = acc[c][l] * 0.999f + seed;
  float sum = 0;
  for (auto& chain : acc)
    for (float v : chain) sum += v;
  return sum;
}

// f(0), ..., f(threads - 1) at once.
template <class F>
void at_once(int threads, F&& f) {
  std::vector<std::jthread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back([&f, i] { f(i); });
  f(0);
}

double best_flops(int threads) {
  constexpr long rounds = 400000;
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    double t = now();
    at_once(threads, [&](int) { [[maybe_unused]] volatile float sink = multiply_adds(rounds, 1e-3f); });
    best = std::max(best, 2.0 * kLanes * kChains * double(rounds) * threads / (now() - t));
  }
  return best;
}

double best_bandwidth(int threads) {
  const long n = 16 << 20;  // three arrays of 64 MB
  std::vector<float> a(n, 1.0f), b(n, 2.0f), c(n, 3.0f);
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    double t = now();
    at_once(threads, [&](int i) {
      for (long k = n * i / threads; k < n * (i + 1) / threads; ++k)
        a[std::size_t(k)] = b[std::size_t(k)] + 0.5f * c[std::size_t(k)];
    });
    best = std::max(best, 12.0 * double(n) / (now() - t));
  }
  return best;
}

std::string pretty(double seconds) {
  char s[32];
  if (seconds < 1e-6) std::snprintf(s, sizeof s, "%.1f ns", seconds * 1e9);
  else if (seconds < 1e-3) std::snprintf(s, sizeof s, "%.2f us", seconds * 1e6);
  else std::snprintf(s, sizeof s, "%.3f ms", seconds * 1e3);
  return s;
}

}  // namespace

Roofs roofs() { return {best_flops(tapir::num_threads()), best_bandwidth(tapir::num_threads())}; }

Table::Table(const char* title, int argc, char** argv) : title_(title) {
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--json")) as_json_ = true;
    else if (!std::strcmp(argv[i], "--help")) {
      std::printf("usage: %s [--json] [ROWS]   measures the rows whose name contains ROWS\n", title);
      std::exit(0);
    } else filter_ = argv[i];
  }
  roofs_ = roofs();
  if (!as_json_) {
    std::printf("%s: %d threads, roofs %.0f GFLOP/s (f32 multiply-add), %.1f GB/s (triad)\n", title,
                tapir::num_threads(), roofs_.flops * 1e-9, roofs_.bandwidth * 1e-9);
    std::printf("%-52s %12s %12s %14s %8s\n", "", "median", "minimum", "rate", "of roof");
  }
}

Table::~Table() {
  if (as_json_)
    std::printf(
        "{\"bench\": \"%s\", \"threads\": %d, \"roof_flops\": %.6g, \"roof_bandwidth\": %.6g, \"rows\": [%s]}\n",
        title_.c_str(), tapir::num_threads(), roofs_.flops, roofs_.bandwidth, json_.c_str());
}

bool Table::wants(const std::string& name) const { return filter_.empty() || name.find(filter_) != std::string::npos; }

void Table::add(const std::string& name, Bound bound, double work, Timing t, const char* note) {
  double rate = work / t.median, roof = bound == Bound::flops ? roofs_.flops : roofs_.bandwidth;
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
