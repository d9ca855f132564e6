#include <tapir/io/output_file.h>
#include <tapir/look/markup.h>
#include <tapir/look/page.h>
#include <tapir/look/pixels.h>
#include <tapir/look/report.h>

#include <fmt/format.h>

#include <cmath>

namespace tapir::report {

using look::escaped;

namespace {

std::string titled(const std::string& title, const std::string& html) {
  return (title.empty() ? "" : fmt::format("<h2>{}</h2>\n", escaped(title))) + html;
}

std::string base64(const std::string& bytes) {
  static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t v = 0;
    for (std::size_t k = 0; k < 3; ++k)
      v = v << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) out += i + k <= bytes.size() ? digits[v >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

// A whole number as one, else with four digits.
std::string number(double v) {
  return v == std::floor(v) && std::abs(v) < 1e15 ? fmt::format("{:.0f}", v) : fmt::format("{:.4g}", v);
}

std::string percent(double part, double whole) { return whole > 0 ? fmt::format("{:.1f} %", 100 * part / whole) : "–"; }

}  // namespace

Section text(const std::string& paragraphs) {
  std::string out;
  for (std::size_t begin = 0; begin < paragraphs.size();) {
    const std::size_t end = std::min(paragraphs.find("\n\n", begin), paragraphs.size());
    if (end > begin) out += fmt::format("<p>{}</p>\n", escaped(paragraphs.substr(begin, end - begin)));
    begin = end + 2;
  }
  return {out};
}

Section heading(const std::string& text) { return {titled(text, "")}; }
Section code(const std::string& text) { return {fmt::format("<pre>{}</pre>\n", escaped(text))}; }
Section html(std::string markup) { return {std::move(markup)}; }

Section facts(const std::vector<std::pair<std::string, std::string>>& facts) {
  std::string out = "<dl class=\"facts\">\n";
  for (auto& [name, value] : facts)
    out += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", escaped(name), escaped(value));
  return {out + "</dl>\n"};
}

Section table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows, Where where) {
  CallSite site(where);
  std::string out = "<div class=\"wide\"><table>\n<thead><tr>";
  for (auto& h : header) out += fmt::format("<th>{}</th>", escaped(h));
  out += "</tr></thead>\n<tbody>\n";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].size() != header.size())
      throw ShapeError(fmt::format("table: row {} has {} cells, the header {}.", i, rows[i].size(), header.size()));
    out += "<tr>";
    for (auto& cell : rows[i]) out += fmt::format("<td>{}</td>", escaped(cell));
    out += "</tr>\n";
  }
  return {out + "</tbody></table></div>\n"};
}

Section confusion(const Tensor& matrix, const ConfusionOptions& options, Where where) {
  CallSite site(where);
  const std::vector<double> m = look::numbers_of("confusion", matrix);
  const Shape& s = matrix.shape();
  if (s.rank() != 2 || s[0] != s[1] || s[0] < 1)
    throw ShapeError(fmt::format("confusion: the matrix must be [classes, classes], got {}.", s.str()));
  const auto n = std::size_t(s[0]);
  if (!options.labels.empty() && options.labels.size() != n)
    throw ShapeError(fmt::format("confusion: {} labels for {} classes.", options.labels.size(), n));
  auto whole = [&](std::size_t k) { return options.labels.empty() ? std::to_string(k) : options.labels[k]; };
  auto label = [&](std::size_t k) { return escaped(whole(k)); };
  auto brief = [&](std::size_t k) { return escaped(look::shortened(whole(k), 16)); };
  std::vector<double> row(n, 0), column(n, 0);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) row[i] += m[i * n + j], column[j] += m[i * n + j];
  constexpr std::size_t most_with_numbers = 32;
  const bool dense = n > most_with_numbers;

  std::string out = fmt::format(
      "<p class=\"soft\">A row for each true class, a column for each prediction. Colours are shares of a row.</p>\n"
      "<div class=\"wide\"><table class=\"matrix{}\">\n<thead><tr><th>true ↓ said →</th>",
      dense ? " dense" : "");
  for (std::size_t j = 0; j < n; ++j) out += fmt::format("<th title=\"{}\">{}</th>", label(j), brief(j));
  out += "<th>recall</th></tr></thead>\n<tbody>\n";
  for (std::size_t i = 0; i < n; ++i) {
    out += fmt::format("<tr><th title=\"{}\">{}</th>", label(i), brief(i));
    for (std::size_t j = 0; j < n; ++j) {
      const double count = m[i * n + j], share = row[i] > 0 ? count / row[i] : 0;
      out += fmt::format("<td class=\"{}\" style=\"--share:{:.3f}\" title=\"{} taken for {}: {}\">{}</td>",
                         i == j ? "right" : "wrong", std::sqrt(std::max(share, 0.0)), label(i), label(j), number(count),
                         dense || count == 0 ? "" : number(count));
    }
    out += fmt::format("<td class=\"sum\">{}</td></tr>\n", percent(m[i * n + i], row[i]));
  }
  out += "</tbody>\n<tfoot><tr><th>precision</th>";
  for (std::size_t j = 0; j < n; ++j) out += fmt::format("<td>{}</td>", dense ? "" : percent(m[j * n + j], column[j]));
  return {titled(options.title, out + "<td></td></tr></tfoot></table></div>\n")};
}

Section images(const Tensor& images, const ImagesOptions& options, Where where) {
  CallSite site(where);
  const look::Pixels p = look::pixels_of("images", images, options.most);
  if (!options.captions.empty() && std::int64_t(options.captions.size()) != images.shape()[0])
    throw ShapeError(fmt::format("images: {} captions for {} images.", options.captions.size(), images.shape()[0]));
  if (options.width < 1) throw UsageError(fmt::format("images: width must be at least 1, got {}.", options.width));
  std::string out = "<div class=\"pictures\">\n";
  for (std::int64_t i = 0; i < p.count; ++i) {
    const std::string caption = options.captions.empty() ? "" : escaped(options.captions[std::size_t(i)]);
    out += fmt::format(
        "<figure><img src=\"data:image/png;base64,{}\" alt=\"{}\" width=\"{}\" height=\"{}\" />{}</figure>\n",
        base64(p.png(i)), caption, options.width, options.width * p.height / p.width,
        caption.empty() ? "" : fmt::format("<figcaption>{}</figcaption>", caption));
  }
  out += "</div>\n";
  if (images.shape()[0] > p.count)
    out += fmt::format("<p class=\"soft\">The first {} of {}.</p>\n", p.count, images.shape()[0]);
  return {titled(options.title, out)};
}

Section model(nn::Layer& model, const nn::PlotOptions& options, Where where) {
  return {titled(model.name(), "<div class=\"wide\">\n" + nn::model_svg(model, options, where) + "</div>\n")};
}

void write(const std::string& path, const std::vector<Section>& sections, const PageOptions& options, Where where) {
  CallSite site(where);
  std::string body;
  for (auto& s : sections) body += s.html;
  detail::OutputFile file({"report", path});
  file.write(look::page(options.title, body));
  file.commit();
}

}  // namespace tapir::report
