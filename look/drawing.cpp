#include <tapir/look/drawing.h>
#include <tapir/look/layered.h>
#include <tapir/look/markup.h>
#include <tapir/look/page.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace tapir::look {
namespace {

constexpr double kHeading = 13, kText = 12, kLine = 17, kSide = 12, kTop = 8, kStripe = 5, kMargin = 16;

const char* colour_of(const std::string& kind) {
  static const std::map<std::string, const char*> colours = {
      {"input", "--c6"}, {"output", "--c3"}, {"weight", "--c4"}, {"conv", "--c1"},       {"dense", "--c2"},
      {"norm", "--c4"},  {"pool", "--c5"},   {"shape", "--c7"},  {"activation", "--c3"}, {"group", "--c6"},
  };
  const auto found = colours.find(kind);
  return found == colours.end() ? "--soft" : found->second;
}

Size size_of(const Box& b, std::size_t longest) {
  double width = 60;
  for (std::size_t i = 0; i < b.lines.size(); ++i)
    width = std::max(width, text_width(shortened(b.lines[i], longest), i ? kText : kHeading, i == 0));
  return {std::ceil(width) + 2 * kSide + kStripe, 2 * kTop + kLine * double(std::max<std::size_t>(b.lines.size(), 1))};
}

std::string tip(const std::string& text) { return text.empty() ? "" : fmt::format("<title>{}</title>", escaped(text)); }

// What was cut off is still there for the mouse.
std::string tip_of(const Box& b, std::size_t longest) {
  std::string cut;
  for (auto& line : b.lines)
    if (shortened(line, longest) != line) cut += line + "\n";
  return cut + b.tip;
}

std::string box_text(const Box& b, Point at, Size size, std::size_t longest) {
  std::string out = fmt::format("<g>{}", tip(tip_of(b, longest)));
  out +=
      fmt::format(R"(<rect class="box" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="6"/>)"
                  R"(<rect x="{:.1f}" y="{:.1f}" width="4" height="{:.1f}" rx="2" style="fill:var({});"/>)",
                  at.x, at.y, size.width, size.height, at.x + kStripe, at.y + 6, size.height - 12, colour_of(b.kind));
  double y = at.y + kTop + 12.5;
  for (std::size_t i = 0; i < b.lines.size(); ++i, y += kLine)
    out += fmt::format(R"(<text{} x="{:.1f}" y="{:.1f}">{}</text>)", i ? "" : R"( class="head")",
                       at.x + kStripe + kSide, y, escaped(shortened(b.lines[i], longest)));
  return out + "</g>\n";
}

// Bent between layers, straight where it passes one; an arrow's head at the end.
std::string line_text(const std::vector<Point>& points, const std::string& text, bool left_to_right) {
  if (points.size() < 2) return "";
  const Point end = points.back();
  std::string d = fmt::format("M{:.1f} {:.1f}", points[0].x, points[0].y);
  for (std::size_t i = 1; i < points.size(); ++i) {
    const Point a = points[i - 1], b = points[i];
    if (left_to_right ? a.y == b.y : a.x == b.x) d += fmt::format("L{:.1f} {:.1f}", b.x, b.y);
    else if (left_to_right)
      d += fmt::format("C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}", (a.x + b.x) / 2, a.y, (a.x + b.x) / 2, b.y, b.x,
                       b.y);
    else
      d += fmt::format("C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}", a.x, (a.y + b.y) / 2, b.x, (a.y + b.y) / 2, b.x,
                       b.y);
  }
  const Point before = points[points.size() - 2];
  const double forward = left_to_right ? (end.x >= before.x ? 1 : -1) : (end.y >= before.y ? 1 : -1);
  const double back = -6 * forward;
  const std::string head = left_to_right ? fmt::format("M{:.1f} {:.1f}l{:.0f} -3.5v7z", end.x, end.y, back)
                                         : fmt::format("M{:.1f} {:.1f}l-3.5 {:.0f}h7z", end.x, end.y, back);
  return fmt::format(R"(<g class="link">{}<path d="{}"/><path class="tip" d="{}"/></g>)", tip(text), d, head) + "\n";
}

}  // namespace

std::string to_svg(const Drawing& drawing, const DrawingOptions& options) {
  std::vector<Size> sizes;
  for (auto& b : drawing.boxes) sizes.push_back(size_of(b, options.longest_line));
  std::vector<std::pair<int, int>> links;
  for (auto& l : drawing.links) links.emplace_back(l.from, l.to);
  const Layout layout = layered(sizes, links, {.left_to_right = options.left_to_right});
  const double width = layout.width + 2 * kMargin, height = layout.height + 2 * kMargin;

  std::string out =
      fmt::format(R"(<svg xmlns="http://www.w3.org/2000/svg" class="tp drawing" role="img" aria-label="{}" )"
                  R"(width="{:.0f}" height="{:.0f}" viewBox="{:.0f} {:.0f} {:.0f} {:.0f}">)",
                  escaped(drawing.title), width, height, -kMargin, -kMargin, width, height);
  out += fmt::format(
      "\n<style>{}"
      ".drawing{{background:var(--paper);font:{}px 'DejaVu Sans','Segoe UI',Verdana,Helvetica,Arial,sans-serif}}"
      ".drawing text{{fill:var(--soft)}}.drawing .head{{fill:var(--ink);font-size:{}px;font-weight:600}}"
      ".drawing .box{{fill:var(--card);stroke:var(--line)}}"
      ".drawing .link path{{fill:none;stroke:var(--soft);stroke-width:1.2;opacity:.75}}"
      ".drawing .link .tip{{fill:var(--soft);stroke:none}}.drawing .link:hover "
      "path{{stroke:var(--c1);opacity:1;stroke-width:2.2}}"
      "</style>\n",
      colour_rules(), kText, kHeading);
  for (std::size_t k = 0; k < drawing.links.size(); ++k)
    out += line_text(layout.routes[k], drawing.links[k].tip, options.left_to_right);
  for (std::size_t b = 0; b < drawing.boxes.size(); ++b)
    out += box_text(drawing.boxes[b], layout.at[b], sizes[b], options.longest_line);
  return out + "</svg>\n";
}

std::string to_page(const std::string& title, const std::vector<Drawing>& drawings, const DrawingOptions& options) {
  std::string body;
  for (auto& d : drawings) {
    if (drawings.size() > 1 || d.title != title) body += fmt::format("<h2>{}</h2>\n", escaped(d.title));
    body += "<div class=\"wide\">\n" + to_svg(d, options) + "</div>\n";
  }
  return page(title, body);
}

}  // namespace tapir::look
