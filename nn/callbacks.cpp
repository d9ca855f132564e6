#include <tapir/nn/callbacks.h>
#include <tapir/ops/create.h>

#include <fmt/args.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>

namespace tapir::nn::callbacks {
namespace {

using State = std::vector<std::pair<std::string, Tensor>>;

Tensor kept(const std::vector<double>& numbers) { return Tensor::from_vector(numbers); }
// NaN stands for none.
double or_nan(std::optional<double> v) { return v ? *v : NAN; }
std::optional<double> or_none(double v) { return std::isnan(v) ? std::nullopt : std::optional(v); }

// Names that say which way is better. Those of Keras's metrics; of others nobody knows.
std::optional<bool> up_by_name(std::string name) {
  if (name.starts_with("val_")) name = name.substr(4);
  if (name.starts_with("weighted_")) name = name.substr(9);
  for (const char* part :
       {"acc", "auc", "precision", "recall", "f1_score", "fbeta_score", "iou", "_io_u", "r2_score", "correlation",
        "cosine_similarity", "true_positives", "true_negatives", "sensitivity", "specificity"})
    if (name.find(part) != std::string::npos) return true;
  for (const char* part : {"loss", "error", "mse", "mae", "mape", "msle", "crossentropy", "hinge", "kl_divergence",
                           "poisson", "log_cosh", "logcosh", "false_positives", "false_negatives"})
    if (name.find(part) != std::string::npos) return false;
  return std::nullopt;
}

void check_patience(const char* type, int patience) {
  if (patience < 0) throw UsageError(fmt::format("{}: patience must be 0 or more, got {}.", type, patience));
}

}  // namespace

namespace detail {

std::optional<double> Monitor::value(const Logs& logs) {
  if (logs.contains(name_)) return logs[name_];
  if (!std::exchange(told_, true)) {
    std::vector<std::string> known;
    for (auto& [n, v] : logs) known.push_back(n);
    fmt::print(stderr, "{}: there is no '{}' in the logs, so it does nothing. There are: {}.\n", callback_, name_,
               fmt::join(known, ", "));
  }
  return std::nullopt;
}

bool Monitor::better(double value, std::optional<double> than) {
  if (mode_ == Mode::automatic) {
    const std::optional<bool> up = up_by_name(name_);
    if (!up)
      throw UsageError(
          fmt::format("{}: whether less or more of '{}' is better does not follow from its name. Say "
                      ".mode = callbacks::Mode::max or min.",
                      callback_, name_));
    mode_ = *up ? Mode::max : Mode::min;
  }
  if (!than) return true;
  return mode_ == Mode::max ? value - min_delta_ > *than : value + min_delta_ < *than;
}

}  // namespace detail

EarlyStopping::EarlyStopping(const EarlyStoppingOptions& o, Where where)
    : options_(o), monitor_("EarlyStopping", o.monitor, o.mode, o.min_delta) {
  CallSite site(where);
  check_patience("EarlyStopping", o.patience);
}

void EarlyStopping::on_train_begin() {
  wait_ = stopped_epoch_ = best_epoch_ = 0;
  monitor_.best = std::nullopt;
  best_weights_.clear();
}

void EarlyStopping::keep_weights(int epoch) {
  best_epoch_ = epoch;
  if (!options_.restore_best_weights) return;
  best_weights_.clear();
  for (auto& v : model().variables()) best_weights_.push_back(v.value());
}

void EarlyStopping::on_epoch_end(int epoch, Logs& logs) {
  const std::optional<double> now = monitor_.value(logs);
  if (!now || epoch < options_.start_from_epoch) return;
  if (options_.restore_best_weights && best_weights_.empty()) keep_weights(epoch);
  ++wait_;
  if (monitor_.better(*now, monitor_.best)) {
    monitor_.best = now;
    keep_weights(epoch);
    if (!options_.baseline || monitor_.better(*now, options_.baseline)) wait_ = 0;
  } else if (wait_ >= options_.patience && epoch > 0) {
    stopped_epoch_ = epoch;
    model().stop_training();
  }
}

void EarlyStopping::on_train_end(const Logs&) {
  if (stopped_epoch_ > 0 && options_.verbose > 0 && params().writes)
    fmt::print("Epoch {}: early stopping\n", stopped_epoch_ + 1);
  if (best_weights_.empty()) return;
  if (options_.verbose > 0 && params().writes)
    fmt::print("Restoring model weights from the end of the best epoch: {}.\n", best_epoch_ + 1);
  std::vector<Variable> variables = model().variables();
  for (std::size_t i = 0; i < variables.size(); ++i) variables[i].assign(best_weights_[i]);
}

State EarlyStopping::state() const {
  State all{{"monitor", kept({or_nan(monitor_.best), double(wait_), double(stopped_epoch_), double(best_epoch_)})}};
  for (std::size_t i = 0; i < best_weights_.size(); ++i) all.emplace_back(fmt::format("{}", i), best_weights_[i]);
  return all;
}

void EarlyStopping::set_state(const NamedValues<Tensor>& state) {
  const auto v = state["monitor"].to_vector<double>();
  monitor_.best = or_none(v.at(0));
  wait_ = int(v.at(1)), stopped_epoch_ = int(v.at(2)), best_epoch_ = int(v.at(3));
  best_weights_.clear();
  for (std::size_t i = 0; i + 1 < state.size(); ++i) best_weights_.push_back(state[fmt::format("{}", i)]);
}

ReduceLROnPlateau::ReduceLROnPlateau(const ReduceLROnPlateauOptions& o, Where where)
    : options_(o), monitor_("ReduceLROnPlateau", o.monitor, o.mode, o.min_delta) {
  CallSite site(where);
  check_patience("ReduceLROnPlateau", o.patience);
  if (!(o.factor > 0 && o.factor < 1))
    throw UsageError(fmt::format("ReduceLROnPlateau: factor must be in (0, 1), got {}.", o.factor));
}

void ReduceLROnPlateau::on_train_begin() {
  wait_ = cooldown_ = 0;
  monitor_.best = std::nullopt;
}

void ReduceLROnPlateau::on_epoch_end(int epoch, Logs& logs) {
  optim::Optimizer optimizer = model().optimizer();
  const double rate = optimizer.learning_rate();
  logs.at_or_new("learning_rate") = rate;
  const std::optional<double> now = monitor_.value(logs);
  if (!now) return;
  if (cooldown_ > 0) {
    --cooldown_;
    wait_ = 0;
  }
  if (monitor_.better(*now, monitor_.best)) {
    monitor_.best = now;
    wait_ = 0;
  } else if (cooldown_ == 0 && ++wait_ >= options_.patience && rate > double(float(options_.min_lr))) {
    const double lower = std::max(rate * options_.factor, options_.min_lr);
    optimizer.set_learning_rate(lower);
    if (options_.verbose > 0 && params().writes)
      fmt::print("\nEpoch {}: ReduceLROnPlateau reducing learning rate to {}.\n", epoch + 1, lower);
    cooldown_ = options_.cooldown;
    wait_ = 0;
  }
}

State ReduceLROnPlateau::state() const {
  return {{"monitor", kept({or_nan(monitor_.best), double(wait_), double(cooldown_)})}};
}

void ReduceLROnPlateau::set_state(const NamedValues<Tensor>& state) {
  const auto v = state["monitor"].to_vector<double>();
  monitor_.best = or_none(v.at(0));
  wait_ = int(v.at(1)), cooldown_ = int(v.at(2));
}

void LearningRateScheduler::on_epoch_begin(int epoch) {
  optim::Optimizer optimizer = model().optimizer();
  const double rate = schedule_(epoch, optimizer.learning_rate());
  optimizer.set_learning_rate(rate);
  if (verbose_ > 0 && params().writes)
    fmt::print("\nEpoch {}: LearningRateScheduler setting learning rate to {}.\n", epoch + 1, rate);
}

void LearningRateScheduler::on_epoch_end(int, Logs& logs) {
  logs.at_or_new("learning_rate") = model().optimizer().learning_rate();
}

ModelCheckpoint::ModelCheckpoint(std::string path, const ModelCheckpointOptions& o, Where where)
    : path_(std::move(path)), options_(o), monitor_("ModelCheckpoint", o.monitor, o.mode, 0) {
  CallSite site(where);
  if (o.save_freq < 0)
    throw UsageError(fmt::format("ModelCheckpoint: save_freq must be 0 or more, got {}.", o.save_freq));
  monitor_.best = o.initial_value_threshold;
}

void ModelCheckpoint::on_train_batch_end(std::int64_t batch, const Logs& logs) {
  if (options_.save_freq == 0) return Callback::on_train_batch_end(batch, logs);
  if (++batches_ % options_.save_freq == 0) save(epoch_, batch, logs);
}

void ModelCheckpoint::on_epoch_end(int epoch, Logs& logs) {
  if (options_.save_freq == 0) save(epoch, -1, logs);
}

void ModelCheckpoint::save(int epoch, std::int64_t batch, const Logs& logs) {
  if (options_.save_best_only) {
    const std::optional<double> now = monitor_.value(logs);
    if (!now || !monitor_.better(*now, monitor_.best)) return;
    if (options_.verbose > 0 && params().writes)
      fmt::print("\nEpoch {}: {} improved from {} to {:.5f}.\n", epoch + 1, monitor_.name(),
                 monitor_.best ? fmt::format("{:.5f}", *monitor_.best) : "none", *now);
    monitor_.best = now;
  }
  fmt::dynamic_format_arg_store<fmt::format_context> names;
  names.push_back(fmt::arg("epoch", epoch + 1));
  names.push_back(fmt::arg("batch", batch + 1));
  for (auto& [name, value] : logs) names.push_back(fmt::arg(name.c_str(), value));
  std::string path;
  try {
    path = fmt::vformat(path_, names);
  } catch (const fmt::format_error& e) {
    std::vector<std::string> known{"epoch", "batch"};
    for (auto& [name, value] : logs) known.push_back(name);
    throw UsageError(fmt::format("ModelCheckpoint: the path '{}' cannot be written out ({}). There are: {}.", path_,
                                 e.what(), fmt::join(known, ", ")));
  }
  if (!params().writes) return;
  if (options_.save_weights_only) model().save_weights(path);
  else model().save(path);
  if (options_.verbose > 0 && params().writes) fmt::print("\nEpoch {}: saving model to {}\n", epoch + 1, path);
}

State ModelCheckpoint::state() const { return {{"best", kept({or_nan(monitor_.best), double(batches_)})}}; }
void ModelCheckpoint::set_state(const NamedValues<Tensor>& state) {
  const auto v = state["best"].to_vector<double>();
  monitor_.best = or_none(v.at(0));
  batches_ = std::int64_t(v.at(1));
}

void TerminateOnNaN::on_train_batch_end(std::int64_t batch, const Logs& logs) {
  if (std::isfinite(logs["loss"])) return;
  fmt::print(stderr, "Batch {}: Invalid loss, terminating training\n", batch);
  model().stop_training();
}

void LambdaCallback::on_epoch_begin(int epoch) {
  if (options_.on_epoch_begin) options_.on_epoch_begin(epoch);
}
void LambdaCallback::on_epoch_end(int epoch, Logs& logs) {
  if (options_.on_epoch_end) options_.on_epoch_end(epoch, logs);
}
void LambdaCallback::on_train_begin() {
  if (options_.on_train_begin) options_.on_train_begin();
}
void LambdaCallback::on_train_end(const Logs& logs) {
  if (options_.on_train_end) options_.on_train_end(logs);
}
void LambdaCallback::on_train_batch_begin(std::int64_t batch) {
  if (options_.on_train_batch_begin) options_.on_train_batch_begin(batch);
}
void LambdaCallback::on_train_batch_end(std::int64_t batch, const Logs& logs) {
  if (options_.on_train_batch_end) options_.on_train_batch_end(batch, logs);
  else Callback::on_train_batch_end(batch, logs);
}

BackupAndRestore::BackupAndRestore(std::string folder, const BackupAndRestoreOptions& o, Where where)
    : folder_(std::move(folder)), options_(o) {
  CallSite site(where);
  if (folder_.empty()) throw UsageError("BackupAndRestore: backup_dir is empty.");
  if (o.save_freq < 0)
    throw UsageError(fmt::format("BackupAndRestore: save_freq must be 0 or more, got {}.", o.save_freq));
}

std::string BackupAndRestore::path() const {
  return (std::filesystem::path(folder_) / "training.safetensors").string();
}

void BackupAndRestore::on_train_begin() {
  std::error_code ignored;
  if (std::filesystem::exists(path(), ignored)) return model().load_progress(path());
  if (!params().writes) return;
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) throw FileError(fmt::format("BackupAndRestore: {}: {}.", folder_, error.message()));
}

// Of the last batch the end of the epoch will tell.
void BackupAndRestore::on_train_batch_end(std::int64_t batch, const Logs& logs) {
  if (options_.save_freq == 0) return Callback::on_train_batch_end(batch, logs);
  const bool last = batch + 1 == params().steps;
  if ((batch + 1) % options_.save_freq == 0 && !last) model().save_progress(path(), false);
}
void BackupAndRestore::on_epoch_end(int, Logs&) { model().save_progress(path(), true); }

void BackupAndRestore::on_train_end(const Logs&) {
  std::error_code ignored;
  if (options_.delete_checkpoint && params().writes) std::filesystem::remove(path(), ignored);
}

}  // namespace tapir::nn::callbacks
