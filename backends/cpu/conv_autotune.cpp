// The file of measured choices: a first line that names format, library, CPU and instruction set, then a line for each
// choice, "forward f32 x 8x1x56x56x64 kernel ... threads 2 -> winograd". Choices are appended as they are made; a file
// with another first line, or with a line that cannot be read, is left alone.
#include <tapir/backends/cpu/conv_autotune.h>
#include <tapir/backends/cpu/isa.h>
#include <tapir/backends/cpu/parallel.h>

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <unordered_map>

namespace tapir::cpu {
namespace {

const std::string& first_line() {
  static const std::string line =
      fmt::format("tapir autotune 1, library {}, {}, {}", TAPIR_VERSION, processor_name(), name_of(isa()));
  return line;
}

std::string key_of(const ConvProblem& p, ConvDirection d) {
  static constexpr const char* directions[] = {"forward", "input_gradient", "kernel_gradient"};
  auto by = [](const std::int64_t* v) { return fmt::format("{}x{}x{}", v[0], v[1], v[2]); };
  const std::string precision = p.precision == Precision::highest ? "" : fmt::format(" {}", name_of(p.precision));
  return fmt::format("{} {}{} x {}x{}x{} kernel {} to {}x{} groups {} stride {} dilation {} before {} threads {}",
                     directions[int(d)], name_of(p.dtype), precision, p.n, by(p.in), p.c, by(p.kernel), by(p.out), p.k,
                     p.groups, by(p.stride), by(p.dilation), by(p.before), num_threads());
}

const ConvEntry* entry_called(const std::string& name) {
  for (auto* e : conv_entries())
    if (name == name_of(e->algorithm)) return e;
  return nullptr;
}

using Choices = std::unordered_map<std::string, const ConvEntry*>;
struct Tuner {
  std::mutex mutex;
  std::string file;  // empty: nowhere to write
  Choices choices;
};
Tuner& tuner() {
  static Tuner* t = new Tuner;  // outlives every thread
  return *t;
}

// What is wrong with the file; empty if nothing, or if there is none.
std::string read_choices(const std::string& file, Choices& choices) {
  std::ifstream in(file);
  std::string line;
  if (!in || !std::getline(in, line)) return "";
  if (line != first_line())
    return fmt::format("its first line is \"{:.200}\", here it would be \"{}\"", line, first_line());
  while (std::getline(in, line)) {
    const auto arrow = line.rfind(" -> ");
    const ConvEntry* entry = arrow == std::string::npos ? nullptr : entry_called(line.substr(arrow + 4));
    if (!entry) return fmt::format("it has a line \"{:.200}\"", line);
    choices[line.substr(0, arrow)] = entry;
  }
  return "";
}

void append(const std::string& file, const std::string& key, const ConvEntry& e) {
  const bool fresh = std::ifstream(file).peek() == std::ifstream::traits_type::eof();
  std::ofstream out(file, std::ios::app);
  out << (fresh ? first_line() + "\n" : "") + key + " -> " + name_of(e.algorithm) + "\n" << std::flush;
  static std::atomic<bool> told{false};
  if (!out && !told.exchange(true))
    std::fprintf(stderr, "tapir: autotune: %s cannot be written; choices are kept for this run alone.\n", file.c_str());
}

void use_file(const std::string& file) {
  Choices choices;
  const std::string wrong = read_choices(file, choices);
  if (!wrong.empty()) std::fprintf(stderr, "tapir: autotune: %s is ignored: %s.\n", file.c_str(), wrong.c_str());
  Tuner& t = tuner();
  std::lock_guard lock(t.mutex);
  t.file = wrong.empty() ? file : "";
  t.choices = wrong.empty() ? std::move(choices) : Choices();
}

std::atomic<bool>& on() {
  static std::atomic<bool> value = [] {
    const char* file = std::getenv("TAPIR_AUTOTUNE");
    if (!file || !*file) return false;
    use_file(file);
    return true;
  }();
  return value;
}

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace

bool autotuning() { return on().load(std::memory_order_relaxed); }

void conv_autotune(const std::string& file) {
  on() = false;
  if (file.empty()) return;
  use_file(file);
  on() = true;
}

const ConvEntry* tuned_conv(const ConvProblem& p, ConvDirection d) {
  Tuner& t = tuner();
  const std::string key = key_of(p, d);
  std::lock_guard lock(t.mutex);
  auto it = t.choices.find(key);
  return it != t.choices.end() && it->second->refuses(p, d).empty() ? it->second : nullptr;
}

const ConvEntry& tune_conv(const ConvProblem& p, ConvDirection d, const ConvBuffers& b) {
  constexpr double far_behind = 3;
  const ConvEntry* best = &choose_conv(p, d, ConvAlgorithm::automatic);
  const double most = far_behind * best->cost(p, d);
  // The result goes where nobody reads: an epilogue may want what lies in its place.
  const std::int64_t item = std::int64_t(size_of(p.dtype));
  const std::int64_t size = d == ConvDirection::forward          ? p.n * p.out_pixels() * p.k
                            : d == ConvDirection::input_gradient ? p.n * p.in_pixels() * p.c
                                                                 : p.taps() * p.cg() * p.k;
  ConvScratch<std::byte> result(size * item);
  ConvBuffers mine = b;
  mine.after = nullptr;
  (d == ConvDirection::forward ? mine.y : d == ConvDirection::input_gradient ? mine.x : mine.kernel) = result.data();
  if (d != ConvDirection::forward) mine.kernel_id = 0;  // a kernel that is being trained comes once
  double least = 1e30;
  for (auto* e : conv_entries()) {
    if (!e->refuses(p, d).empty() || e->cost(p, d) > most) continue;
    e->run(p, d, mine);
    for (int i = 0; i < 4; ++i) {
      const double start = seconds();
      e->run(p, d, mine);
      const double t = seconds() - start;
      if (t < least) least = t, best = e;
      if (t > 2 * least) break;
    }
  }
  Tuner& t = tuner();
  const std::string key = key_of(p, d);
  std::lock_guard lock(t.mutex);
  if (auto [it, made] = t.choices.emplace(key, best); !made) it->second = best;
  else if (!t.file.empty()) append(t.file, key, *best);
  return *best;
}

}  // namespace tapir::cpu
