// Layer: something with weights that maps a tensor to a tensor.
//
// Layers are values. A copy of a layer shares its weights, its name and its sublayers; it has its own members. So
// `nn::Dense d(10)` can be a member, can be put into a Sequential by value, and used again beside it.
//
// Your own layer derives from Layer (or Model) and overrides `call`; weights and sublayers are found by themselves, the
// first time that `call` reads a Variable or calls a layer:
//
//     struct Residual : nn::Layer {
//       nn::Dense inner{64, {.activation = "relu"}}, outer{64};
//       Variable gain{zeros({}), "gain"};
//       Tensor call(const Tensor& x, bool) override { return x + gain * outer(inner(x)); }
//     };
#pragma once
#include <tapir/nn/dtype_policy.h>
#include <tapir/nn/initializers.h>
#include <tapir/nn/regularizers.h>
#include <tapir/nn/symbol.h>
#include <tapir/tensor/variable.h>

#include <concepts>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tapir::nn {

struct CallOptions {
  int training = -1;  ///< true or false; -1: as the layer around this one, false if there is none
};

struct WeightOptions {
  Initializer initializer = "glorot_uniform";
  bool trainable = true;
  std::int64_t seed = -1;
  Regularizer regularizer = {};  ///< what it costs while it is trained
  Constraint constraint = {};    ///< applied after each step of fit
};

/// Weights, sublayers, and a function of a tensor. Derive from it and override `call`.
class Layer {
 public:
  virtual ~Layer();
  Layer(const Layer&);
  Layer(Layer&&) noexcept;
  Layer& operator=(const Layer&);
  Layer& operator=(Layer&&) noexcept;

  /// Runs the layer: makes its weights if this is the first call, then `call`. Errors name the caller's line.
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::current());
  /// The same for a layer of several inputs, `Add()({a, b})`. If it has several outputs, the first.
  Tensor operator()(const std::vector<Tensor>& xs, CallOptions options = {}, Where where = Where::current());
  /// All outputs of a layer that has several: `LSTM(8, {.return_state = true}).outputs({x})`.
  std::vector<Tensor> outputs(const std::vector<Tensor>& xs, CallOptions options = {}, Where where = Where::current());

  /// The functional API: what the layer will give for a value that is yet to come. Makes the weights. A layer that is
  /// called twice is shared. Throws UsageError for a class that says nothing of how it is copied: derive it from
  /// LayerOf<Mine>, or write AnyLayer(mine)(x).
  Symbol operator()(const Symbol& x, Where where = Where::current());
  Symbol operator()(const std::vector<Symbol>& xs, Where where = Where::current());
  std::vector<Symbol> outputs(const std::vector<Symbol>& xs, Where where = Where::current());

  /// Makes all weights for inputs of this shape, without the batch dimension, by running a batch of one zero example.
  void build(const Shape& input_shape, Where where = Where::current());
  bool built() const;
  /// The shape that comes out for inputs of this one, both without the batch dimension. Builds the layer.
  Shape compute_output_shape(const Shape& input_shape, Where where = Where::current());

  const std::string& name() const;
  /// The last part of the type's name: "Conv2D".
  const std::string& type() const;
  /// False freezes the layer and those in it: their variables are not listed as trainable, and batch normalisation uses
  /// its moving statistics.
  void set_trainable(bool trainable);
  bool trainable() const;

  /// What it computes in, from the next call on: floating inputs are cast to that, and so are its own trainable weights
  /// as they are read. A layer gets what set_dtype_policy or a DTypePolicyScope said when it was made; those in it have
  /// their own, but for what it made itself. Call it before the model is compiled.
  void set_dtype_policy(const DTypePolicy& policy);
  DTypePolicy dtype_policy() const;

  /// All variables of this layer and those in it, each once, in order of first use. Empty before the layer is built.
  std::vector<Variable> variables() const;
  std::vector<Variable> trainable_variables() const;
  std::vector<Variable> non_trainable_variables() const;
  /// What the regularizers of trainable weights give, added up; 0 if there are none. fit adds it to the loss; in a loop
  /// of your own add it yourself.
  Tensor regularization_loss() const;
  /// Brings weights back to where their constraints allow; after each step in a loop of your own.
  void apply_constraints();
  /// The number of weights.
  std::int64_t count_params() const;

  struct State;
  const std::shared_ptr<State>& state() const { return state_; }

 protected:
  /// An empty name is made from the type: "dense", "dense_1", ...
  explicit Layer(std::string name = "");
  /// What the layer does; `training` is true within fit.
  virtual Tensor call(const Tensor& x, bool training) = 0;
  /// The same for layers of several inputs or outputs. Unless overridden, takes one input and is `call`.
  virtual std::vector<Tensor> call_list(const std::vector<Tensor>& xs, bool training);
  /// Makes weights whose shapes depend on the input's; called once, before the first `call`. Weights that do not can be
  /// made anywhere. input_shape: without the batch dimension.
  virtual void make_weights(const Shape& input_shape) { (void)input_shape; }
  /// The same for layers of several inputs; unless overridden, make_weights of the first.
  virtual void make_weights_list(const std::vector<Shape>& input_shapes);
  /// A copy, as the class's copy constructor makes it; null if nobody said how. LayerOf does.
  virtual std::shared_ptr<Layer> clone() const { return nullptr; }
  /// A new weight named `<layer>/<name>`; of a copied layer, the one that its twin has made already.
  Variable add_weight(const std::string& name, const Shape& shape, const WeightOptions& options = {});
  /// Where the random numbers of a seeded layer stand, as random::key gives it: i64 [2]. Assign the next in `call`, so
  /// that each call draws its own numbers, traced too. No weight; Model::save keeps it.
  Variable add_stream(std::int64_t seed);
  /// From `call`: adds a scalar to what fit minimises and to the loss that is reported. See LossScope.
  void add_loss(const Tensor& loss, Where where = Where::current());
  /// y, having added what the regularizer says of it, for an example: divided by the size of the batch, as in Keras.
  Tensor with_activity(Tensor y, const Regularizer& regularizer);
  /// Has this layer, or one around the running call, been frozen by set_trainable(false)?
  bool frozen() const;
  /// For layers without weights that summary() need not call unbuilt.
  void needs_no_build();
  /// For layers that only call others: their inputs are not cast.
  void casts_nothing();
  /// From the constructor of a layer that treats each step by itself: the mask of its (first) input is that of its
  /// outputs. See MaskScope (masks.h).
  void passes_mask();

 private:
  friend class AnyLayer;
  Tensor run_on_zeros(const char* what, const Shape& input_shape);
  bool prepare(std::span<const Tensor> xs, CallOptions options);
  void ran(std::span<const Tensor> xs, const Tensor& y);
  std::vector<Tensor> run_list(const std::vector<Tensor>& xs, CallOptions options);
  std::vector<Symbol> symbols(std::shared_ptr<Layer> kept, const std::vector<Symbol>& xs);
  std::shared_ptr<State> state_;
  bool made_ = false;  // this copy has called make_weights
};

/// While it lives, collects what the layers that this thread calls add to the loss: those of activity_regularizer and
/// add_loss. fit has one; in a loop of your own it is `loss + added.total() + model.regularization_loss()`.
class LossScope {
 public:
  LossScope();
  ~LossScope();
  LossScope(const LossScope&) = delete;
  LossScope& operator=(const LossScope&) = delete;
  const std::vector<Tensor>& losses() const { return losses_; }
  /// All of them added up; 0 if there are none.
  Tensor total() const;

 private:
  friend class Layer;
  std::vector<Tensor> losses_;
  LossScope* outer_;
};

/// What a layer's class derives from to be called on symbols: `struct Mine : nn::LayerOf<Mine>`, else as from `Base`,
/// whose constructors it has.
template <class L, class Base = Layer>
class LayerOf : public Base {
 protected:
  using Base::Base;
  std::shared_ptr<Layer> clone() const override {
    Layer* copy = new L(static_cast<const L&>(*this));  // a shared pointer to each type of layer is slow to compile
    return std::shared_ptr<Layer>(copy);
  }
};

/// A layer made into a shared pointer by value; what Sequential is listed from.
class AnyLayer {
 public:
  template <class L>
  requires std::derived_from<std::remove_cvref_t<L>, Layer> AnyLayer(L&& layer)
      : AnyLayer(static_cast<Layer*>(new std::remove_cvref_t<L>(std::forward<L>(layer)))) {}
  explicit AnyLayer(std::shared_ptr<Layer> layer) : layer_(std::move(layer)) {}
  Layer& operator*() const { return *layer_; }
  Layer* operator->() const { return layer_.get(); }
  /// Calls the layer on symbols, of whatever class it is.
  Symbol operator()(const Symbols& xs, Where where = Where::current()) const;
  std::vector<Symbol> outputs(const Symbols& xs, Where where = Where::current()) const;

 private:
  explicit AnyLayer(Layer* owned);  // not a template: a shared pointer to each type of layer is slow to compile
  std::shared_ptr<Layer> layer_;
};

/// Starts the numbering of layer names ("dense", "dense_1", ...) anew, as keras.utils.clear_session.
void reset_names();

}  // namespace tapir::nn
