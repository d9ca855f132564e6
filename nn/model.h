// Model: a layer that can be trained, and Sequential: one layer after the other.
#pragma once
#include <tapir/nn/callback.h>
#include <tapir/nn/history.h>
#include <tapir/nn/layer.h>
#include <tapir/nn/losses.h>
#include <tapir/nn/metrics.h>
#include <tapir/nn/optimizers.h>
#include <tapir/nn/tensors.h>

namespace tapir::data {
class Dataset;
}

namespace tapir::nn {

namespace detail {
class DatasetBatches;
struct Steps;
struct SummaryRow;
}  // namespace detail

struct CompileOptions {
  optim::Optimizer optimizer = "rmsprop";
  Loss loss = {};
  std::vector<Metric> metrics = {};           ///< these do not see the sample weights
  std::vector<Metric> weighted_metrics = {};  ///< these do
  /// Of a model of several outputs, one for each, in place of the above: what their losses are multiplied by before
  /// they are added (empty: 1), and lists of metrics. Logged as "<name of the output's layer>_loss", "<name>_<metric>".
  std::vector<Loss> losses = {};
  std::vector<double> loss_weights = {};
  std::vector<std::vector<Metric>> output_metrics = {};
  bool auto_scale_loss = true;  ///< a model of the policy "mixed_float16" gets an optim::LossScaleOptimizer
  bool run_eagerly = false;     ///< true: fit, evaluate and predict run op by op, for a debugger say
};

/// What fit evaluates after each epoch: `{x, y}`, `{x, y, sample_weight}`, or a Dataset of batches.
struct ValidationData {
  Tensors x = {}, y = {};
  Tensor sample_weight = {};                          ///< [N]
  std::shared_ptr<const data::Dataset> batches = {};  ///< in place of x and y
  ValidationData() = default;
  ValidationData(Tensors inputs, Tensors answers, Tensor weight = {})
      : x(std::move(inputs)), y(std::move(answers)), sample_weight(std::move(weight)) {}
  ValidationData(const data::Dataset& dataset);
};

/// Where fit is given a Dataset, batch_size, validation_split, shuffle and sample_weight are the Dataset's affair.
struct FitOptions {
  int epochs = 1;
  std::int64_t batch_size = 32;
  double validation_split = 0;          ///< this last part of the data is evaluated instead; without validation_data
  ValidationData validation_data = {};  ///< evaluated after each epoch
  bool shuffle = true;                  ///< in each epoch another order
  std::int64_t shuffle_seed = -1;       ///< fixes the orders; -1: the global generator
  int verbose = 1;                      ///< 0 silent; 1 a progress bar on a terminal, else as 2; 2 one line an epoch
  int initial_epoch = 0;
  Tensor sample_weight = {};  ///< [N]
  /// The weight of the examples of each class, {{0, 1}, {1, 5.5}}: y are class numbers or one-hot; others weigh 1.
  /// Times sample_weight.
  std::vector<std::pair<std::int64_t, double>> class_weight = {};
  /// An epoch ends after so many batches; 0: when all were seen. The next epoch goes on in a Dataset where this one
  /// stopped, and begins anew when there is nothing left, as in Keras.
  std::int64_t steps_per_epoch = 0;
  std::int64_t validation_steps = 0;        ///< so many batches of a validation Dataset, from its start; 0: all
  std::int64_t validation_batch_size = 0;   ///< 0: batch_size
  int validation_freq = 1;                  ///< every so many epochs
  std::vector<AnyCallback> callbacks = {};  ///< called in this order
  Callable<bool(int epoch, const Logs& logs)> on_epoch_end = {};  ///< false ends the training
};

struct EvaluateOptions {
  std::int64_t batch_size = 32;
  Tensor sample_weight = {};  ///< [N]
  int verbose = 0;
  std::int64_t steps = 0;  ///< so many batches at most; 0: all
};

struct PredictOptions {
  std::int64_t batch_size = 32;
  std::int64_t steps = 0;  ///< so many batches at most; 0: all
};

namespace callbacks {
class BackupAndRestore;
}

/// Derive from it as from Layer; in addition it has Keras's training loop.
///
/// fit, evaluate and predict trace their step (see function()) for each shape of a batch and run the graph: forward,
/// gradient, update, loss and metrics in one. C++ code in `call`, in losses and in metrics that is no tensor operation
/// runs during a trace only, and so does a branch on a member: call compile again after changing such a member. Frozen
/// layers, added layers and the learning rate are seen as they are. A model, loss or metric that reads values (item,
/// to_vector) cannot be traced; it runs op by op, as with `run_eagerly`, TAPIR_EAGER=1 or run_functions_eagerly(true),
/// and a note says so.
class Model : public Layer {
 public:
  /// Says how to train. Throws UsageError for names that do not exist.
  void compile(const CompileOptions& options, Where where = Where::current());
  /// Trains on x [N, ...], y [N, ...], or several of each, `fit({a, b}, {y, z})`; gives loss and metrics of each epoch
  /// (running means over its batches), and of the validation data as "val_...". Throws UsageError if not compiled or an
  /// option is out of range, ShapeError.
  History fit(const Tensors& x, const Tensors& y, const FitOptions& options = {}, Where where = Where::current());
  /// Trains on a Dataset of batches, {x, y} or {x, y, sample_weight}; of a model of several inputs or outputs, all the
  /// inputs, then all the answers. Each epoch is a pass of that number, so that `shuffle` gives another order. The last
  /// batch may be smaller. Throws UsageError for options that only tensors have, if a batch has too few or too many
  /// tensors, and if there is no end and no steps_per_epoch.
  History fit(const data::Dataset& batches, const FitOptions& options = {}, Where where = Where::current());
  /// Loss and metrics over x and y.
  Logs evaluate(const Tensors& x, const Tensors& y, const EvaluateOptions& options = {},
                Where where = Where::current());
  /// The same over batches such as fit takes; throws as fit.
  Logs evaluate(const data::Dataset& batches, const EvaluateOptions& options = {}, Where where = Where::current());
  /// The outputs for x, batch by batch, joined: [N, ...]. Of several, the first.
  Tensor predict(const Tensors& x, const PredictOptions& options = {}, Where where = Where::current());
  /// All outputs of a model that has several.
  std::vector<Tensor> predict_outputs(const Tensors& x, const PredictOptions& options = {},
                                      Where where = Where::current());

  /// The same of a Dataset of batches, which begin with the inputs; what comes after them is not looked at.
  Tensor predict(const data::Dataset& batches, const PredictOptions& options = {}, Where where = Where::current());
  std::vector<Tensor> predict_outputs(const data::Dataset& batches, const PredictOptions& options = {},
                                      Where where = Where::current());

  /// How many tensors of a Dataset's batch are inputs. Override it in a model of several (Functional does).
  virtual std::size_t input_count() const { return 1; }
  /// What the losses of several outputs are logged under: "<name>_loss".
  virtual std::vector<std::string> output_names() const { return {}; }

  /// Ends the fit that runs after this batch or epoch; from a callback.
  void stop_training();
  /// What compile was given; a handle. Throws UsageError if not compiled.
  optim::Optimizer optimizer(Where where = Where::current()) const;

  /// Prints `summary_text()`.
  void summary() const;
  /// Layers, output shapes and weights in a table, as Keras prints it at 80 columns.
  std::string summary_text() const;

  /// Writes all that training goes on from into one safetensors file: weights, the optimizer's state and learning rate,
  /// where the random numbers of seeded layers stand; what the model was compiled with as metadata. The file appears
  /// whole or not at all. Throws FileError, UsageError if the model is not built.
  void save(const std::string& path, Where where = Where::current()) const;
  /// Reads what save wrote into a model built and compiled by the same code: fit goes on to the same numbers (pass
  /// `shuffle_seed` and `initial_epoch`). Throws FileError, changing nothing, if the file is not of such a model.
  void load(const std::string& path, Where where = Where::current());
  /// Writes all variables, named by their paths within the model ("conv2d/kernel"): as .npz if `path` ends so, else as
  /// safetensors. The file appears whole or not at all. Throws FileError, UsageError if the model is not built.
  void save_weights(const std::string& path, Where where = Where::current()) const;
  /// Reads what save_weights wrote, or the weights alone of what save wrote. Throws FileError, changing nothing, if
  /// names or shapes are not those of the model.
  void load_weights(const std::string& path, Where where = Where::current());

 protected:
  explicit Model(std::string name = "");
  Model(const Model&) = default;  // and no move: what was moved from goes on, as a Layer does
  Model& operator=(const Model&) = default;
  ~Model() override;
  /// The layers that summary() lists: those found in `call`.
  virtual std::vector<std::shared_ptr<State>> summarised() const;
  /// The lines of summary(); one that says what it is connected to gives the table a column for that.
  virtual std::vector<detail::SummaryRow> summary_rows() const;

 private:
  friend class callbacks::BackupAndRestore;
  struct Compiled;
  struct Fit;
  Compiled& compiled(const char* what) const;
  std::vector<Variable> optimizer_variables() const;  // none before the first step
  void build_for(const Tensors& batch);
  bool eagerly() const;
  std::string trace_key() const;
  void write_state(const std::string& path, std::vector<std::pair<std::string, Tensor>> extra) const;
  std::vector<std::pair<std::string, Tensor>> read_state(const char* what, const std::string& path);
  // As save, with how far the fit that runs has come: through this batch, or through the `whole` epoch.
  void save_progress(const std::string& path, bool whole) const;
  void load_progress(const std::string& path);
  Tensor with_penalties(const Tensor& loss, const LossScope& added) const;
  std::vector<Tensor> all_outputs(std::span<const Tensor> xs, bool training);
  // A batch is the inputs, the answers, and the weight of the examples.
  void train_step(std::span<const Tensor> batch, std::size_t inputs);
  void test_step(std::span<const Tensor> batch, std::size_t inputs);
  // A source of batches gives one at a time, nothing at the end.
  using Batches = FunctionRef<std::vector<Tensor>()>;
  std::vector<Tensor> predict_batches(std::size_t count, Batches next);
  std::vector<Tensor> predict_tensors(const Tensors& x, const PredictOptions& options, std::size_t count);
  std::vector<Tensor> predict_dataset(const data::Dataset& batches, const PredictOptions& options, std::size_t count);
  Logs evaluate_batches(std::size_t inputs, Batches next);
  Logs evaluate_tensors(const Tensors& x, const Tensors& y, const Tensor& weight, std::int64_t batch_size,
                        std::int64_t steps);
  Logs evaluate_dataset(const char* what, const data::Dataset& batches, std::int64_t steps);
  detail::DatasetBatches batches_of(const char* what, const data::Dataset& dataset, std::int64_t steps) const;
  std::shared_ptr<std::shared_ptr<Compiled>> compiled_;  // copies of a model share it
  struct Traces {                                        // but a copy may have other members, so it traces anew
    std::shared_ptr<detail::Steps> steps;
    Traces();
    Traces(const Traces&) : Traces() {}
    Traces& operator=(const Traces&) { return steps = Traces().steps, *this; }
  } traces_;
};

/// Layers one after the other: `nn::Sequential{nn::Dense(64, {.activation = "relu"}), nn::Dense(10)}`.
class Sequential : public LayerOf<Sequential, Model> {
 public:
  Sequential(std::initializer_list<AnyLayer> layers, const std::string& name = "");
  explicit Sequential(const std::vector<AnyLayer>& layers = {}, const std::string& name = "");
  void add(const AnyLayer& layer);
  const std::vector<AnyLayer>& layers() const { return layers_; }
  Sequential(const Sequential&) = default;
  Sequential& operator=(const Sequential&) = default;
  ~Sequential() override;

 protected:
  Tensor call(const Tensor& x, bool training) override;
  std::vector<std::shared_ptr<State>> summarised() const override;

 private:
  std::vector<AnyLayer> layers_;
};

}  // namespace tapir::nn
