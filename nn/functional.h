// The functional API: layers called on symbols, and a model made of what came out.
//
//     auto image = nn::Input({28, 28, 1}), age = nn::Input({1});
//     auto features = nn::Flatten()(nn::Conv2D(8, 3)(image));
//     nn::Functional model({image, age}, nn::Dense(2)(nn::Concatenate()({features, age})));
#pragma once
#include <tapir/nn/model.h>
#include <tapir/ops/joining.h>

namespace tapir::nn {

struct InputOptions {
  DType dtype = DType::f32;
  std::string name = "";  ///< "input_layer", "input_layer_1", ... if empty
};
/// A value that will be given to the model; `shape` is that of one example. Throws ShapeError for a negative size.
Symbol Input(const Shape& shape, const InputOptions& options = {}, Where where = Where::current());

/// What stands beside a symbol in arithmetic: another one, a number, a tensor or a variable.
class SymbolOperand {
 public:
  SymbolOperand(const Symbol& symbol) : symbol_(symbol) {}
  template <class T>
  requires std::is_arithmetic_v<T> SymbolOperand(T number) : tensor_(number) {}
  template <class T>
  requires std::is_convertible_v<const T&, Tensor> SymbolOperand(const T& tensor) : tensor_(tensor) {}
  const Symbol& symbol() const { return symbol_; }
  const Tensor& tensor() const { return tensor_; }

 private:
  Symbol symbol_;
  Tensor tensor_;
};

// Layers of no weights, as Keras makes them: `a + b` is a layer "add".
Symbol operator+(const Symbol& a, const SymbolOperand& b);
Symbol operator-(const Symbol& a, const SymbolOperand& b);
Symbol operator*(const Symbol& a, const SymbolOperand& b);
Symbol operator/(const Symbol& a, const SymbolOperand& b);
Symbol operator-(const Symbol& a);
template <class T>
requires(!std::is_same_v<T, Symbol> && std::is_constructible_v<SymbolOperand, const T&>) Symbol operator+(
    const T& a, const Symbol& b) {
  return b + a;
}
template <class T>
requires(!std::is_same_v<T, Symbol> && std::is_constructible_v<SymbolOperand, const T&>) Symbol operator*(
    const T& a, const Symbol& b) {
  return b * a;
}
template <class T>
requires(!std::is_same_v<T, Symbol> && std::is_constructible_v<SymbolOperand, const T&>) Symbol operator-(
    const T& a, const Symbol& b) {
  return -b + a;
}

/// A model of what leads from `inputs` to `outputs`: several of each, layers that are called twice, branches that meet.
/// Called on as many tensors as there are inputs, in their order. Itself a layer: it can be called on symbols.
/// Throws UsageError if the outputs need an Input that is not listed.
class Functional : public LayerOf<Functional, Model> {
 public:
  Functional(const Symbols& inputs, const Symbols& outputs, const std::string& name = "",
             Where where = Where::current());
  const std::vector<Symbol>& inputs() const { return inputs_; }
  const std::vector<Symbol>& results() const { return outputs_; }
  /// The layers in the order in which they run; a shared one once.
  std::vector<AnyLayer> layers() const;
  std::vector<std::string> output_names() const override;
  std::size_t input_count() const override { return inputs_.size(); }

  Functional(const Functional&) = default;
  Functional& operator=(const Functional&) = default;
  ~Functional() override;

 protected:
  Tensor call(const Tensor& x, bool training) override;
  std::vector<Tensor> call_list(const std::vector<Tensor>& xs, bool training) override;
  std::vector<detail::SummaryRow> summary_rows() const override;

 private:
  std::vector<Symbol> inputs_, outputs_;
  std::vector<std::shared_ptr<detail::SymbolNode>> order_;  // each after those that it reads
};

}  // namespace tapir::nn

namespace tapir {
/// nn::Concatenate by the name of the operation; the axis counts the batch as 0.
nn::Symbol concat(const std::vector<nn::Symbol>& xs, AxisOptions options, Where where = Where::current());
}  // namespace tapir
