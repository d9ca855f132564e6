// Training, evaluation and prediction, with public ops, tapes and Variables only, so that each step can be traced.
#include <tapir/autograd/gradient_tape.h>
#include <tapir/nn/activations.h>
#include <tapir/nn/compiled.h>
#include <tapir/nn/layer_state.h>
#include <tapir/nn/progress.h>
#include <tapir/nn/steps.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/gather.h>
#include <tapir/ops/index.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/random.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <map>

namespace tapir::nn {

Model::Compiled::Compiled(const CompileOptions& o)
    : optimizer(o.optimizer),
      loss(o.loss),
      metrics(o.metrics),
      weighted_metrics(o.weighted_metrics),
      run_eagerly(o.run_eagerly) {
  static std::atomic<int> compiles = 0;
  serial = ++compiles;
}

void Model::Compiled::reset_metrics() {
  mean_loss.reset();
  for (auto* list : {&metrics, &weighted_metrics})
    for (auto& m : *list) m.reset();
}

std::vector<std::vector<Variable>> Model::Compiled::metric_variables() const {
  std::vector<std::vector<Variable>> all{mean_loss.variables()};
  for (auto* list : {&metrics, &weighted_metrics})
    for (auto& m : *list) all.push_back(m.variables());
  return all;
}

void Model::Compiled::update_metrics(const Tensor& value, const Tensor& y, const Tensor& predicted,
                                     const Tensor& weight) {
  mean_loss.update(value, full({}, double(y.shape()[0]), DType::f64));
  for (auto& m : metrics) m.update(y, predicted);
  for (auto& m : weighted_metrics) m.update(y, predicted, weight);
}

Logs Model::Compiled::logs() const {
  std::map<std::string, double> found{{"loss", mean_loss.result()}};
  auto add = [&](const std::string& base, double value) {
    std::string name = base;
    for (int i = 1; found.contains(name); ++i) name = fmt::format("{}_{}", base, i);
    found[name] = value;
  };
  for (auto& m : metrics) add(m.name(), m.result());
  for (auto& m : weighted_metrics) add(found.contains(m.name()) ? "weighted_" + m.name() : m.name(), m.result());
  Logs logs;
  for (auto& [name, value] : found) logs.at_or_new(name) = value;
  return logs;
}

using detail::check_batch, detail::check_data, detail::check_verbose, detail::rows;

Model::Traces::Traces() : steps(std::make_shared<detail::Steps>()) {}
Model::~Model() = default;
Model::Model(std::string name) : Layer(std::move(name)), compiled_(std::make_shared<std::shared_ptr<Compiled>>()) {}

void Model::compile(const CompileOptions& o, Where where) {
  CallSite site(where);
  if (!o.loss.defined()) throw UsageError("compile: a loss is needed: {.loss = \"mse\"} or a function.");
  *compiled_ = std::make_shared<Compiled>(o);
  traces_ = Traces();
}

Model::Compiled& Model::compiled(const char* what) const {
  if (!*compiled_)
    throw UsageError(
        fmt::format("{}: say how to train first: model.compile({{.optimizer = \"adam\", .loss = ...}}).", what));
  return **compiled_;
}

optim::Optimizer Model::optimizer(Where where) const {
  CallSite site(where);
  return compiled("optimizer").optimizer;
}

void Model::stop_training() {
  if (*compiled_ && (*compiled_)->fit) (*compiled_)->fit->stop = true;
}

std::vector<Variable> Model::optimizer_variables() const {
  const bool used = *compiled_ && (*compiled_)->optimizer.iterations().value().item<std::int64_t>() > 0;
  return used ? (*compiled_)->optimizer.variables() : std::vector<Variable>();
}

// Weights are made before anything is traced or drawn, so that traced and eager training draw the same numbers.
void Model::build_for(const Tensor& batch) {
  if (!batch.has_data() || detail::all_built(*state())) return;  // no data: within a trace of the user's
  detail::Unrecorded unrecorded;
  (*this)(batch, {.training = false});
}

bool Model::eagerly() const { return *compiled_ && (*compiled_)->run_eagerly; }

std::string Model::trace_key() const {
  return detail::structure_of(*state()) + (*compiled_ ? std::to_string((*compiled_)->serial) : "");
}

// The loss with what layers and weights add to it.
Tensor Model::with_penalties(const Tensor& loss, const LossScope& added) const {
  Tensor all = loss;
  for (auto& t : added.losses()) all = all + astype(t, loss.dtype());
  if (detail::regularized(*state())) all = all + astype(regularization_loss(), loss.dtype());
  return all;
}

void Model::train_step(const Tensor& x, const Tensor& y, const Tensor& weight) {
  Compiled& c = **compiled_;
  Tensor loss, predicted;
  std::vector<Variable> variables;
  std::vector<Tensor> gradients;
  {
    detail::LogitsScope logits;
    LossScope added;
    GradientTape tape;
    predicted = (*this)(x, {.training = true});
    loss = with_penalties(c.loss(y, predicted, weight), added);
    variables = trainable_variables();
    if (variables.empty()) throw UsageError("fit: the model has no trainable variables.");
    gradients = tape.gradient(loss, variables);
  }
  c.optimizer.apply_gradients(gradients, variables);
  apply_constraints();
  c.update_metrics(loss, y, predicted, weight);
}

void Model::test_step(const Tensor& x, const Tensor& y, const Tensor& weight) {
  detail::LogitsScope logits;
  LossScope added;
  const Tensor predicted = (*this)(x, {.training = false});
  const Tensor loss = with_penalties((*compiled_)->loss(y, predicted, weight), added);
  (*compiled_)->update_metrics(loss, y, predicted, weight);
}

Logs Model::evaluate_batches(const Tensor& x, const Tensor& y, const Tensor& weight, std::int64_t batch_size) {
  Compiled& c = **compiled_;
  const std::int64_t n = x.shape()[0];
  build_for(rows(x, 0, std::min(n, batch_size)));
  c.reset_metrics();
  const std::string key = trace_key();
  for (std::int64_t begin = 0; begin < n; begin += batch_size) {
    auto part = [&](const Tensor& t) { return rows(t, begin, std::min(n, begin + batch_size)); };
    traces_.steps->test.run(
        c.run_eagerly, key, std::array{part(x), part(y), part(weight)},
        [&](std::span<const Tensor> batch) { return test_step(batch[0], batch[1], batch[2]), Tensor(); });
  }
  return c.logs();
}

Logs Model::evaluate(const Tensor& x, const Tensor& y, const EvaluateOptions& o, Where where) {
  CallSite site(where);
  compiled("evaluate");
  check_data("evaluate", x, y, o.sample_weight);
  check_batch("evaluate", o.batch_size);
  check_verbose("evaluate", o.verbose);
  Logs logs = evaluate_batches(x, y, o.sample_weight, o.batch_size);
  if (o.verbose) fmt::print("{}\n", detail::metrics_text(logs).substr(3));
  return logs;
}

Tensor Model::predict(const Tensor& x, const PredictOptions& o, Where where) {
  CallSite site(where);
  check_batch("predict", o.batch_size);
  if (!x.defined()) throw UsageError("predict: x is an undefined tensor.");
  if (x.rank() < 1) throw ShapeError("predict: x needs a batch dimension, got a scalar.");
  std::vector<Tensor> parts;
  const std::int64_t n = x.shape()[0];
  build_for(rows(x, 0, std::min(n, o.batch_size)));
  const std::string key = trace_key();
  for (std::int64_t begin = 0; begin < std::max<std::int64_t>(n, 1); begin += o.batch_size)
    parts.push_back(
        traces_.steps->predict.run(eagerly(), key, std::array{rows(x, begin, std::min(n, begin + o.batch_size))},
                                   [&](std::span<const Tensor> in) { return (*this)(in[0], {.training = false}); }));
  return parts.size() == 1 ? parts[0] : concat(parts);
}

std::vector<std::shared_ptr<Layer::State>> Model::summarised() const { return state()->children; }

Sequential::~Sequential() = default;
Sequential::Sequential(std::initializer_list<AnyLayer> layers, const std::string& name)
    : Model(name), layers_(layers) {}
Sequential::Sequential(const std::vector<AnyLayer>& layers, const std::string& name) : Model(name), layers_(layers) {}

void Sequential::add(const AnyLayer& layer) {
  layers_.push_back(layer);
  ++state()->version;
  if (built()) state()->attach(layer->state());  // so that it is seen to be unbuilt
}

Tensor Sequential::call(const Tensor& x, bool) {
  Tensor y = x;
  for (auto& layer : layers_) y = (*layer)(y);
  return y;
}

std::vector<std::shared_ptr<Layer::State>> Sequential::summarised() const {
  std::vector<std::shared_ptr<State>> out;
  for (auto& layer : layers_) {
    layer->name(), layer->type();  // an unbuilt layer gets its name now
    out.push_back(layer->state());
  }
  return out;
}

}  // namespace tapir::nn
