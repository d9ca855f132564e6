// Unknown sizes. While a function is traced, an unknown dimension is a large number of its own; wherever that number,
// or a simple formula of it, turns up in shapes, attributes and C++ numbers, it is found again and replaced by a size.
#pragma once
#include <tapir/graph/graph.h>

#include <optional>

namespace tapir::graph {

class Symbols {
 public:
  /// Numbers for `count` unknown dimensions.
  explicit Symbols(int count = 0);
  const std::vector<std::int64_t>& numbers() const { return numbers_; }
  bool empty() const { return numbers_.empty(); }
  /// Does one of the sizes stand for an unknown one?
  bool in(const Shape& s) const;
  /// A text with `?` (or ?0, ?1 of several) in place of the numbers, `3*?+1` for a formula.
  std::string named(const std::string& text) const;
  /// What `v` becomes when the unknown dimensions have these sizes.
  std::int64_t put(std::int64_t v, std::span<const std::int64_t> sizes) const;
  double put(double v, std::span<const std::int64_t> sizes) const;
  Shape put(const Shape& s, std::span<const std::int64_t> sizes) const;

 private:
  std::vector<std::int64_t> numbers_;
  struct Product {
    std::int64_t value;
    unsigned mask;
  };
  std::vector<Product> products_;  // of subsets, largest first
  std::int64_t slack_ = 0;
  std::optional<std::pair<Product, std::pair<std::int64_t, std::int64_t>>> find(std::int64_t v) const;
  std::string formula(std::int64_t v) const;
  std::int64_t product(unsigned mask, std::span<const std::int64_t> sizes) const;
};

/// The unknown sizes that the graph depends on and none of its inputs has, by their place in `numbers`.
std::vector<std::size_t> homeless_sizes(const Graph& g, const Symbols& symbols);

/// The graph with sizes in place of the unknown dimensions. Throws ShapeError if an op does not take them.
Graph specialise(const Graph& g, const Symbols& symbols, std::span<const std::int64_t> sizes);

}  // namespace tapir::graph
