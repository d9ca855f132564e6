// What a model was compiled with, and how its training stands. Internal to nn/.
#pragma once
#include <tapir/nn/model.h>

namespace tapir::nn {

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

  Compiled(const CompileOptions& options, std::vector<std::string> names);
  void reset_metrics();
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

}  // namespace tapir::nn
