// Training, evaluation and prediction, with public ops, tapes and Variables only, so that each step can be traced.
#include <tapir/autograd/gradient_tape.h>
#include <tapir/nn/activations.h>
#include <tapir/nn/compiled.h>
#include <tapir/nn/layer_state.h>
#include <tapir/nn/masks.h>
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

#include <algorithm>
#include <atomic>
#include <map>

namespace tapir::nn {

Model::Compiled::Compiled(const CompileOptions& o, std::vector<std::string> names)
    : optimizer(o.optimizer),
      losses(o.losses.empty() ? std::vector<Loss>{o.loss} : o.losses),
      loss_weights(o.loss_weights),
      output_names(std::move(names)),
      output_metrics(o.output_metrics),
      metrics(o.metrics),
      weighted_metrics(o.weighted_metrics),
      run_eagerly(o.run_eagerly) {
  // As many outputs as anything says there are; one loss does for all.
  const std::size_t n = std::max({losses.size(), output_names.size(), output_metrics.size()});
  if (losses.size() == 1) losses.resize(n, losses[0]);
  if (n > 1 && !(metrics.empty() && weighted_metrics.empty()))
    throw UsageError(
        "compile: a model of several outputs takes .output_metrics, a list for each, in place of metrics.");
  if (losses.size() != n || (!loss_weights.empty() && loss_weights.size() != n) ||
      (!output_metrics.empty() && output_metrics.size() != n))
    throw UsageError(fmt::format("compile: there are {} outputs, but {} losses, {} loss_weights and {} output_metrics.",
                                 n, losses.size(), loss_weights.size(), output_metrics.size()));
  for (std::size_t i = output_names.size(); i < n; ++i) output_names.push_back(fmt::format("output_{}", i + 1));
  for (std::size_t i = 0; n > 1 && i < n; ++i) output_losses.emplace_back(output_names[i] + "_loss");
  static std::atomic<int> compiles = 0;
  serial = ++compiles;
}

ParallelTraining* Model::Compiled::parallel() const { return fit ? fit->parallel : nullptr; }

void Model::Compiled::join_metrics() {
  if (!parallel()) return;
  std::vector<Variable> all;
  for (auto& m : all_metrics())
    for (auto& v : m.variables()) all.push_back(v);
  parallel()->sum(all);
}

void Model::Compiled::reset_metrics() {
  mean_loss.reset();
  each_metric([](auto& m) { m.reset(); });
}

std::vector<Metric> Model::Compiled::all_metrics() {
  std::vector<Metric> all{mean_loss};
  each_metric([&](const Metric& m) { all.push_back(m); });
  return all;
}

std::pair<Tensor, std::vector<Tensor>> Model::Compiled::total_loss(std::span<const Tensor> ys,
                                                                   std::span<const Tensor> predicted,
                                                                   const Tensor& weight) const {
  if (ys.size() != losses.size() || predicted.size() < losses.size())
    throw UsageError(fmt::format("fit: {} losses need as many outputs and answers, got {} and {}.", losses.size(),
                                 predicted.size(), ys.size()));
  std::vector<Tensor> each;
  Tensor total;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    each.push_back(losses[i](ys[i], predicted[i], weight));
    const Tensor part = loss_weights.empty() ? each[i] : each[i] * loss_weights[i];
    total = total.defined() ? total + part : part;
  }
  return {total, each};
}

void Model::Compiled::update_metrics(const std::pair<Tensor, std::vector<Tensor>>& loss, std::span<const Tensor> ys,
                                     std::span<const Tensor> predicted, const Tensor& weight) {
  const Tensor examples = full({}, double(ys[0].shape()[0]), DType::f64);
  mean_loss.update(loss.first, examples);
  for (std::size_t i = 0; i < output_losses.size(); ++i) output_losses[i].update(loss.second[i], examples);
  for (auto& m : metrics) m.update(ys[0], predicted[0]);
  for (auto& m : weighted_metrics) m.update(ys[0], predicted[0], weight);
  for (std::size_t i = 0; i < output_metrics.size(); ++i)
    for (auto& m : output_metrics[i]) m.update(ys[i], predicted[i]);
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
  for (auto& m : output_losses) add(m.name(), m.result());
  for (std::size_t i = 0; i < output_metrics.size(); ++i)
    for (auto& m : output_metrics[i]) add(output_names[i] + "_" + m.name(), m.result());
  Logs logs;
  for (auto& [name, value] : found) logs.at_or_new(name) = value;
  return logs;
}

using detail::batch_of, detail::check_batch, detail::check_data, detail::check_verbose, detail::rows;

Model::Traces::Traces() : steps(std::make_shared<detail::Steps>()) {}
Model::~Model() = default;
Model::Model(std::string name) : Layer(std::move(name)), compiled_(std::make_shared<std::shared_ptr<Compiled>>()) {}

void Model::compile(const CompileOptions& o, Where where) {
  CallSite site(where);
  if (!o.loss.defined() && o.losses.empty())
    throw UsageError("compile: a loss is needed: {.loss = \"mse\"} or a function.");
  *compiled_ = std::make_shared<Compiled>(o, output_names());
  optim::Optimizer& optimizer = (*compiled_)->optimizer;
  if (o.auto_scale_loss && dtype_policy().compute_dtype() == DType::f16 && !optimizer.scales_loss())
    optimizer = optim::LossScaleOptimizer(optimizer);
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
void Model::build_for(const Tensors& batch) {
  if (!batch[0].has_data() || detail::all_built(*state())) return;  // no data: within a trace of the user's
  detail::Unrecorded unrecorded;
  all_outputs(batch, false);
}

bool Model::eagerly() const { return *compiled_ && (*compiled_)->run_eagerly; }

std::string Model::trace_key() const {
  std::string key = detail::structure_of(*state());
  if (*compiled_) key += std::to_string((*compiled_)->serial);
  if (*compiled_ && (*compiled_)->parallel()) key += " in parallel " + (*compiled_)->parallel()->key();
  return key;
}

std::vector<Tensor> Model::all_outputs(std::span<const Tensor> xs, bool training) {
  const CallOptions options{.training = training};
  if (xs.size() == 1 && output_names().size() < 2 && (!*compiled_ || (*compiled_)->losses.size() < 2))
    return {(*this)(xs[0], options)};
  return outputs({xs.begin(), xs.end()}, options);
}

// The loss with what layers and weights add to it.
Tensor Model::with_penalties(const Tensor& loss, const LossScope& added) const {
  Tensor all = loss;
  for (auto& t : added.losses()) all = all + astype(t, loss.dtype());
  if (detail::regularized(*state())) all = all + astype(regularization_loss(), loss.dtype());
  return all;
}

void Model::train_step(std::span<const Tensor> batch, std::size_t inputs) {
  Compiled& c = **compiled_;
  const auto xs = batch.first(inputs), ys = batch.subspan(inputs, batch.size() - inputs - 1);
  const Tensor& weight = batch.back();
  MaskScope masks;
  std::pair<Tensor, std::vector<Tensor>> loss;
  std::vector<Tensor> predicted;
  std::vector<Variable> variables;
  std::vector<Tensor> gradients;
  ParallelTraining* parallel = c.parallel();
  if (parallel && xs[0].shape()[0] == 0) {  // no part of this batch: what the others find moves the weights here too
    variables = trainable_variables();
    gradients.resize(variables.size());
    parallel->start(variables, 0);
  } else {
    detail::LogitsScope logits;
    LossScope added;
    GradientTape tape;
    predicted = all_outputs(xs, true);
    loss = c.total_loss(ys, predicted, weight);
    loss.first = with_penalties(loss.first, added);
    variables = trainable_variables();
    if (variables.empty()) throw UsageError("fit: the model has no trainable variables.");
    if (parallel) parallel->start(variables, xs[0].shape()[0]);
    gradients = tape.gradient(c.optimizer.scale_loss(loss.first), variables, {.hook = parallel});
  }
  if (parallel) parallel->finish(gradients);
  c.optimizer.apply_gradients(gradients, variables);
  apply_constraints();
  if (!predicted.empty()) c.update_metrics(loss, ys, predicted, weight);
}

void Model::test_step(std::span<const Tensor> batch, std::size_t inputs) {
  detail::LogitsScope logits;
  MaskScope masks;
  const auto xs = batch.first(inputs), ys = batch.subspan(inputs, batch.size() - inputs - 1);
  LossScope added;
  const std::vector<Tensor> predicted = all_outputs(xs, false);
  auto loss = (*compiled_)->total_loss(ys, predicted, batch.back());
  loss.first = with_penalties(loss.first, added);
  (*compiled_)->update_metrics(loss, ys, predicted, batch.back());
}

Logs Model::evaluate_batches(std::size_t inputs, Batches next) {
  Compiled& c = **compiled_;
  c.reset_metrics();
  const std::string key = trace_key();
  auto test = [&](std::span<const Tensor> batch) { return test_step(batch, inputs), Tensor(); };
  for (auto batch = next(); !batch.empty(); batch = next())
    if (!c.parallel() || batch[0].shape()[0] > 0) traces_.steps->test.run(c.run_eagerly, key, batch, test);
  c.join_metrics();
  return c.logs();
}

// How many of n examples the first so many batches hold; 0 steps: all.
static std::int64_t examples_of(const char* what, std::int64_t n, std::int64_t batch_size, std::int64_t steps) {
  if (steps < 0) throw UsageError(fmt::format("{}: steps must be 0 or more, got {}.", what, steps));
  return steps > 0 && steps < n / batch_size + 1 ? std::min(n, steps * batch_size) : n;
}

Logs Model::evaluate_tensors(const Tensors& x, const Tensors& y, const Tensor& weight, std::int64_t batch_size,
                             std::int64_t steps) {
  const std::int64_t n = examples_of("evaluate", x.examples(), batch_size, steps);
  build_for(rows(x, 0, std::min(n, batch_size)));
  std::int64_t begin = 0;
  return evaluate_batches(x.size(), [&] {
    if (begin >= n) return std::vector<Tensor>();
    const std::int64_t end = std::min(n, begin + batch_size);
    auto part = [&](const Tensor& t) { return rows(t, begin, end); };
    auto batch = batch_of(x, y, weight, part);
    begin = end;
    return batch;
  });
}

Logs Model::evaluate(const Tensors& x, const Tensors& y, const EvaluateOptions& o, Where where) {
  CallSite site(where);
  compiled("evaluate");
  check_data("evaluate", x, y, o.sample_weight);
  check_batch("evaluate", o.batch_size);
  check_verbose("evaluate", o.verbose);
  Logs logs = evaluate_tensors(x, y, o.sample_weight, o.batch_size, o.steps);
  if (o.verbose) fmt::print("{}\n", detail::metrics_text(logs).substr(3));
  return logs;
}

Tensor Model::predict(const Tensors& x, const PredictOptions& o, Where where) {
  CallSite site(where);
  return predict_tensors(x, o, 1)[0];
}
std::vector<Tensor> Model::predict_outputs(const Tensors& x, const PredictOptions& o, Where where) {
  CallSite site(where);
  return predict_tensors(x, o, std::max<std::size_t>(1, output_names().size()));
}

std::vector<Tensor> Model::predict_tensors(const Tensors& x, const PredictOptions& o, std::size_t count) {
  check_batch("predict", o.batch_size);
  if (!x.defined()) throw UsageError("predict: x is an undefined tensor.");
  for (auto& t : x)
    if (t.rank() < 1) throw ShapeError("predict: x needs a batch dimension, got a scalar.");
  const std::int64_t all = x.examples();
  for (auto& t : x)
    if (t.shape()[0] != all)
      throw ShapeError(fmt::format("predict: inputs have {} and {} examples.", all, t.shape()[0]));
  const std::int64_t n = examples_of("predict", all, o.batch_size, o.steps);
  build_for(rows(x, 0, std::min(n, o.batch_size)));
  std::int64_t begin = 0;
  return predict_batches(count, [&]() -> std::vector<Tensor> {
    if (begin > 0 && begin >= n) return {};  // no examples are one batch of none
    const std::int64_t start = begin;
    begin += o.batch_size;
    return rows(x, start, std::min(n, begin));
  });
}

std::vector<Tensor> Model::predict_batches(std::size_t count, Batches next) {
  const std::string key = trace_key() + std::to_string(count);
  std::vector<std::vector<Tensor>> parts(count);
  for (auto batch = next(); !batch.empty(); batch = next()) {
    const auto ys = traces_.steps->predict.run_all(eagerly(), key, batch, [&](std::span<const Tensor> in) {
      std::vector<Tensor> all = count == 1 && in.size() == 1 ? std::vector<Tensor>{(*this)(in[0], {.training = false})}
                                                             : outputs({in.begin(), in.end()}, {.training = false});
      all.resize(std::min(all.size(), count));
      return all;
    });
    for (std::size_t i = 0; i < ys.size(); ++i) parts[i].push_back(ys[i]);
  }
  std::vector<Tensor> out;
  for (auto& part : parts) out.push_back(part.size() == 1 ? part[0] : concat(part));
  return out;
}

std::vector<std::shared_ptr<Layer::State>> Model::summarised() const { return state()->children; }

Sequential::~Sequential() = default;
Sequential::Sequential(std::initializer_list<AnyLayer> layers, const std::string& name)
    : LayerOf(name), layers_(layers) {
  casts_nothing();
}
Sequential::Sequential(const std::vector<AnyLayer>& layers, const std::string& name) : LayerOf(name), layers_(layers) {
  casts_nothing();
}

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
