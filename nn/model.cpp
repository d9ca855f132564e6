// Training, evaluation and prediction, with public ops, tapes and Variables only.
#include <tapir/autograd/gradient_tape.h>
#include <tapir/io/safetensors.h>
#include <tapir/nn/activations.h>
#include <tapir/nn/layer_state.h>
#include <tapir/nn/model.h>
#include <tapir/nn/progress.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/gather.h>
#include <tapir/ops/index.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/random.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <cmath>
#include <map>

namespace tapir::nn {

struct Model::Compiled {
  optim::Optimizer optimizer;
  Loss loss;
  std::vector<Metric> metrics, weighted_metrics;

  void reset_metrics() {
    for (auto* list : {&metrics, &weighted_metrics})
      for (auto& m : *list) m.reset();
  }
  void update_metrics(const Tensor& y, const Tensor& predicted, const Tensor& weight) {
    for (auto& m : metrics) m.update(y, predicted);
    for (auto& m : weighted_metrics) m.update(y, predicted, weight);
  }
  // Sorted, and names that are taken changed, as in Keras.
  Logs logs(double mean_loss) const {
    std::map<std::string, double> found{{"loss", mean_loss}};
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
};

namespace {

void check_data(const char* what, const Tensor& x, const Tensor& y, const Tensor& weight) {
  if (!x.defined() || !y.defined()) throw UsageError(fmt::format("{}: x and y must be defined tensors.", what));
  if (x.rank() < 1 || y.rank() < 1 || x.shape()[0] != y.shape()[0])
    throw ShapeError(fmt::format("{}: x {} and y {} must have the same number of examples.", what, x.shape().str(),
                                 y.shape().str()));
  if (x.shape()[0] == 0) throw ShapeError(fmt::format("{}: there are no examples in x {}.", what, x.shape().str()));
  if (weight.defined() && !(weight.shape() == Shape({x.shape()[0]})))
    throw ShapeError(fmt::format("{}: sample_weight must have shape [{}], got {}.", what, x.shape()[0],
                                 weight.shape().str()));
}

void check_batch(const char* what, std::int64_t batch_size) {
  if (batch_size < 1) throw UsageError(fmt::format("{}: batch_size must be at least 1, got {}.", what, batch_size));
}

void check_verbose(const char* what, int verbose) {
  if (verbose < 0 || verbose > 2) throw UsageError(fmt::format("{}: verbose must be 0, 1 or 2, got {}.", what, verbose));
}

Tensor rows(const Tensor& t, std::int64_t begin, std::int64_t end) {
  return t.defined() ? t[Slice(begin, end)] : Tensor();
}

// The mean over examples of a value that comes batch by batch.
struct RunningMean {
  double sum = 0, weight = 0;
  void add(double v, std::int64_t n) { sum += v * double(n), weight += double(n); }
  double value() const { return weight > 0 ? sum / weight : 0; }
};

}  // namespace

Model::Model(std::string name) : Layer(std::move(name)), compiled_(std::make_shared<std::shared_ptr<Compiled>>()) {}

void Model::compile(const CompileOptions& o, Where where) {
  CallSite site(where);
  if (!o.loss.defined()) throw UsageError("compile: a loss is needed: {.loss = \"mse\"} or a function.");
  *compiled_ = std::make_shared<Compiled>(Compiled{o.optimizer, o.loss, o.metrics, o.weighted_metrics});
}

Model::Compiled& Model::compiled(const char* what) const {
  if (!*compiled_) throw UsageError(fmt::format("{}: say how to train first: model.compile({{.optimizer = \"adam\", .loss = ...}}).", what));
  return **compiled_;
}

std::vector<Variable> Model::optimizer_variables() const {
  const bool used = *compiled_ && (*compiled_)->optimizer.iterations().value().item<std::int64_t>() > 0;
  return used ? (*compiled_)->optimizer.variables() : std::vector<Variable>();
}

double Model::train_batch(const Tensor& x, const Tensor& y, const Tensor& weight) {
  Compiled& c = **compiled_;
  Tensor loss, predicted;
  std::vector<Variable> variables;
  std::vector<Tensor> gradients;
  {
    detail::LogitsScope logits;
    GradientTape tape;
    predicted = (*this)(x, {.training = true});
    loss = c.loss(y, predicted, weight);
    variables = trainable_variables();
    if (variables.empty()) throw UsageError("fit: the model has no trainable variables.");
    gradients = tape.gradient(loss, variables);
  }
  c.optimizer.apply_gradients(gradients, variables);
  c.update_metrics(y, predicted, weight);
  return loss.item<double>();
}

History Model::fit(const Tensor& x, const Tensor& y, const FitOptions& o, Where where) {
  CallSite site(where);
  Compiled& c = compiled("fit");
  check_data("fit", x, y, o.sample_weight);
  check_batch("fit", o.batch_size);
  check_verbose("fit", o.verbose);
  if (o.epochs < 0 || o.initial_epoch < 0)
    throw UsageError(fmt::format("fit: epochs must not be negative, got {} (initial_epoch {}).", o.epochs, o.initial_epoch));
  if (!(o.validation_split >= 0 && o.validation_split < 1))
    throw UsageError(fmt::format("fit: validation_split must be in [0, 1), got {}.", o.validation_split));
  const auto& [vx, vy] = o.validation_data;
  if (vx.defined() || vy.defined()) check_data("fit: validation_data", vx, vy, {});
  const std::int64_t all = x.shape()[0];
  const std::int64_t n = vx.defined() ? all : std::int64_t(std::floor(double(all) * (1 - o.validation_split)));
  if (n < 1) throw UsageError(fmt::format("fit: validation_split {} leaves nothing of {} examples to train on.",
                                          o.validation_split, all));
  const Tensor tx = rows(x, 0, n), ty = rows(y, 0, n), tw = rows(o.sample_weight, 0, n);
  const Tensor val_x = vx.defined() ? vx : n < all ? rows(x, n, all) : Tensor();
  const Tensor val_y = vx.defined() ? vy : n < all ? rows(y, n, all) : Tensor();
  const Tensor val_w = n < all ? rows(o.sample_weight, n, all) : Tensor();

  History history;
  detail::Progress progress(o.verbose, o.epochs);
  const std::int64_t steps = (n + o.batch_size - 1) / o.batch_size;
  for (int epoch = o.initial_epoch; epoch < o.epochs; ++epoch) {
    Tensor order;
    if (o.shuffle) order = random::permutation(n, {.seed = o.shuffle_seed < 0 ? -1 : o.shuffle_seed + epoch});
    c.reset_metrics();
    RunningMean loss;
    progress.start_epoch(epoch, steps);
    for (std::int64_t step = 0; step < steps; ++step) {
      std::int64_t begin = step * o.batch_size, end = std::min(n, begin + o.batch_size);
      auto part = [&](const Tensor& t) {
        return !t.defined() || !o.shuffle ? rows(t, begin, end) : take(t, order[Slice(begin, end)], 0);
      };
      loss.add(train_batch(part(tx), part(ty), part(tw)), end - begin);
      if (progress.due()) progress.tell(step + 1, c.logs(loss.value()));
    }
    Logs logs = c.logs(loss.value());
    if (val_x.defined())
      for (auto& [name, v] : evaluate_batches(val_x, val_y, val_w, o.batch_size)) logs.at_or_new("val_" + name) = v;
    progress.end_epoch(logs);
    for (auto& [name, v] : logs) history.at_or_new(name).push_back(v);
    if (o.on_epoch_end && !o.on_epoch_end(epoch, logs)) break;
  }
  return history;
}

Logs Model::evaluate_batches(const Tensor& x, const Tensor& y, const Tensor& weight, std::int64_t batch_size) {
  Compiled& c = **compiled_;
  c.reset_metrics();
  RunningMean loss;
  for (std::int64_t begin = 0, n = x.shape()[0]; begin < n; begin += batch_size) {
    std::int64_t end = std::min(n, begin + batch_size);
    detail::LogitsScope logits;
    Tensor by = rows(y, begin, end), bw = rows(weight, begin, end), predicted = (*this)(rows(x, begin, end), {.training = false});
    loss.add(c.loss(by, predicted, bw).item<double>(), end - begin);
    c.update_metrics(by, predicted, bw);
  }
  return c.logs(loss.value());
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
  for (std::int64_t begin = 0; begin < std::max<std::int64_t>(n, 1); begin += o.batch_size)
    parts.push_back((*this)(rows(x, begin, std::min(n, begin + o.batch_size)), {.training = false}));
  return parts.size() == 1 ? parts[0] : concat(parts);
}

void Model::save_weights(const std::string& path, Where where) const {
  CallSite site(where);
  if (!built()) throw UsageError("save_weights: the model has no weights yet. Call model.build(input_shape) first.");
  io::NamedTensors tensors;
  detail::visit_variables(*state(), [&](const Variable& v, bool, const std::string& name) { tensors.emplace_back(name, v.value()); });
  io::save_safetensors(path, tensors);
}

void Model::load_weights(const std::string& path, Where where) {
  CallSite site(where);
  if (!built()) throw UsageError("load_weights: the model has no weights yet. Call model.build(input_shape) first.");
  io::NamedTensors tensors = io::load_safetensors(path);
  std::vector<std::pair<Variable, Tensor>> found;
  detail::visit_variables(*state(), [&](const Variable& v, bool, const std::string& name) {
    for (auto& [n, t] : tensors) {
      if (n != name) continue;
      if (!(t.shape() == v.shape()) || t.dtype() != v.dtype())
        throw FileError(fmt::format("load_weights: {}: '{}' is {} {} in the file, {} {} in the model.", path, name,
                                    name_of(t.dtype()), t.shape().str(), name_of(v.dtype()), v.shape().str()));
      found.emplace_back(v, t);
      return;
    }
    throw FileError(fmt::format("load_weights: {}: there is no '{}' in the file.", path, name));
  });
  if (found.size() != tensors.size())
    throw FileError(fmt::format("load_weights: {}: the file has {} tensors, the model {}.", path, tensors.size(), found.size()));
  for (auto& [v, t] : found) v.assign(t);
}

std::vector<std::shared_ptr<Layer::State>> Model::summarised() const { return state()->children; }

Sequential::Sequential(std::initializer_list<AnyLayer> layers, const std::string& name)
    : Model(name), layers_(layers) {}
Sequential::Sequential(const std::vector<AnyLayer>& layers, const std::string& name) : Model(name), layers_(layers) {}

void Sequential::add(const AnyLayer& layer) { layers_.push_back(layer); }

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
