// The training loop: epochs, batches, validation and callbacks.
#include <tapir/nn/compiled.h>
#include <tapir/nn/progress.h>
#include <tapir/nn/steps.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/gather.h>
#include <tapir/ops/index.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tapir::nn {
namespace detail {

void check_data(const char* what, const Tensors& xs, const Tensors& ys, const Tensor& weight) {
  if (!xs.defined() || !ys.defined()) throw UsageError(fmt::format("{}: x and y must be defined tensors.", what));
  const Tensor& x = xs[0];
  auto check_beside = [&](const char* name, const Tensor& y) {
    if (x.rank() < 1 || y.rank() < 1 || x.shape()[0] != y.shape()[0])
      throw ShapeError(fmt::format("{}: x {} and {} {} must have the same number of examples.", what, x.shape().str(),
                                   name, y.shape().str()));
  };
  for (auto& other : std::span(xs).subspan(1)) check_beside("x", other);
  for (auto& y : ys) check_beside("y", y);
  if (x.shape()[0] == 0) throw ShapeError(fmt::format("{}: there are no examples in x {}.", what, x.shape().str()));
  if (weight.defined() && !(weight.shape() == Shape({x.shape()[0]})))
    throw ShapeError(
        fmt::format("{}: sample_weight must have shape [{}], got {}.", what, x.shape()[0], weight.shape().str()));
}

void check_batch(const char* what, std::int64_t batch_size) {
  if (batch_size < 1) throw UsageError(fmt::format("{}: batch_size must be at least 1, got {}.", what, batch_size));
}

void check_verbose(const char* what, int verbose) {
  if (verbose < 0 || verbose > 2)
    throw UsageError(fmt::format("{}: verbose must be 0, 1 or 2, got {}.", what, verbose));
}

Tensor rows(const Tensor& t, std::int64_t begin, std::int64_t end) {
  return t.defined() ? t[Slice(begin, end)] : Tensor();
}

Tensors rows(const Tensors& all, std::int64_t begin, std::int64_t end) {
  Tensors out;
  for (auto& t : all) out.push_back(rows(t, begin, end));
  return out;
}

// What a step is given: part(t) of each input, of each answer and of the weight.
std::vector<Tensor> batch_of(const Tensors& x, const Tensors& y, const Tensor& weight,
                             FunctionRef<Tensor(const Tensor&)> part) {
  std::vector<Tensor> batch;
  for (auto* list : {&x, &y})
    for (auto& t : *list) batch.push_back(part(t));
  batch.push_back(part(weight));
  return batch;
}

}  // namespace detail

Callback::~Callback() = default;
void Callback::on_train_batch_end(std::int64_t, const Logs&) { ignores_batches_ = true; }
Model& Callback::model() const {
  if (!model_) throw UsageError("callback: there is a model only while fit runs.");
  return *model_;
}
AnyCallback::AnyCallback(Callback* callback, bool owned)
    : callback_(owned ? std::shared_ptr<Callback>(callback)
                      : std::shared_ptr<Callback>(std::shared_ptr<void>(), callback)) {}

namespace {

// FitOptions::on_epoch_end among the callbacks.
struct EpochEnd final : Callback {
  Callable<bool(int, const Logs&)> f;
  explicit EpochEnd(Callable<bool(int, const Logs&)> g) : f(std::move(g)) {}
  void on_epoch_end(int epoch, Logs& logs) override {
    if (!f(epoch, logs)) model().stop_training();
  }
};

// The weight of each example by its class, [N].
Tensor class_weights(const Tensor& y, const std::vector<std::pair<std::int64_t, double>>& weight_of) {
  Tensor classes = y;
  if (y.rank() > 1) classes = y.shape().back() == 1 ? squeeze(y, {-1}) : argmax(y, {.axis = -1});
  if (classes.rank() != 1)
    throw ShapeError(fmt::format("fit: class_weight needs y [N] or [N, classes], got {}.", y.shape().str()));
  if (is_floating(classes.dtype())) classes = astype(round(classes), DType::i64);
  Tensor weight = ones(classes.shape());
  for (auto& [number, w] : weight_of)
    weight = where(equal(astype(classes, DType::i64), number), full({}, float(w)), weight);
  return weight;
}

}  // namespace

void Model::Fit::check() const {
  detail::check_batch("fit", o.batch_size);
  detail::check_verbose("fit", o.verbose);
  if (o.epochs < 0 || o.initial_epoch < 0)
    throw UsageError(
        fmt::format("fit: epochs must not be negative, got {} (initial_epoch {}).", o.epochs, o.initial_epoch));
  if (!(o.validation_split >= 0 && o.validation_split < 1))
    throw UsageError(fmt::format("fit: validation_split must be in [0, 1), got {}.", o.validation_split));
  if (o.validation_freq < 1)
    throw UsageError(fmt::format("fit: validation_freq must be 1 or more, got {}.", o.validation_freq));
  if (o.validation_batch_size < 0 || o.steps_per_epoch < 0)
    throw UsageError(fmt::format("fit: validation_batch_size and steps_per_epoch must be 0 or more, got {} and {}.",
                                 o.validation_batch_size, o.steps_per_epoch));
  if (o.validation_data.batches)
    model.batches_of("fit: validation_data", *o.validation_data.batches, o.validation_steps);
  const auto& v = o.validation_data;
  if (!v.x.empty() || !v.y.empty()) detail::check_data("fit: validation_data", v.x, v.y, v.sample_weight);
}

Model::Fit::Fit(Model& m, const Tensors& all_x, const Tensors& all_y, const FitOptions& options)
    : model(m), c(m.compiled("fit")), o(options) {
  detail::check_data("fit", all_x, all_y, o.sample_weight);
  check();
  const auto& given = o.validation_data;
  const bool validates = given.batches || given.x.defined();
  const std::int64_t all = all_x.examples();
  n = validates ? all : std::int64_t(std::floor(double(all) * (1 - o.validation_split)));
  if (n < 1)
    throw UsageError(
        fmt::format("fit: validation_split {} leaves nothing of {} examples to train on.", o.validation_split, all));
  using detail::rows;
  x = rows(all_x, 0, n), y = rows(all_y, 0, n), weight = rows(o.sample_weight, 0, n);
  if (!o.class_weight.empty()) {
    if (y.size() > 1) throw UsageError(fmt::format("fit: class_weight is for one output, there are {}.", y.size()));
    const Tensor by_class = class_weights(y[0], o.class_weight);
    weight = weight.defined() ? by_class * astype(weight, by_class.dtype()) : by_class;
  }
  val_x = n < all ? rows(all_x, n, all) : given.x;
  val_y = n < all ? rows(all_y, n, all) : given.y;
  val_w = n < all ? rows(o.sample_weight, n, all) : given.sample_weight;
  steps = (n + o.batch_size - 1) / o.batch_size;
  if (o.steps_per_epoch > steps)
    throw UsageError(fmt::format("fit: steps_per_epoch is {}, but there are {} batches.", o.steps_per_epoch, steps));
  if (o.steps_per_epoch > 0) steps = o.steps_per_epoch;
  take_callbacks();
}

Model::Fit::Fit(Model& m, const data::Dataset& dataset, const FitOptions& options)
    : model(m), c(m.compiled("fit")), o(options) {
  check();
  if (o.validation_split > 0)
    throw UsageError("fit: validation_split needs tensors; a dataset is cut by take() and skip().");
  if (o.sample_weight.defined())
    throw UsageError("fit: a dataset's batches bring their sample weights: {x, y, sample_weight}.");
  batches = model.batches_of("fit", dataset, o.steps_per_epoch);
  steps = o.steps_per_epoch > 0 ? o.steps_per_epoch : dataset.cardinality();
  val_x = o.validation_data.x, val_y = o.validation_data.y, val_w = o.validation_data.sample_weight;
  batches->open(o.steps_per_epoch > 0 ? 0 : o.initial_epoch, 0);
  take_callbacks();
}

void Model::Fit::take_callbacks() {
  callbacks = o.callbacks;
  if (o.on_epoch_end) callbacks.emplace_back(EpochEnd(o.on_epoch_end));
  std::stable_sort(callbacks.begin(), callbacks.end(),
                   [](auto& a, auto& b) { return a->comes_last() < b->comes_last(); });
  for (auto& callback : callbacks) {
    if (!callback->parallel()) continue;
    if (parallel) throw UsageError("fit: there are two callbacks that train in parallel.");
    parallel = callback->parallel();
  }
  if (batches && parallel) batches->allow_empty();
  for (auto& callback : callbacks) {
    callback->model_ = &model;
    callback->params_ = {o.epochs, steps, writes() ? o.verbose : 0, writes()};
    callback->ignores_batches_ = false;
  }
  c.fit = this;
}

Model::Fit::~Fit() {
  c.fit = nullptr;
  for (auto& callback : callbacks) callback->model_ = nullptr;
}

void Model::Fit::each(FunctionRef<void(Callback&)> f) const {
  for (auto& callback : callbacks) f(*callback);
}

// Where a backup stands in the middle of an epoch, its order is drawn once more.
Tensor Model::Fit::draw_order() {
  const random::GeneratorState now = random::generator_state();
  if (batches) return before_order = now, Tensor();
  if (within_epoch) random::set_generator_state(before_order);
  else before_order = now;
  Tensor order =
      o.shuffle ? random::permutation(n, {.seed = o.shuffle_seed < 0 ? -1 : o.shuffle_seed + epoch}) : Tensor();
  if (within_epoch) random::set_generator_state(now);
  if (parallel && order.defined()) order = parallel->same(order);
  return order;
}

// Without steps_per_epoch each epoch is a pass of its own; with it, it goes on where the last one stopped.
void Model::Fit::open_batches() {
  if (!batches || within_epoch) return;
  if (o.steps_per_epoch == 0) batches->open(epoch, 0);
  else if (batches->at_end()) batches->open(batches->pass() + 1, 0);
}

Tensors Model::Fit::first_inputs() {
  return batches ? batches->peek_inputs() : detail::rows(x, 0, std::min(n, o.batch_size));
}

// The weights of a batch of a Dataset, those of its classes among them, are found here; of tensors, once and for all.
std::vector<Tensor> Model::Fit::next_batch(const Tensor& order) {
  if (step == steps) return {};
  if (batches) {
    auto batch = batches->next();
    if (batch.empty() && step == 0 && batches->position() > 0) {  // the last epoch had come to the end, unseen
      batches->open(batches->pass() + 1, 0);
      batch = batches->next();
    }
    if (batch.empty()) {
      if (step == 0) throw UsageError(fmt::format("fit: the dataset has no batches in epoch {}.", epoch + 1));
      return batch;
    }
    if (o.class_weight.empty()) return batch;
    if (c.losses.size() > 1)
      throw UsageError(fmt::format("fit: class_weight is for one output, there are {}.", c.losses.size()));
    const Tensor by_class = class_weights(batch[batches->inputs()], o.class_weight);
    batch.back() = batch.back().defined() ? by_class * astype(batch.back(), by_class.dtype()) : by_class;
    return batch;
  }
  std::int64_t begin = step * o.batch_size, end = std::min(n, begin + o.batch_size);
  if (parallel) {  // this process's part, which may be empty
    const std::int64_t all = end - begin, rank = parallel->rank(), size = parallel->size();
    end = begin + all * (rank + 1) / size;
    begin += all * rank / size;
  }
  auto part = [&](const Tensor& t) {
    return !t.defined() || !o.shuffle ? detail::rows(t, begin, end) : take(t, order[Slice(begin, end)], 0);
  };
  return detail::batch_of(x, y, weight, part);
}

// Adds what the validation data give.
void Model::Fit::validate(Logs& logs) {
  const auto& dataset = o.validation_data.batches;
  if ((!dataset && !val_x.defined()) || (epoch + 1) % o.validation_freq != 0) return;
  const Logs found = dataset
                         ? model.evaluate_dataset("fit: validation_data", *dataset, o.validation_steps)
                         : model.evaluate_tensors(val_x, val_y, val_w,
                                                  o.validation_batch_size > 0 ? o.validation_batch_size : o.batch_size,
                                                  o.validation_steps);
  for (auto& [name, v] : found) logs.at_or_new("val_" + name) = v;
}

History Model::Fit::run() {
  History history;
  Logs logs;
  detail::Progress progress(writes() ? o.verbose : 0, o.epochs);
  epoch = o.initial_epoch;
  if (epoch < o.epochs) model.build_for(first_inputs());
  each([](Callback& callback) { callback.on_train_begin(); });
  const std::size_t inputs = batches ? batches->inputs() : x.size();
  auto train = [&](std::span<const Tensor> batch) { return model.train_step(batch, inputs), Tensor(); };
  for (; epoch < o.epochs && !stop; ++epoch, step = 0) {
    const Tensor order = draw_order();
    open_batches();
    if (!within_epoch) {
      c.reset_metrics();
      each([&](Callback& callback) { callback.on_epoch_begin(epoch); });
    }
    within_epoch = false;
    const std::string key = model.trace_key();
    progress.start_epoch(epoch, steps);
    while (!stop) {
      const std::vector<Tensor> batch = next_batch(order);
      if (batch.empty()) break;
      each([&](Callback& callback) { callback.on_train_batch_begin(step); });
      model.traces_.steps->train.run(c.run_eagerly, key, batch, train);
      ++step;
      end_batch();
      if (progress.due()) progress.tell(step, c.logs());
    }
    c.join_metrics();
    logs = c.logs();
    validate(logs);
    progress.end_epoch(batches ? step : steps, logs);
    each([&](Callback& callback) { callback.on_epoch_end(epoch, logs); });
    agree_on_stop();
    for (auto& [name, v] : logs) history.at_or_new(name).push_back(v);
  }
  if (o.epochs > 0) c.optimizer.finalize_variable_values(model.trainable_variables());
  each([&](Callback& callback) { callback.on_train_end(logs); });
  return history;
}

void Model::Fit::end_batch() {
  auto ignored = [](const AnyCallback& callback) { return callback->ignores_batches_; };
  if (std::all_of(callbacks.begin(), callbacks.end(), ignored)) return;
  const Logs logs = c.logs();
  for (auto& callback : callbacks)
    if (!ignored(callback)) callback->on_train_batch_end(step - 1, logs);
  agree_on_stop();
}

// Processes that train together end together.
void Model::Fit::agree_on_stop() {
  if (parallel) stop = parallel->any(stop);
}

History Model::fit(const Tensors& x, const Tensors& y, const FitOptions& o, Where where) {
  CallSite site(where);
  compiled("fit");
  return Fit(*this, x, y, o).run();
}

}  // namespace tapir::nn
