// Printing tensors as NumPy prints arrays (numpy/_core/arrayprint.py of NumPy 2.4), with the dtype always shown:
//     tensor([[1. , 2.5],
//             [3. , 4. ]], dtype=f32)
// Floats in the fewest digits that tell them apart in their own dtype, at most 8 behind the point, all in one form and
// width. Of more than 1000 elements the three first and last of each dimension are shown, and the shape.
#include <tapir/tensor/convert.h>
#include <tapir/tensor/tensor.h>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ostream>

namespace tapir {
namespace {

constexpr int kPrecision = 8;
constexpr std::size_t kLineWidth = 75;
constexpr std::int64_t kThreshold = 1000, kEdge = 3;

// v, which is exact in its dtype, or a sum or ratio of such, rounded to the dtype.
double rounded(double v, DType d) {
  if (d == DType::f32) return float(v);
  if (d == DType::f16) return float(float16(float(v)));
  if (d == DType::bf16) return float(bfloat16(float(v)));
  return v;
}

// A number >= 0 as 0.d1d2d3... * 10^point.
struct Decimal {
  std::string digits;
  int point = 1;

  explicit Decimal(const std::string& scientific) {  // "1.25e+02"
    const std::size_t e = scientific.find('e');
    for (char c : scientific.substr(0, e))
      if (c != '.') digits += c;
    point = std::atoi(scientific.c_str() + e + 1) + 1;
    while (digits.size() > 1 && digits.back() == '0') digits.pop_back();
  }
};

// The fewest digits that read back as the same number of the dtype.
Decimal shortest(double v, DType dtype) {
  char text[40];
  auto done = dtype == DType::f64 ? std::to_chars(text, text + sizeof text, v, std::chars_format::scientific)
                                  : std::to_chars(text, text + sizeof text, float(v), std::chars_format::scientific);
  if (dtype == DType::f16 || dtype == DType::bf16)
    for (int digits = 0; digits < 6; ++digits) {
      std::string s = fmt::format("{:.{}e}", v, digits);
      if (rounded(std::strtod(s.c_str(), nullptr), dtype) == v) return Decimal(s);
    }
  return Decimal(std::string(text, done.ptr));
}

struct Parts {
  std::string whole, fraction;  // on both sides of the point
  std::string exponent;         // "+05", or nothing
};

Parts positional(double v, DType dtype) {
  Decimal d = shortest(std::abs(v), dtype);
  Parts p;
  if (int(d.digits.size()) - d.point > kPrecision) {
    std::string s = fmt::format("{:.{}f}", std::abs(v), kPrecision);
    p.whole = s.substr(0, s.find('.'));
    p.fraction = s.substr(s.find('.') + 1);
    while (!p.fraction.empty() && p.fraction.back() == '0') p.fraction.pop_back();
  } else if (d.digits == "0") {
    p.whole = "0";
  } else if (d.point <= 0) {
    p.whole = "0";
    p.fraction = std::string(std::size_t(-d.point), '0') + d.digits;
  } else {
    d.digits.resize(std::max(d.digits.size(), std::size_t(d.point)), '0');
    p.whole = d.digits.substr(0, std::size_t(d.point));
    p.fraction = d.digits.substr(std::size_t(d.point));
  }
  if (std::signbit(v)) p.whole = "-" + p.whole;
  return p;
}

// With at least `digits` behind the point.
Parts scientific(double v, DType dtype, std::size_t digits = 0) {
  Decimal d = shortest(std::abs(v), dtype);
  if (d.digits.size() > kPrecision + 1) d = Decimal(fmt::format("{:.{}e}", std::abs(v), kPrecision));
  if (d.digits.size() < digits + 1) d = Decimal(fmt::format("{:.{}e}", std::abs(v), digits));
  const int exponent = d.digits == "0" ? 0 : d.point - 1;
  return {(std::signbit(v) ? "-" : "") + d.digits.substr(0, 1), d.digits.substr(1),
          fmt::format("{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent))};
}

class Printer {
 public:
  explicit Printer(const Tensor& t) : t_(t), summary_(t.size() > kThreshold) {
    visit(0, 0, [&](std::int64_t offset) { survey(offset); });
    if (is_floating(t.dtype())) choose_form();
  }

  std::string all() {
    std::string text;
    if (t_.size() == 0) text = "[]";
    else text = rank() == 0 ? element(0) : rows(0, 0, std::string(7, ' '), kLineWidth - 1);
    text = "tensor(" + text + ",";
    std::string tail;
    if (summary_ || (t_.size() == 0 && !(t_.shape() == Shape{0}))) tail = "shape=" + t_.shape().str() + ", ";
    tail += fmt::format("dtype={})", name_of(t_.dtype()));
    const std::size_t newline = text.rfind('\n'), last = newline == text.npos ? text.size() : text.size() - newline - 1;
    return text + (last + 1 + tail.size() > kLineWidth ? "\n" + std::string(7, ' ') : " ") + tail;
  }

 private:
  int rank() const { return t_.rank(); }
  bool cut(int axis) const { return summary_ && t_.shape()[axis] > 2 * kEdge; }

  template <class F>
  void visit(int axis, std::int64_t offset, F f) {
    if (t_.size() == 0) return;
    if (axis == rank()) return f(offset);
    const std::int64_t n = t_.shape()[axis];
    for (std::int64_t i = 0; i < n; ++i) {
      if (cut(axis) && i == kEdge) i = n - kEdge;
      visit(axis + 1, offset + i * t_.strides()[axis], f);
    }
  }

  template <class V>
  V at(std::int64_t offset) const {
    V v;
    detail::convert(t_.data<std::byte>() + offset * std::int64_t(size_of(t_.dtype())), t_.dtype(), 1, &v, dtype_of<V>(),
                    1);
    return v;
  }

  void survey(std::int64_t offset) {
    if (!is_floating(t_.dtype())) {
      whole_ = std::max(whole_, fmt::formatted_size("{}", at<std::int64_t>(offset)));
      return;
    }
    const double v = at<double>(offset);
    values_.push_back(v);
    if (!std::isfinite(v) || v == 0) return;
    most_ = std::max(most_, std::abs(v));
    least_ = least_ == 0 ? std::abs(v) : std::min(least_, std::abs(v));
  }

  void choose_form() {
    const DType d = t_.dtype();
    const double large = d == DType::f64 ? 1e8 : d == DType::f32 ? 1e6 : 1e3;  // where digits before the point end
    scientific_ = least_ != 0 && (most_ >= large || least_ < rounded(1e-4, d) || rounded(most_ / least_, d) > 1000);
    std::size_t exponent = 0;
    for (double v : values_) {
      if (!std::isfinite(v)) continue;
      Parts p = scientific_ ? scientific(v, d) : positional(v, d);
      whole_ = std::max(whole_, p.whole.size());
      fraction_ = std::max(fraction_, p.fraction.size());
      exponent = std::max(exponent, p.exponent.size());
    }
    exponent_ = exponent;
    right_ = fraction_ + (scientific_ ? 1 + exponent : 0);
    for (double v : values_)
      if (!std::isfinite(v)) {
        const std::size_t length = v == -INFINITY ? 4 : 3;
        whole_ = std::max(whole_, length > right_ + 1 ? length - right_ - 1 : 0);
      }
  }

  std::string element(std::int64_t offset) const {
    if (t_.dtype() == DType::boolean) return fmt::format("{:>{}}", at<bool>(offset) ? "true" : "false", rank() ? 5 : 0);
    if (!is_floating(t_.dtype())) return fmt::format("{:>{}}", at<std::int64_t>(offset), whole_);
    const double v = at<double>(offset);
    if (!std::isfinite(v))
      return fmt::format("{:>{}}", std::isnan(v) ? "nan" : v < 0 ? "-inf" : "inf", whole_ + right_ + 1);
    if (!scientific_) {
      Parts p = positional(v, t_.dtype());
      return fmt::format("{:>{}}.{:<{}}", p.whole, whole_, p.fraction, fraction_);
    }
    Parts p = scientific(v, t_.dtype(), fraction_);
    p.exponent.insert(1, exponent_ - p.exponent.size(), '0');
    return fmt::format("{:>{}}.{:0<{}}e{}", p.whole, whole_, p.fraction, fraction_, p.exponent);
  }

  // The brackets of `axis`; `indent` leads each line but the first, up to the opening bracket.
  std::string rows(int axis, std::int64_t offset, const std::string& indent, std::size_t width) const {
    const std::string inside = indent + " ";
    const std::int64_t n = t_.shape()[axis], step = t_.strides()[axis];
    std::string text, line = inside;
    const bool innermost = axis == rank() - 1;
    const std::string gap = innermost ? "" : "," + std::string(std::size_t(rank() - axis - 1), '\n') + inside;
    auto put = [&](const std::string& word, bool last) {
      if (!innermost) {
        text += word + (last ? "" : gap);
        return;
      }
      if (line.size() + word.size() > width - 1 && line.size() > inside.size()) {
        while (line.back() == ' ') line.pop_back();
        text += line + "\n";
        line = inside;
      }
      line += word + (last ? "" : ", ");
    };
    for (std::int64_t i = 0; i < n; ++i) {
      if (cut(axis) && i == kEdge) {
        put("...", false);
        i = n - kEdge;
      }
      put(innermost ? element(offset + i * step) : rows(axis + 1, offset + i * step, inside, width - 1), i == n - 1);
    }
    if (innermost) text = (text + line).substr(inside.size());
    return "[" + text + "]";
  }

  const Tensor& t_;
  bool summary_, scientific_ = false;
  std::vector<double> values_;
  double most_ = 0, least_ = 0;
  std::size_t whole_ = 0, fraction_ = 0, exponent_ = 0, right_ = 0;
};

}  // namespace

std::string Tensor::str(Where where) const {
  CallSite site(where);
  if (!defined()) return "undefined";
  if (!has_data())
    throw UsageError(
        fmt::format("print: this tensor has no value yet, it is being traced by function() ({} {}). To see it on every "
                    "call write print(x).",
                    name_of(dtype()), shape().str()));
  Tensor here = to(Device::cpu());
  return Printer(here).all();
}

std::ostream& operator<<(std::ostream& os, const Shown& shown) { return os << shown.tensor.str(shown.where); }

}  // namespace tapir
