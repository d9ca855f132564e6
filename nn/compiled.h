// What a model was compiled with, and how its training stands. Internal to nn/.
#pragma once
#include <tapir/nn/model.h>

namespace tapir::nn {

struct Model::Compiled {
  optim::Optimizer optimizer;
  Loss loss;
  std::vector<Metric> metrics, weighted_metrics;
  bool run_eagerly;
  int serial;                       // no other compile has it
  metrics::Mean mean_loss{"loss"};  // over examples

  explicit Compiled(const CompileOptions& options);
  void reset_metrics();
  void update_metrics(const Tensor& loss, const Tensor& y, const Tensor& predicted, const Tensor& weight);
  /// Loss and metrics so far: sorted, and names that are taken changed, as in Keras.
  Logs logs() const;
};

}  // namespace tapir::nn
