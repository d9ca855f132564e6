// The charts of a history.
#include <tapir/look/markup.h>
#include <tapir/look/report.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tapir::report {

using look::escaped;

namespace {

constexpr double kWidth = 560, kHeight = 300, kLeft = 70, kRight = 14, kTop = 12, kBottom = 38;

struct Line {
  std::string name;
  const std::vector<double>* values;
  const char* colour;
};

// From data to the drawing.
struct Axis {
  double low, high, from, to;
  double at(double v) const { return from + (v - low) / (high - low) * (to - from); }
};

// Steps of 1, 2 or 5 times a power of ten, about as many as asked for.
std::vector<double> ticks(double low, double high, int about) {
  const double raw = (high - low) / about, power = std::pow(10, std::floor(std::log10(raw)));
  double step = power;
  for (double f : {2.0, 5.0, 10.0})
    if (step < raw) step = f * power;
  std::vector<double> out;
  for (double k = std::ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; ++k) out.push_back(k * step);
  return out;
}

// Powers of ten between two logarithms, with twice and five times them where these are few.
std::vector<double> log_ticks(double low, double high) {
  std::vector<double> out;
  const bool wide = high - low > 2.5;
  const double step = std::max(1.0, std::ceil((high - low) / 8));
  for (double k = std::floor(low); k <= high; k += step)
    for (double f : {1.0, 2.0, 5.0}) {
      const double v = k + std::log10(f);
      if (v >= low && v <= high && (f == 1 || !wide)) out.push_back(v);
    }
  return out;
}

std::string number(double v) { return fmt::format("{:.4g}", std::abs(v) < 1e-12 ? 0.0 : v); }

class Chart {
 public:
  Chart(const std::string& metric, std::vector<Line> lines, const CurvesOptions& options)
      : metric_(metric), lines_(std::move(lines)), options_(options) {
    double low = HUGE_VAL, high = -HUGE_VAL;
    for (auto& l : lines_) {
      epochs_ = std::max(epochs_, l.values->size());
      for (std::size_t i = 0; i < l.values->size(); ++i) {
        const double v = (*l.values)[i];
        if (!std::isfinite(v)) continue;
        if (options.log_scale && v <= 0)
          throw UsageError(
              fmt::format("curves: log_scale, but {} has {} in epoch {}.", l.name, v, int(i) + options.first_epoch));
        low = std::min(low, scaled(v)), high = std::max(high, scaled(v));
      }
    }
    any_ = low <= high;
    const double room = high > low ? 0.05 * (high - low) : std::max(std::abs(low) * 0.05, 1e-3);
    y_ = {low - room, high + room, kHeight - kBottom, kTop};
    const double first = options.first_epoch, last = first + double(std::max<std::size_t>(epochs_, 1)) - 1;
    x_ = last > first ? Axis{first, last, kLeft + 8, kWidth - kRight}
                      : Axis{first - 1, last + 1, kLeft + 8, kWidth - kRight};
  }

  std::string html() const {
    std::string out = fmt::format("<figure class=\"chart\"><figcaption><b>{}</b>", escaped(metric_));
    for (auto& l : lines_)
      out += fmt::format("<span><i style=\"background:var({})\"></i>{}</span>", l.colour,
                         l.name == metric_ ? "training" : "validation");
    out += fmt::format("</figcaption>\n<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{} by epoch\">\n",
                       kWidth, kHeight, escaped(metric_));
    if (any_) {
      out += grid();
      for (auto& l : lines_) out += line(l);
    } else {
      out +=
          fmt::format("<text class=\"mark\" x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"middle\">no finite values</text>\n",
                      kWidth / 2, kHeight / 2);
    }
    out += "</svg>\n<p class=\"soft\">";
    for (std::size_t k = 0; k < lines_.size(); ++k) out += (k ? "<br />" : "") + last_and_best(lines_[k]);
    return out + "</p></figure>\n";
  }

 private:
  double scaled(double v) const { return options_.log_scale ? std::log10(v) : v; }

  std::string grid() const {
    std::string out;
    const std::vector<double> marks = options_.log_scale ? log_ticks(y_.low, y_.high) : ticks(y_.low, y_.high, 5);
    for (double v : marks) {
      const double y = y_.at(v);
      out += fmt::format(
          "<path class=\"grid\" d=\"M{:.1f} {:.1f}H{:.1f}\"/><text class=\"mark\" x=\"{:.1f}\" y=\"{:.1f}\" "
          "text-anchor=\"end\">{}</text>\n",
          kLeft, y, kWidth - kRight, kLeft - 6, y + 4, number(options_.log_scale ? std::pow(10, v) : v));
    }
    for (double v : ticks(x_.low, x_.high, 8)) {
      if (v != std::floor(v)) continue;
      out += fmt::format("<text class=\"mark\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{:.0f}</text>\n",
                         x_.at(v), kHeight - kBottom + 17, v);
    }
    return out + fmt::format("<text class=\"mark\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">epoch</text>\n",
                             kWidth - kRight, kHeight - 4);
  }

  std::string line(const Line& l) const {
    std::string path, points;
    bool drawing = false;
    for (std::size_t i = 0; i < l.values->size(); ++i) {
      const double v = (*l.values)[i], epoch = double(i) + options_.first_epoch;
      if (!std::isfinite(v)) {
        drawing = false;
        continue;
      }
      const double x = x_.at(epoch), y = y_.at(scaled(v));
      path += fmt::format("{}{:.1f} {:.1f}", drawing ? "L" : "M", x, y);
      drawing = true;
      constexpr std::size_t most_points = 60;
      points +=
          fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"><title>{}, epoch {:.0f}: {}</title></circle>\n", x,
                      y, epochs_ <= most_points ? "3" : "1.5", escaped(l.name), epoch, number(v));
    }
    return fmt::format("<g style=\"--mine:var({})\"><path class=\"line\" d=\"{}\"/>\n{}</g>\n", l.colour, path, points);
  }

  // Accuracies are best where they are largest, losses and errors where they are smallest; others just end.
  std::string last_and_best(const Line& l) const {
    std::string out = escaped(l.name) + ": ";
    const auto& v = *l.values;
    out += v.empty() ? "no values" : "at last " + number(v.back());
    auto has = [&](const char* part) { return metric_.find(part) != std::string::npos; };
    const bool larger = has("accuracy") || has("auc") || has("precision") || has("recall");
    if (!(larger || has("loss") || has("error"))) return out;
    std::size_t best = v.size();
    for (std::size_t i = 0; i < v.size(); ++i)
      if (std::isfinite(v[i]) && (best == v.size() || (larger ? v[i] > v[best] : v[i] < v[best]))) best = i;
    if (best < v.size())
      out += fmt::format(", best {} in epoch {}", number(v[best]), best + std::size_t(options_.first_epoch));
    return out;
  }

  const std::string metric_;
  const std::vector<Line> lines_;
  const CurvesOptions& options_;
  std::size_t epochs_ = 0;
  bool any_ = false;
  Axis x_{}, y_{};
};

}  // namespace

Section curves(const nn::History& history, const CurvesOptions& options, Where where) {
  CallSite site(where);
  if (history.size() == 0) throw UsageError("curves: the history is empty.");
  std::vector<std::string> metrics = options.metrics;
  if (metrics.empty()) {
    for (auto& [name, values] : history)
      if (!name.starts_with("val_") || !history.contains(name.substr(4))) metrics.push_back(name);
    std::stable_partition(metrics.begin(), metrics.end(), [](auto& m) { return m == "loss"; });
  }
  std::string out;
  for (auto& m : metrics) {
    std::vector<Line> lines{{m, &history[m], "--c1"}};
    if (history.contains("val_" + m)) lines.push_back({"val_" + m, &history["val_" + m], "--c2"});
    out += Chart(m, std::move(lines), options).html();
  }
  const std::string title = options.title.empty() ? "" : fmt::format("<h2>{}</h2>\n", escaped(options.title));
  return {fmt::format("{}<div class=\"cards\">\n{}</div>\n", title, out)};
}

}  // namespace tapir::report
