// Model::summary: the table that Keras prints.
#include <tapir/nn/layer_state.h>
#include <tapir/nn/model.h>

#include <fmt/format.h>

#include <cstdio>

namespace tapir::nn {
namespace {

std::string with_commas(std::int64_t n) {
  std::string s = std::to_string(n);
  for (int i = int(s.size()) - 3; i > 0; i -= 3) s.insert(std::size_t(i), ",");
  return s;
}

std::string bytes_text(std::int64_t bytes) {
  constexpr const char* units[] = {"B", "KB", "MB", "GB", "TB"};
  double v = double(bytes);
  int u = 0;
  while (v >= 1024 && u < 4) v /= 1024, ++u;
  return fmt::format("{:.2f} {}", v, units[u]);
}

std::string shape_text(const Shape& s) {
  if (s.empty()) return "?";
  std::string out = "(None";
  for (int i = 1; i < s.rank(); ++i) out += ", " + std::to_string(s[i]);
  return out + (s.rank() == 1 ? ",)" : ")");
}

std::string line(const char* left, const char* fill, const char* middle, const char* right, const int (&widths)[3]) {
  std::string out = left;
  for (int c = 0; c < 3; ++c) {
    for (int i = 0; i < widths[c] + 2; ++i) out += fill;
    out += c < 2 ? middle : right;
  }
  return out + "\n";
}

std::string cut(const std::string& s, int width) {
  return int(s.size()) <= width ? s : s.substr(0, std::size_t(width) - 1) + "…";
}

}  // namespace

std::string Model::summary_text() const {
  constexpr int widths[3] = {31, 22, 13};
  std::string out = fmt::format("Model: \"{}\"\n", name());
  out += line("┏", "━", "┳", "┓", widths);
  out += fmt::format("┃ {:<31} ┃ {:<22} ┃ {:>13} ┃\n", "Layer (type)", "Output Shape", "Param #");
  out += line("┡", "━", "╇", "┩", widths);
  bool first = true;
  std::int64_t total = 0, trainable = 0, total_bytes = 0, trainable_bytes = 0;
  for (auto& child : summarised()) {
    const Layer::State& s = *child;
    std::int64_t n = 0;
    detail::visit_variables(s, [&](const Variable& v, bool, const std::string&) { n += v.size(); });
    if (!first) out += line("├", "─", "┼", "┤", widths);
    first = false;
    std::string count = s.built || !s.needs_build ? with_commas(n) : "0 (unbuilt)";
    out += fmt::format("│ {:<31} │ {:<22} │ {:>13} │\n", cut(s.name + " (" + s.type + ")", 31),
                       cut(shape_text(s.output), 22), count);
  }
  out += line("└", "─", "┴", "┘", widths);
  detail::visit_variables(*state(), [&](const Variable& v, bool t, const std::string&) {
    std::int64_t bytes = v.size() * std::int64_t(size_of(v.dtype()));
    total += v.size(), total_bytes += bytes;
    if (t) trainable += v.size(), trainable_bytes += bytes;
  });
  out += fmt::format(" Total params: {} ({})\n Trainable params: {} ({})\n Non-trainable params: {} ({})\n",
                     with_commas(total), bytes_text(total_bytes), with_commas(trainable), bytes_text(trainable_bytes),
                     with_commas(total - trainable), bytes_text(total_bytes - trainable_bytes));
  return out;
}

void Model::summary() const {
  std::string text = summary_text();
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace tapir::nn
