// Model::summary: the table that Keras prints.
#include <tapir/nn/layer_state.h>
#include <tapir/nn/model.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace tapir::nn {

namespace detail {

std::string with_commas(std::int64_t n) {
  std::string s = std::to_string(n);
  for (int i = int(s.size()) - 3; i > 0; i -= 3) s.insert(std::size_t(i), 1, ',');
  return s;
}

std::string shape_text(const Shape& s) {
  if (s.empty()) return "?";
  std::string out = "(None";
  for (int i = 1; i < s.rank(); ++i) out += ", " + std::to_string(s[i]);
  return out + (s.rank() == 1 ? ",)" : ")");
}

}  // namespace detail

namespace {

using detail::shape_text, detail::with_commas;

std::string bytes_text(std::int64_t bytes) {
  constexpr const char* units[] = {"B", "KB", "MB", "GB", "TB"};
  double v = double(bytes);
  int u = 0;
  while (v >= 1024 && u < 4) v /= 1024, ++u;
  return fmt::format("{:.2f} {}", v, units[u]);
}

std::string line(const char* left, const char* fill, const char* middle, const char* right, const int (&widths)[3]) {
  std::string out = left;
  for (int c = 0; c < 3; ++c) {
    for (int i = 0; i < widths[c] + 2; ++i) out += fill;
    out += c < 2 ? middle : right;
  }
  return out + "\n";
}

// Lines of at most `width`, broken at spaces; a longer word is cut.
std::vector<std::string> wrapped(const std::string& text, std::size_t width) {
  std::vector<std::string> lines{""};
  for (std::size_t begin = 0; begin <= text.size();) {
    std::size_t end = std::min(text.find(' ', begin), text.size());
    std::string word = text.substr(begin, end - begin), &last = lines.back();
    if (word.size() > width) word = word.substr(0, width - 1) + "…";
    if (last.empty()) last = word;
    else if (last.size() + 1 + word.size() <= width) last += " " + word;
    else lines.push_back(word);
    begin = end + 1;
  }
  return lines;
}

struct Size {
  std::int64_t numbers = 0, bytes = 0;
  void add(const Variable& v) { numbers += v.size(), bytes += v.size() * std::int64_t(size_of(v.dtype())); }
  std::string text() const { return fmt::format("{} ({})", with_commas(numbers), bytes_text(bytes)); }
};

}  // namespace

std::string Model::summary_text() const {
  constexpr int widths[3] = {31, 22, 13};
  std::string out = fmt::format("Model: \"{}\"\n", name());
  out += line("┏", "━", "┳", "┓", widths);
  out += fmt::format("┃ {:<31} ┃ {:<22} ┃ {:>13} ┃\n", "Layer (type)", "Output Shape", "Param #");
  out += line("┡", "━", "╇", "┩", widths);
  bool first = true;
  for (auto& child : summarised()) {
    const Layer::State& s = *child;
    std::int64_t n = 0;
    detail::visit_variables(s, [&](const Variable& v, bool, const std::string&) { n += v.size(); });
    if (!first) out += line("├", "─", "┼", "┤", widths);
    first = false;
    std::string count = s.built || !s.needs_build ? with_commas(n) : "0 (unbuilt)";
    auto names = wrapped(s.name + " (" + s.type + ")", widths[0]), shapes = wrapped(shape_text(s.output), widths[1]);
    names.resize(std::max(names.size(), shapes.size()));
    shapes.resize(names.size());
    for (std::size_t i = 0; i < names.size(); ++i)
      out += fmt::format("│ {:<31} │ {:<22} │ {:>13} │\n", names[i], shapes[i], i == 0 ? count : "");
  }
  out += line("└", "─", "┴", "┘", widths);
  Size trainable, fixed, optimizer, total;
  detail::visit_variables(
      *state(), [&](const Variable& v, bool t, const std::string&) { (t ? trainable : fixed).add(v), total.add(v); });
  for (auto& v : optimizer_variables()) optimizer.add(v), total.add(v);
  out += fmt::format(" Total params: {}\n Trainable params: {}\n Non-trainable params: {}\n", total.text(),
                     trainable.text(), fixed.text());
  if (optimizer.numbers > 0) out += fmt::format(" Optimizer params: {}\n", optimizer.text());
  return out;
}

void Model::summary() const {
  std::string text = summary_text();
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace tapir::nn
