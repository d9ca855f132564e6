// Symbol: a value that is yet to come. Input gives one, layers called on it give others; Functional makes a model of
// them.
#pragma once
#include <tapir/tensor/tensor.h>

#include <memory>
#include <vector>

namespace tapir::nn {

namespace detail {
struct SymbolNode;
}

/// What a layer will give for each example, with how it is made: `Dense(10)(Input({28}))`. Handles are cheap to copy.
class Symbol {
 public:
  /// Stands for nothing.
  Symbol() = default;
  bool defined() const { return node_ != nullptr; }
  /// The shape of one example, without the batch dimension.
  Shape shape() const;
  DType dtype() const;

  // For the functional API itself.
  Symbol(std::shared_ptr<detail::SymbolNode> node, int index) : node_(std::move(node)), index_(index) {}
  const std::shared_ptr<detail::SymbolNode>& node() const { return node_; }
  /// Which of its layer's outputs it is.
  int index() const { return index_; }

 private:
  std::shared_ptr<detail::SymbolNode> node_;
  int index_ = 0;
};

/// One symbol, or several in braces.
class Symbols : public std::vector<Symbol> {
 public:
  Symbols() = default;
  Symbols(const Symbol& one) : std::vector<Symbol>{one} {}
  Symbols(std::initializer_list<Symbol> several) : std::vector<Symbol>(several) {}
  Symbols(std::vector<Symbol> several) : std::vector<Symbol>(std::move(several)) {}
};

}  // namespace tapir::nn
