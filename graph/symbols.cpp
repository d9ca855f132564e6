#include <tapir/graph/symbols.h>

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

namespace tapir::graph {
namespace {

// By count. Primes, large and with small multiples far from products of 2, 3, 5 and 7, so that no number of a program
// is near one; small enough that products of all, and the square of one, are sizes that a tensor can have.
const std::vector<std::int64_t> kNumbers[] = {
    {}, {84217579}, {18296111, 13108847}, {305131, 212183, 173713}, {17791, 14851, 11383, 8329}};

}  // namespace

Symbols::Symbols(int count) {
  if (count > 4) throw UsageError(fmt::format("function: at most 4 unknown dimensions are supported, got {}.", count));
  numbers_ = kNumbers[count];
  for (unsigned mask = 1; mask < 1u << count; ++mask) {
    std::int64_t p = 1;
    for (int i = 0; i < count; ++i)
      if (mask >> i & 1) p *= numbers_[std::size_t(i)];
    products_.push_back({p, mask});
  }
  std::sort(products_.begin(), products_.end(), [](auto& a, auto& b) { return a.value > b.value; });
  slack_ = count == 0 ? 0 : count == 1 ? 1 << 16 : 1 << 7;
}

// v = a * product + b
std::optional<std::pair<Symbols::Product, std::pair<std::int64_t, std::int64_t>>> Symbols::find(std::int64_t v) const {
  for (auto& p : products_)
    if (v != 0 && v % p.value == 0) return {{p, {v / p.value, 0}}};
  for (auto& p : products_) {
    const std::int64_t a = std::llround(double(v) / double(p.value)), b = v - a * p.value;
    if (a != 0 && std::abs(b) <= slack_) return {{p, {a, b}}};
  }
  return {};
}

std::int64_t Symbols::product(unsigned mask, std::span<const std::int64_t> sizes) const {
  std::int64_t r = 1;
  for (std::size_t i = 0; i < numbers_.size(); ++i)
    if (mask >> i & 1) r *= sizes[i];
  return r;
}

bool Symbols::in(const Shape& s) const {
  if (numbers_.empty()) return false;
  for (auto d : s)
    if (find(d)) return true;
  return false;
}

std::string Symbols::formula(std::int64_t v) const {
  auto f = find(v);
  if (!f) return std::to_string(v);
  auto [product, ab] = *f;
  std::string out = ab.first == 1 ? "" : formula(ab.first) + "*";
  for (std::size_t k = 0, first = 1; k < numbers_.size(); ++k)
    if (product.mask >> k & 1)
      out += (std::exchange(first, 0) ? "?" : "*?") + (numbers_.size() > 1 ? std::to_string(k) : "");
  return out + (ab.second ? fmt::format("{:+}", ab.second) : "");
}

std::string Symbols::named(const std::string& text) const {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && end - i < 18 && std::isdigit(static_cast<unsigned char>(text[end]))) ++end;
    out += end == i ? text.substr(i, 1) : formula(std::stoll(text.substr(i, end - i)));
    i = std::max(end, i + 1);
  }
  return out;
}

std::int64_t Symbols::put(std::int64_t v, std::span<const std::int64_t> sizes) const {
  auto f = find(v);  // a * product + b, where a may hold a number once more: n * n
  return f ? put(f->second.first, sizes) * product(f->first.mask, sizes) + f->second.second : v;
}

// Besides whole numbers: n / p, sqrt(n * p), sqrt(n / p).
double Symbols::put(double v, std::span<const std::int64_t> sizes) const {
  if (numbers_.empty() || v == 0 || !std::isfinite(v)) return v;
  const double r = std::round(v);
  if (std::fabs(v) < 9e15 && r == v) return double(put(std::int64_t(v), sizes));
  if (std::fabs(v) >= 9e15)  // products of three or four numbers are rounded to a double
    for (auto& p : products_) {
      const double a = v / double(p.value);
      if (std::fabs(a) > 0.5 && std::fabs(a - std::round(a)) < 4e-15 * std::fabs(a))
        return double(put(std::int64_t(std::round(a)), sizes)) * double(product(p.mask, sizes));
    }
  auto whole = [](double x) {
    return std::round(x) >= 1 && std::round(x) < 1e6 && std::fabs(x - std::round(x)) < 1e-12 * x;
  };
  for (auto& p : products_) {
    const double n = double(p.value), now = double(product(p.mask, sizes)), a = std::fabs(v);
    if (whole(a * n)) return v * n / now;
    if (whole(a * a / n)) return v * std::sqrt(now / n);
    if (whole(a * a * n)) return v * std::sqrt(n / now);
  }
  return v;
}

Shape Symbols::put(const Shape& s, std::span<const std::int64_t> sizes) const {
  Shape r = s;
  for (auto& d : r) d = put(d, sizes);
  return r;
}

namespace {

struct Rewriter final : AttrVisitor {
  const Symbols& symbols;
  std::span<const std::int64_t> sizes;
  Rewriter(const Symbols& s, std::span<const std::int64_t> n) : symbols(s), sizes(n) {}
  void operator()(const char*, std::int64_t& v) override { v = symbols.put(v, sizes); }
  void operator()(const char*, double& v) override { v = symbols.put(v, sizes); }
  void operator()(const char*, bool&) override {}
  void operator()(const char*, Shape& v) override { v = symbols.put(v, sizes); }
  void operator()(const char*, DType&) override {}
};

// A number that the program made of an unknown size, such as the count in a mean.
Tensor put_constant(const Tensor& c, const Symbols& symbols, std::span<const std::int64_t> sizes) {
  if (c.size() != 1 || c.dtype() == DType::boolean || !c.has_data()) return c;
  if (is_integer(c.dtype())) {
    const std::int64_t v = c.item<std::int64_t>(), now = symbols.put(v, sizes);
    if (now == v) return c;
    if (c.is_weak()) return Tensor(now);
    return Tensor(now).astype(c.dtype());
  }
  const double v = c.item<double>(), now = symbols.put(v, sizes);
  if (now == v) return c;
  Tensor fresh(now);
  return c.is_weak() ? fresh : fresh.astype(c.dtype());
}

}  // namespace

std::vector<std::size_t> homeless_sizes(const Graph& g, const Symbols& symbols) {
  std::vector<std::size_t> out;
  for (std::size_t k = 0; k < symbols.numbers().size(); ++k) {
    bool home = false, used = false;
    for (int v : g.inputs)
      for (auto d : g.spec(v).shape) home |= d == symbols.numbers()[k];
    if (home) continue;
    std::vector<std::int64_t> sizes = symbols.numbers();  // what another size would change depends on it
    sizes[k] = 1;
    Rewriter rewrite(symbols, sizes);
    for (auto& v : g.values)
      used |= !(symbols.put(v.spec.shape, sizes) == v.spec.shape) ||
              (v.constant.defined() && put_constant(v.constant, symbols, sizes).id() != v.constant.id());
    for (auto& n : g.nodes) {
      OwnAttrs attrs = n.attrs;
      attrs.visit(rewrite);
      used |= !(attrs.get() == n.attrs.get());
    }
    if (used) out.push_back(k);
  }
  return out;
}

Graph specialise(const Graph& from, const Symbols& symbols, std::span<const std::int64_t> sizes) {
  if (symbols.empty()) return from;
  Graph g = from;
  for (auto& v : g.values)
    if (v.constant.defined()) v.constant = put_constant(v.constant, symbols, sizes);
  for (int v : g.inputs) g.values[std::size_t(v)].spec.shape = symbols.put(g.spec(v).shape, sizes);
  Rewriter rewrite(symbols, sizes);
  for (auto& n : g.nodes) {
    CallSite site(n.where);
    n.attrs.visit(rewrite);
    std::vector<Tensor> in;
    for (int v : n.in) in.push_back(stand_in(g.values[std::size_t(v)]));
    auto refs = refs_of(in);
    Specs specs;
    n.op->infer(Inputs(refs), n.attrs.get(), specs);
    for (std::size_t k = 0; k < n.out.size(); ++k) g.values[std::size_t(n.out[k])].spec = specs[k];
  }
  return g;
}

}  // namespace tapir::graph
