// What a model was compiled with, and how its training stands. Internal to nn/.
#pragma once
#include <tapir/nn/dataset_batches.h>
#include <tapir/nn/model.h>
#include <tapir/nn/parallel_training.h>
#include <tapir/ops/random.h>

namespace tapir::nn {

namespace detail {
// What fit, evaluate and predict refuse.
void check_data(const char* what, const Tensors& xs, const Tensors& ys, const Tensor& weight);
void check_batch(const char* what, std::int64_t batch_size);
void check_verbose(const char* what, int verbose);
/// Examples [begin, end) of t, which may be undefined.
Tensor rows(const Tensor& t, std::int64_t begin, std::int64_t end);
Tensors rows(const Tensors& all, std::int64_t begin, std::int64_t end);
/// What a step is given: part(t) of each input, of each answer and of the weight.
std::vector<Tensor> batch_of(const Tensors& x, const Tensors& y, const Tensor& weight,
                             FunctionRef<Tensor(const Tensor&)> part);
}  // namespace detail

struct Model::Compiled {
  optim::Optimizer optimizer;
  std::vector<Loss> losses;  // one for each output
  std::vector<double> loss_weights;
  std::vector<std::string> output_names;            // of several
  std::vector<metrics::Mean> output_losses;         // of several
  std::vector<std::vector<Metric>> output_metrics;  // of several
  std::vector<Metric> metrics, weighted_metrics;
  bool run_eagerly;
  int serial;                       // no other compile has it
  metrics::Mean mean_loss{"loss"};  // over examples
  Fit* fit = nullptr;               // the one that runs
  /// That of the fit that runs; null if this process trains alone.
  ParallelTraining* parallel() const;

  Compiled(const CompileOptions& options, std::vector<std::string> names);
  void reset_metrics();
  /// Of all processes, where several train: afterwards each has what all have seen.
  void join_metrics();
  /// The mean loss, then as each_metric.
  std::vector<Metric> all_metrics();
  /// The sum of the losses, each times its weight, and each of them.
  std::pair<Tensor, std::vector<Tensor>> total_loss(std::span<const Tensor> ys, std::span<const Tensor> predicted,
                                                    const Tensor& weight) const;
  void update_metrics(const std::pair<Tensor, std::vector<Tensor>>& loss, std::span<const Tensor> ys,
                      std::span<const Tensor> predicted, const Tensor& weight);
  /// All of them, those of outputs too.
  template <class F>
  void each_metric(F f) {
    for (auto* list : {&metrics, &weighted_metrics})
      for (auto& m : *list) f(m);
    for (auto& m : output_losses) f(m);
    for (auto& list : output_metrics)
      for (auto& m : list) f(m);
  }
  /// Loss and metrics so far: sorted, and names that are taken changed, as in Keras.
  Logs logs() const;
};

/// A call of fit, and how far it has come.
struct Model::Fit {
  Model& model;
  Compiled& c;
  const FitOptions& o;
  Tensors x, y, val_x, val_y;
  Tensor weight, val_w;
  std::optional<detail::DatasetBatches> batches;  // in place of x, y and weight
  std::int64_t n = 0, steps = 0;                  // steps: of an epoch, -1 if not known
  std::vector<AnyCallback> callbacks;
  ParallelTraining* parallel = nullptr;  // of one of them, if several processes train

  int epoch = 0;
  std::int64_t step = 0;                // batches of this epoch that are done
  random::GeneratorState before_order;  // as it was when the order of this epoch was drawn
  bool within_epoch = false;            // a backup put us into the middle of one
  bool stop = false;

  Fit(Model& model, const Tensors& x, const Tensors& y, const FitOptions& options);
  Fit(Model& model, const data::Dataset& batches, const FitOptions& options);
  Fit(const Fit&) = delete;
  ~Fit();
  History run();
  /// Does this process print and write files?
  bool writes() const { return !parallel || parallel->rank() == 0; }

 private:
  void check() const;
  void take_callbacks();
  void open_batches();
  std::vector<Tensor> next_batch(const Tensor& order);
  Tensors first_inputs();
  void validate(Logs& logs);
  void each(FunctionRef<void(Callback&)> f) const;
  void end_batch();
  void agree_on_stop();
  Tensor draw_order();
};

}  // namespace tapir::nn
