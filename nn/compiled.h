// What a model was compiled with, and how its training stands. Internal to nn/.
#pragma once
#include <tapir/nn/model.h>
#include <tapir/ops/random.h>

namespace tapir::nn {

namespace detail {
// What fit, evaluate and predict refuse.
void check_data(const char* what, const Tensor& x, const Tensor& y, const Tensor& weight);
void check_batch(const char* what, std::int64_t batch_size);
void check_verbose(const char* what, int verbose);
/// Examples [begin, end) of t, which may be undefined.
Tensor rows(const Tensor& t, std::int64_t begin, std::int64_t end);
}  // namespace detail

struct Model::Compiled {
  optim::Optimizer optimizer;
  Loss loss;
  std::vector<Metric> metrics, weighted_metrics;
  bool run_eagerly;
  int serial;                       // no other compile has it
  metrics::Mean mean_loss{"loss"};  // over examples
  Fit* fit = nullptr;               // the one that runs

  explicit Compiled(const CompileOptions& options);
  void reset_metrics();
  std::vector<std::vector<Variable>> metric_variables() const;
  void update_metrics(const Tensor& loss, const Tensor& y, const Tensor& predicted, const Tensor& weight);
  /// Loss and metrics so far: sorted, and names that are taken changed, as in Keras.
  Logs logs() const;
};

/// A call of fit, and how far it has come.
struct Model::Fit {
  Model& model;
  Compiled& c;
  const FitOptions& o;
  Tensor x, y, weight, val_x, val_y, val_w;
  std::int64_t n = 0, steps = 0;
  std::vector<AnyCallback> callbacks;

  int epoch = 0;
  std::int64_t step = 0;                // batches of this epoch that are done
  random::GeneratorState before_order;  // as it was when the order of this epoch was drawn
  bool within_epoch = false;            // a backup put us into the middle of one
  bool stop = false;

  Fit(Model& model, const Tensor& x, const Tensor& y, const FitOptions& options);
  Fit(const Fit&) = delete;
  ~Fit();
  History run();

 private:
  void check(const Tensor& all_x, const Tensor& all_y) const;
  void each(FunctionRef<void(Callback&)> f) const;
  void end_batch();
  Tensor draw_order();
};

}  // namespace tapir::nn
