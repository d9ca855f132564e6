// Recurrent layers: SimpleRNN, LSTM, GRU, their cells, and Bidirectional and TimeDistributed around other layers.
// Weights, gates and defaults are Keras's.
#pragma once
#include <tapir/nn/core_layers.h>

namespace tapir::nn {

struct RecurrentOptions {
  ActivationFunction activation = "tanh";
  ActivationFunction recurrent_activation = "sigmoid";  ///< of the gates of LSTM and GRU
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform", recurrent_initializer = "orthogonal", bias_initializer = "zeros";
  bool unit_forget_bias = true;   ///< LSTM: the bias of the forget gate starts with one
  bool reset_after = true;        ///< GRU: the reset gate acts after the product with the recurrent kernel
  double dropout = 0;             ///< of the inputs, in training: the same features in all steps
  double recurrent_dropout = 0;   ///< of the state, likewise
  bool return_sequences = false;  ///< the output of each step, [N, T, units], rather than of the last, [N, units]
  bool return_state = false;      ///< outputs() gives the last states after it
  bool go_backwards = false;      ///< from the last step to the first; sequences come out in that order
  bool stateful = false;          ///< the first state is the last one of the call before; see reset_states
  /// At steps that a mask leaves out (see MaskScope) a sequence has zeros rather than the output before.
  bool zero_output_for_mask = false;
  std::int64_t seed = -1;  ///< of the initialisers; -1: the global generator
  std::string name = "";
};

/// One step of a recurrent layer. Called on {x [N, in], states [N, units]...} it gives {output, new states...}.
class RecurrentCell : public Layer {
 public:
  std::int64_t units() const { return units_; }
  /// The sizes of the states: one for each.
  virtual std::vector<std::int64_t> state_sizes() const { return {units_}; }
  /// How many of them, at the end, are those of the output; the first of these is the output itself.
  virtual std::size_t last_states() const { return state_sizes().size(); }
  /// What of a step does not depend on the state, for any number of steps at once: [..., in] -> [..., gates].
  /// Unless overridden, x @ kernel + bias.
  virtual Tensor project(const Tensor& x) const;
  /// The rest of it: {output, new states...}.
  virtual std::vector<Tensor> step(const Tensor& projected, const std::vector<Tensor>& states) const = 0;
  /// A cell of the same options with weights of its own.
  virtual std::shared_ptr<RecurrentCell> anew() const = 0;
  /// Makes the weights for inputs of so many features. Done by the first call.
  virtual void prepare_weights(std::int64_t features);
  const RecurrentOptions& options() const { return options_; }

 protected:
  RecurrentCell(const char* type, std::int64_t units, const RecurrentOptions& options, const Where& where);
  void make_weights(const Shape& input_shape) override;
  Tensor call(const Tensor& x, bool training) override;
  std::vector<Tensor> call_list(const std::vector<Tensor>& xs, bool training) override;
  void make_gates(std::int64_t features, std::int64_t gates, const Shape& bias);
  Tensor with_kernel(const Tensor& x) const;

  const char* type_;
  std::int64_t units_;
  RecurrentOptions options_;
  Variable kernel_, recurrent_, bias_;
};

/// h = activation(x @ kernel + h @ recurrent_kernel + bias). Source: Elman, 1990.
class SimpleRNNCell : public LayerOf<SimpleRNNCell, RecurrentCell> {
 public:
  explicit SimpleRNNCell(std::int64_t units, const RecurrentOptions& options = {}, Where where = Where::current())
      : LayerOf("SimpleRNNCell", units, options, where) {}
  std::vector<Tensor> step(const Tensor& projected, const std::vector<Tensor>& states) const override;
  std::shared_ptr<RecurrentCell> anew() const override;
  void prepare_weights(std::int64_t features) override;
};

/// States: h and c. Gates in the order input, forget, cell, output. Source: Hochreiter and Schmidhuber, 1997.
class LSTMCell : public LayerOf<LSTMCell, RecurrentCell> {
 public:
  explicit LSTMCell(std::int64_t units, const RecurrentOptions& options = {}, Where where = Where::current())
      : LayerOf("LSTMCell", units, options, where) {}
  std::vector<std::int64_t> state_sizes() const override { return {units_, units_}; }
  std::vector<Tensor> step(const Tensor& projected, const std::vector<Tensor>& states) const override;
  std::shared_ptr<RecurrentCell> anew() const override;
  void prepare_weights(std::int64_t features) override;
};

/// Gates in the order update, reset, candidate. Source: Cho et al., EMNLP 2014; with reset_after as in cuDNN.
class GRUCell : public LayerOf<GRUCell, RecurrentCell> {
 public:
  explicit GRUCell(std::int64_t units, const RecurrentOptions& options = {}, Where where = Where::current())
      : LayerOf("GRUCell", units, options, where) {}
  Tensor project(const Tensor& x) const override;
  std::vector<Tensor> step(const Tensor& projected, const std::vector<Tensor>& states) const override;
  std::shared_ptr<RecurrentCell> anew() const override;
  void prepare_weights(std::int64_t features) override;
};

/// A cell made into a shared pointer by value; what RNN and StackedRNNCells are made from.
class AnyCell {
 public:
  template <class C>
  requires std::derived_from<C, RecurrentCell> AnyCell(const C& cell) : cell_(new C(cell)) {}
  AnyCell(std::shared_ptr<RecurrentCell> cell) : cell_(std::move(cell)) {}
  const std::shared_ptr<RecurrentCell>& cell() const { return cell_; }

 private:
  std::shared_ptr<RecurrentCell> cell_;
};

/// Cells on top of each other, as one: the states of the first, then of the second, ...
class StackedRNNCells : public RecurrentCell {
 public:
  explicit StackedRNNCells(const std::vector<AnyCell>& cells, Where where = Where::current());
  std::vector<std::int64_t> state_sizes() const override;
  std::size_t last_states() const override { return cells_.back()->last_states(); }
  Tensor project(const Tensor& x) const override;
  std::vector<Tensor> step(const Tensor& projected, const std::vector<Tensor>& states) const override;
  std::shared_ptr<RecurrentCell> anew() const override;
  void prepare_weights(std::int64_t features) override;

 private:
  std::vector<std::shared_ptr<RecurrentCell>> cells_;
};

/// Runs a cell over time: x [N, T, in] -> [N, units] or [N, T, units]. The products with the kernel are one for all
/// steps; traced, steps are a loop of the graph. Called on {x, states...}, it starts from these states, else from
/// zeros. Steps that a mask leaves out (see MaskScope) change nothing.
class RNN : public LayerOf<RNN> {
 public:
  /// Of `options`, what concerns the steps: dropout, return_sequences and what follows.
  explicit RNN(const AnyCell& cell, const RecurrentOptions& options = {}, Where where = Where::current());
  /// The next call starts from zeros again (stateful).
  void reset_states();
  const RecurrentOptions& options() const { return options_; }
  /// Half of a Bidirectional: the same options with weights of its own, the other way round if `reversed`; its
  /// sequences have zeros where a mask leaves steps out.
  RNN anew(bool reversed, const std::string& name) const;

 protected:
  void make_weights(const Shape& input_shape) override;
  Tensor call(const Tensor& x, bool training) override;
  std::vector<Tensor> call_list(const std::vector<Tensor>& xs, bool training) override;

 private:
  std::vector<Tensor> first_states(const std::vector<Tensor>& xs);
  std::vector<Variable> kept_;  // the states of a stateful layer
  std::shared_ptr<RecurrentCell> cell_;
  RecurrentOptions options_;
};

/// RNN over a SimpleRNNCell.
class SimpleRNN : public RNN {
 public:
  explicit SimpleRNN(std::int64_t units, const RecurrentOptions& options = {}, Where where = Where::current())
      : RNN(SimpleRNNCell(units, options, where), options, where) {}
};
/// RNN over an LSTMCell.
class LSTM : public RNN {
 public:
  explicit LSTM(std::int64_t units, const RecurrentOptions& options = {}, Where where = Where::current())
      : RNN(LSTMCell(units, options, where), options, where) {}
};
/// RNN over a GRUCell.
class GRU : public RNN {
 public:
  explicit GRU(std::int64_t units, const RecurrentOptions& options = {}, Where where = Where::current())
      : RNN(GRUCell(units, options, where), options, where) {}
};

struct BidirectionalOptions {
  std::string merge_mode = "concat";  ///< or "sum", "mul", "ave"; "none": outputs() gives both
  std::string name = "";
};
/// Two copies of a recurrent layer, one of which goes backwards (its sequence is turned round again): [N, T, in] ->
/// [N, T, 2 units]. The states of the first, then of the other, follow the output if the layer returns them.
class Bidirectional : public LayerOf<Bidirectional> {
 public:
  explicit Bidirectional(const RNN& layer, const BidirectionalOptions& options = {}, Where where = Where::current());

 protected:
  Tensor call(const Tensor& x, bool training) override;
  std::vector<Tensor> call_list(const std::vector<Tensor>& xs, bool training) override;

 private:
  RNN forward_, backward_;
  std::string merge_;
};

/// A layer for each step of [N, T, ...], with the same weights. As in Keras, dropout draws for each step.
class TimeDistributed : public LayerOf<TimeDistributed> {
 public:
  explicit TimeDistributed(const AnyLayer& layer, const LayerName& options = {})
      : LayerOf(options.name), layer_(layer) {
    passes_mask();
  }

 protected:
  Tensor call(const Tensor& x, bool training) override;

 private:
  AnyLayer layer_;
};

}  // namespace tapir::nn
