#include <tapir/nn/layer.h>
#include <tapir/nn/names.h>
#include <tapir/tensor/error.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <mutex>
#include <regex>

namespace tapir::nn {
namespace {
std::mutex mutex;
std::map<std::string, int>& counts() {
  static std::map<std::string, int> c;
  return c;
}

// Damerau-Levenshtein distance (adjacent letters exchanged count once).
int distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<int>> d(a.size() + 1, std::vector<int>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = int(i);
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = int(j);
  for (std::size_t i = 1; i <= a.size(); ++i)
    for (std::size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}
}  // namespace

void reset_names() {
  std::lock_guard lock(mutex);
  counts().clear();
}

namespace detail {

// The two replacements of Keras's to_snake_case.
std::string snake_case(const std::string& type) {
  static const std::regex word("(.)([A-Z][a-z0-9]+)"), edge("([a-z])([A-Z])");
  std::string out = std::regex_replace(std::regex_replace(type, word, "$1_$2"), edge, "$1_$2");
  for (char& c : out) c = char(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string unique_name(const std::string& base) {
  std::lock_guard lock(mutex);
  int n = counts()[base]++;
  return n == 0 ? base : fmt::format("{}_{}", base, n);
}

void unknown_name(const char* what, const std::string& name, const std::vector<std::string>& known) {
  auto nearest = std::min_element(known.begin(), known.end(),
                                  [&](auto& a, auto& b) { return distance(name, a) < distance(name, b); });
  std::string hint;
  if (nearest != known.end() && distance(name, *nearest) <= std::max<int>(2, int(name.size()) / 3))
    hint = fmt::format(" Did you mean '{}'?", *nearest);
  throw UsageError(fmt::format("{}: there is no '{}'.{} There are: {}.", what, name, hint, fmt::join(known, ", ")));
}

}  // namespace detail
}  // namespace tapir::nn
