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

using Widths = std::vector<int>;

std::string line(const char* left, const char* fill, const char* middle, const char* right, const Widths& widths) {
  std::string out = left;
  for (std::size_t c = 0; c < widths.size(); ++c) {
    for (int i = 0; i < widths[c] + 2; ++i) out += fill;
    out += c + 1 < widths.size() ? middle : right;
  }
  return out + "\n";
}

// Cells side by side, as many lines as the highest has; the third column is to the right.
std::string cells(const char* bar, const std::vector<std::vector<std::string>>& columns, const Widths& widths) {
  std::size_t lines = 0;
  for (auto& column : columns) lines = std::max(lines, column.size());
  std::string out;
  for (std::size_t i = 0; i < lines; ++i) {
    out += bar;
    for (std::size_t c = 0; c < columns.size(); ++c) {
      const std::string text = i < columns[c].size() ? columns[c][i] : "";
      out += c == 2 ? fmt::format(" {:>{}} {}", text, widths[c], bar) : fmt::format(" {:<{}} {}", text, widths[c], bar);
    }
    out += "\n";
  }
  return out;
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

std::vector<detail::SummaryRow> Model::summary_rows() const {
  std::vector<detail::SummaryRow> rows;
  for (auto& child : summarised()) rows.push_back({child, child->name, child->type, child->output});
  return rows;
}

std::string Model::summary_text() const {
  const auto rows = summary_rows();
  const bool connected = std::any_of(rows.begin(), rows.end(), [](auto& r) { return !r.connected_to.empty(); });
  const Widths widths = connected ? Widths{19, 17, 10, 17} : Widths{31, 22, 13};
  std::vector<std::vector<std::string>> header{{"Layer (type)"}, {"Output Shape"}, {"Param #"}};
  if (connected) header.push_back({"Connected to"});
  std::string out = fmt::format("Model: \"{}\"\n", name());
  out += line("┏", "━", "┳", "┓", widths);
  out += cells("┃", header, widths);
  out += line("┡", "━", "╇", "┩", widths);
  bool first = true;
  for (auto& row : rows) {
    if (!first) out += line("├", "─", "┼", "┤", widths);
    first = false;
    std::int64_t n = 0;
    if (row.layer)
      detail::visit_variables(*row.layer, [&](const Variable& v, bool, const std::string&) { n += v.size(); });
    const bool known = !row.layer || row.layer->built || !row.layer->needs_build;
    std::vector<std::vector<std::string>> columns{wrapped(row.name + " (" + row.type + ")", std::size_t(widths[0])),
                                                  wrapped(shape_text(row.output), std::size_t(widths[1])),
                                                  {known ? with_commas(n) : "0 (unbuilt)"}};
    if (connected) columns.push_back(wrapped(row.connected_to, std::size_t(widths[3])));
    out += cells("│", columns, widths);
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
