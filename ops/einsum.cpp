// einsum by composition: diagonals, sums, then pairs of operands as batched matrix products. An operand's dimensions
// are labels: letters as they are, dimensions of an ellipsis as digits counted from its end ('0' is the last).
#include <tapir/ops/einsum.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/matmul.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tapir {
namespace {

struct Term {
  Tensor t;
  std::string labels;
};

struct Equation {
  std::vector<std::string> inputs;
  std::string output;
};

bool has(const std::string& s, char c) { return s.find(c) != std::string::npos; }

[[noreturn]] void bad(const std::string& equation, const std::string& why) {
  throw UsageError(fmt::format("einsum: {} in \"{}\".", why, equation));
}

// "...ij" with `hidden` dimensions under the ellipsis -> "10ij" for two.
std::string expand(const std::string& equation, const std::string& term, int hidden) {
  std::string out;
  bool seen = false;
  for (std::size_t i = 0; i < term.size(); ++i) {
    if (term[i] == '.') {
      if (seen || term.compare(i, 3, "...") != 0) bad(equation, "an ellipsis is three dots, once per operand,");
      for (int k = hidden; k-- > 0;) out += char('0' + k);
      seen = true;
      i += 2;
    } else if (std::isalpha(static_cast<unsigned char>(term[i]))) {
      out += term[i];
    } else {
      bad(equation, fmt::format("unexpected '{}'", term[i]));
    }
  }
  return out;
}

Equation parse(const std::string& equation, const std::vector<Tensor>& operands) {
  std::string text;
  for (char c : equation)
    if (c != ' ') text += c;
  auto arrow = text.find("->");
  std::string left = text.substr(0, arrow);
  std::vector<std::string> terms(1);
  for (char c : left) {
    if (c == ',') terms.emplace_back();
    else terms.back() += c;
  }
  if (terms.size() != operands.size())
    throw UsageError(fmt::format("einsum: \"{}\" has {} operands, got {}.", equation, terms.size(), operands.size()));
  Equation e;
  int widest = 0;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    int letters = int(std::count_if(terms[i].begin(), terms[i].end(), [](char c) { return c != '.'; }));
    int hidden = operands[i].rank() - letters;
    if (hidden < 0 || (hidden > 0 && !has(terms[i], '.')))
      throw ShapeError(fmt::format("einsum: operand {} has shape {} but \"{}\" names {} dimensions.", i,
                                   operands[i].shape().str(), terms[i], letters));
    e.inputs.push_back(expand(equation, terms[i], hidden));
    if (has(terms[i], '.')) widest = std::max(widest, hidden);
  }
  std::string all;
  for (auto& t : e.inputs) all += t;
  if (arrow == std::string::npos) {
    for (int k = widest; k-- > 0;) e.output += char('0' + k);
    std::sort(all.begin(), all.end());
    for (char c : all)
      if (std::isalpha(static_cast<unsigned char>(c)) && std::count(all.begin(), all.end(), c) == 1) e.output += c;
    return e;
  }
  e.output = expand(equation, text.substr(arrow + 2), widest);
  for (char c : e.output) {
    if (!has(all, c)) bad(equation, fmt::format("the result has '{}', which no operand has,", c));
    if (std::count(e.output.begin(), e.output.end(), c) > 1)
      bad(equation, fmt::format("'{}' is twice in the result", c));
  }
  return e;
}

// Sizes by label; 1 gives way under an ellipsis.
struct Sizes {
  std::int64_t of[128] = {};
  void add(const Term& x, const std::string& equation) {
    for (int i = 0; i < x.t.rank(); ++i) {
      std::int64_t& n = of[int(x.labels[std::size_t(i)])];
      const std::int64_t d = x.t.shape()[i];
      const bool digit = std::isdigit(static_cast<unsigned char>(x.labels[std::size_t(i)]));
      if (n == 0 && !known[int(x.labels[std::size_t(i)])]) n = d;
      else if (n != d && digit && n == 1) n = d;
      else if (n != d && !(digit && d == 1))
        throw ShapeError(fmt::format(
            "einsum: {} is {} in one operand and {} in another (\"{}\").",
            digit ? "a dimension of the ellipsis" : fmt::format("'{}'", x.labels[std::size_t(i)]), n, d, equation));
      known[int(x.labels[std::size_t(i)])] = true;
    }
  }
  bool known[128] = {};
};

// Repeated labels of one operand become one: the diagonal.
Term diagonals(Term x) {
  for (std::size_t i = 0; i < x.labels.size(); ++i) {
    std::size_t j = x.labels.find(x.labels[i], i + 1);
    if (j == std::string::npos) continue;
    Axes order;
    std::string labels;
    for (std::size_t k = 0; k < x.labels.size(); ++k)
      if (k != i && k != j) order.push_back(std::int64_t(k)), labels += x.labels[k];
    order.push_back(std::int64_t(i)), order.push_back(std::int64_t(j));
    x = {diagonal(permute_dims(x.t, order)), labels + x.labels[i]};
    return diagonals(x);
  }
  return x;
}

// Sums what neither the result nor another operand needs.
Term summed(Term x, const std::string& needed) {
  Axes gone;
  std::string labels;
  for (std::size_t i = 0; i < x.labels.size(); ++i) {
    if (has(needed, x.labels[i])) labels += x.labels[i];
    else gone.push_back(std::int64_t(i));
  }
  return gone.empty() ? x : Term{sum(x.t, {.axis = gone}), labels};
}

// x with its dimensions in the order of `labels`, which has them all.
Tensor ordered(const Term& x, const std::string& labels) {
  if (x.labels == labels) return x.t;
  Axes axes;
  for (char c : labels) axes.push_back(std::int64_t(x.labels.find(c)));
  return permute_dims(x.t, axes);
}

// x over the labels `to`, of which it may lack some: those get size 1.
Tensor aligned(const Term& x, const std::string& to) {
  std::string present;
  Shape s;
  for (char c : to)
    if (has(x.labels, c)) present += c;
  Tensor t = ordered(x, present);
  for (std::size_t i = 0, k = 0; i < to.size(); ++i) s.push_back(has(x.labels, to[i]) ? t.shape()[int(k++)] : 1);
  return t.shape() == s ? t : reshape(t, s);
}

// Two operands into one that has the labels in `needed`.
Term contract(Term a, Term b, const std::string& needed) {
  a = summed(a, b.labels + needed);
  b = summed(b, a.labels + needed);
  std::string batch, left, right, inner;
  for (char c : a.labels) (!has(b.labels, c) ? left : has(needed, c) ? batch : inner) += c;
  for (char c : b.labels)
    if (!has(a.labels, c)) right += c;
  bool broadcasts = false;
  for (char c : batch + inner) broadcasts |= a.t.shape()[int(a.labels.find(c))] != b.t.shape()[int(b.labels.find(c))];
  if (inner.empty() || broadcasts) {
    std::string all = batch + left + right + inner;
    return summed({multiply(aligned(a, all), aligned(b, all)), all}, needed);
  }
  auto group = [&](const std::string& s) {
    Shape out;
    for (char c : s)
      out.push_back(has(a.labels, c) ? a.t.shape()[int(a.labels.find(c))] : b.t.shape()[int(b.labels.find(c))]);
    return out;
  };
  Shape front = group(batch), sa = front, sb = front;
  sa.push_back(group(left).size()), sa.push_back(group(inner).size());
  sb.push_back(group(inner).size()), sb.push_back(group(right).size());
  Tensor y = matmul(reshape(ordered(a, batch + left + inner), sa), reshape(ordered(b, batch + inner + right), sb));
  return {reshape(y, group(batch + left + right)), batch + left + right};
}

}  // namespace

Tensor einsum(const std::string& equation, const std::vector<Tensor>& operands, Where w) {
  CallSite site(w);
  if (operands.empty()) throw UsageError("einsum: needs at least one operand.");
  Equation e = parse(equation, operands);
  std::vector<Term> terms;
  Sizes sizes;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    sizes.add({operands[i], e.inputs[i]}, equation);
    terms.push_back({operands[i], e.inputs[i]});
  }
  for (auto& t : terms) t = diagonals(t);
  auto needed_without = [&](std::size_t i, std::size_t j) {
    std::string s = e.output;
    for (std::size_t k = 0; k < terms.size(); ++k)
      if (k != i && k != j) s += terms[k].labels;
    return s;
  };
  while (terms.size() > 1) {
    std::size_t best_i = 0, best_j = 1;
    double best = INFINITY;
    for (std::size_t i = 0; i < terms.size(); ++i)
      for (std::size_t j = i + 1; j < terms.size(); ++j) {
        double cost = 1;
        for (char c : terms[i].labels) cost *= double(sizes.of[int(c)]);
        for (char c : terms[j].labels)
          if (!has(terms[i].labels, c)) cost *= double(sizes.of[int(c)]);
        if (cost < best) best = cost, best_i = i, best_j = j;
      }
    Term y = contract(terms[best_i], terms[best_j], needed_without(best_i, best_j));
    terms.erase(terms.begin() + std::ptrdiff_t(best_j));
    terms[best_i] = y;
  }
  return ordered(summed(terms[0], e.output), e.output);
}

}  // namespace tapir
