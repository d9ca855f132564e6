// The callbacks of Keras, with its names and defaults: `model.fit(x, y, {.callbacks = {callbacks::EarlyStopping()}})`.
// TensorBoard is in look/tensorboard.h.
#pragma once
#include <tapir/nn/model.h>

#include <optional>

namespace tapir::nn::callbacks {

/// Whether less or more of the value that is watched is better. automatic: by its name, as Keras ("val_loss" down,
/// "accuracy" up); UsageError for names that do not tell.
enum class Mode : std::uint8_t { automatic, min, max };

namespace detail {
/// Remembers the best value so far.
class Monitor {
 public:
  Monitor(const char* callback, std::string name, Mode mode, double min_delta)
      : callback_(callback), name_(std::move(name)), mode_(mode), min_delta_(min_delta < 0 ? -min_delta : min_delta) {}
  /// The watched value; if there is none, a note, once.
  std::optional<double> value(const Logs& logs);
  /// Is it better than `than` by more than min_delta? Better than nothing it always is.
  bool better(double value, std::optional<double> than);
  const std::string& name() const { return name_; }
  std::optional<double> best;

 private:
  const char* callback_;
  std::string name_;
  Mode mode_;
  double min_delta_;
  bool told_ = false;
};
}  // namespace detail

struct EarlyStoppingOptions {
  std::string monitor = "val_loss";
  double min_delta = 0;  ///< less than this is no improvement
  int patience = 0;      ///< so many epochs without one end the training
  int verbose = 0;
  Mode mode = Mode::automatic;
  std::optional<double> baseline = {};  ///< only values better than this count
  bool restore_best_weights = false;    ///< at the end, those of the best epoch
  int start_from_epoch = 0;             ///< earlier ones are not looked at
};
/// Ends the training when a value gets no better any more.
class EarlyStopping : public Callback {
 public:
  explicit EarlyStopping(const EarlyStoppingOptions& options = {}, Where where = Where::current());
  /// The epoch that ended the training, 0 if none did.
  int stopped_epoch() const { return stopped_epoch_; }
  int best_epoch() const { return best_epoch_; }
  void on_train_begin() override;
  void on_epoch_end(int epoch, Logs& logs) override;
  void on_train_end(const Logs& logs) override;
  std::vector<std::pair<std::string, Tensor>> state() const override;
  void set_state(const NamedValues<Tensor>& state) override;

 private:
  void keep_weights(int epoch);
  EarlyStoppingOptions options_;
  detail::Monitor monitor_;
  int wait_ = 0, stopped_epoch_ = 0, best_epoch_ = 0;
  std::vector<Tensor> best_weights_;
};

struct ReduceLROnPlateauOptions {
  std::string monitor = "val_loss";
  double factor = 0.1;  ///< the rate becomes so much of it
  int patience = 10;    ///< after so many epochs without improvement
  int verbose = 0;
  Mode mode = Mode::automatic;
  double min_delta = 1e-4;
  int cooldown = 0;   ///< so many epochs it waits after that
  double min_lr = 0;  ///< and it goes no lower
};
/// Lowers the learning rate when a value gets no better, and adds "learning_rate" to the logs. Throws UsageError for a
/// factor of 1 or more.
class ReduceLROnPlateau : public Callback {
 public:
  explicit ReduceLROnPlateau(const ReduceLROnPlateauOptions& options = {}, Where where = Where::current());
  void on_train_begin() override;
  void on_epoch_end(int epoch, Logs& logs) override;
  std::vector<std::pair<std::string, Tensor>> state() const override;
  void set_state(const NamedValues<Tensor>& state) override;

 private:
  ReduceLROnPlateauOptions options_;
  detail::Monitor monitor_;
  int wait_ = 0, cooldown_ = 0;
};

/// Sets the learning rate at the start of each epoch to what a function of the epoch, or of the epoch and the rate so
/// far, gives; adds "learning_rate" to the logs.
class LearningRateScheduler : public Callback {
 public:
  template <class F>
  requires std::is_invocable_r_v<double, F&, int, double>
  explicit LearningRateScheduler(F f, int verbose = 0) : schedule_(std::move(f)), verbose_(verbose) {}
  template <class F>
  requires std::is_invocable_r_v<double, F&, int>
  explicit LearningRateScheduler(F f, int verbose = 0)
      : schedule_([f = std::move(f)](int epoch, double) mutable { return double(f(epoch)); }), verbose_(verbose) {}
  void on_epoch_begin(int epoch) override;
  void on_epoch_end(int epoch, Logs& logs) override;

 private:
  Callable<double(int, double)> schedule_;
  int verbose_;
};

struct ModelCheckpointOptions {
  std::string monitor = "val_loss";
  int verbose = 0;
  bool save_best_only = false;
  bool save_weights_only = false;  ///< save_weights, else save
  Mode mode = Mode::automatic;
  std::int64_t save_freq = 0;                          ///< 0: after each epoch; else after so many batches
  std::optional<double> initial_value_threshold = {};  ///< the best so far
};
/// Saves the model. The path may name the epoch (from 1), the batch and what is logged, as {fmt} and Python write
/// numbers: "model-{epoch:02d}-{val_loss:.2f}.safetensors". Throws UsageError for a name that is not logged, FileError.
class ModelCheckpoint : public Callback {
 public:
  explicit ModelCheckpoint(std::string path, const ModelCheckpointOptions& options = {},
                           Where where = Where::current());
  void on_train_begin() override { batches_ = 0; }
  void on_train_batch_end(std::int64_t batch, const Logs& logs) override;
  void on_epoch_begin(int epoch) override { epoch_ = epoch; }
  void on_epoch_end(int epoch, Logs& logs) override;
  std::vector<std::pair<std::string, Tensor>> state() const override;
  void set_state(const NamedValues<Tensor>& state) override;

 private:
  void save(int epoch, std::int64_t batch, const Logs& logs);
  std::string path_;
  ModelCheckpointOptions options_;
  detail::Monitor monitor_;
  std::int64_t batches_ = 0;
  int epoch_ = 0;
};

struct CSVLoggerOptions {
  std::string separator = ",";
  bool append = false;  ///< to what is in the file; else it is written anew
};
/// Writes a line of comma-separated values after each epoch, under a header: epoch, then the names of the first epoch,
/// sorted. "NA" where one is missing later. Throws FileError.
class CSVLogger : public Callback {
 public:
  explicit CSVLogger(std::string path, const CSVLoggerOptions& options = {});
  void on_train_begin() override;
  void on_epoch_end(int epoch, Logs& logs) override;

 private:
  void write(const char* how, const std::string& line) const;
  std::string path_;
  CSVLoggerOptions options_;
  std::vector<std::string> names_;
  bool header_ = true;
};

/// Ends the training when the loss is NaN or infinite.
class TerminateOnNaN : public Callback {
 public:
  void on_train_batch_end(std::int64_t batch, const Logs& logs) override;
};

/// Calls functions.
class LambdaCallback : public Callback {
 public:
  struct Options {
    Callable<void(int epoch)> on_epoch_begin = {};
    Callable<void(int epoch, const Logs& logs)> on_epoch_end = {};
    Callable<void()> on_train_begin = {};
    Callable<void(const Logs& logs)> on_train_end = {};
    Callable<void(std::int64_t batch)> on_train_batch_begin = {};
    Callable<void(std::int64_t batch, const Logs& logs)> on_train_batch_end = {};
  };
  explicit LambdaCallback(const Options& options) : options_(options) {}
  void on_epoch_begin(int epoch) override;
  void on_epoch_end(int epoch, Logs& logs) override;
  void on_train_begin() override;
  void on_train_end(const Logs& logs) override;
  void on_train_batch_begin(std::int64_t batch) override;
  void on_train_batch_end(std::int64_t batch, const Logs& logs) override;

 private:
  Options options_;
};

struct BackupAndRestoreOptions {
  std::int64_t save_freq = 0;     ///< 0: after each epoch; else after so many batches of it
  bool delete_checkpoint = true;  ///< when the training has come to its end
};
/// Lets a training that was killed go on: the same program, started again, takes up where the last backup was made, and
/// comes to the same losses as if nothing had happened. Kept are weights, the optimizer's state, where random numbers
/// stand (the global generator's too), the order of the examples, running metrics, and what other callbacks give as
/// state(). A backup appears whole or not at all. An epoch that was begun before is not begun again: on_epoch_begin is
/// not called. Throws FileError if there is a backup of another model.
class BackupAndRestore : public Callback {
 public:
  explicit BackupAndRestore(std::string backup_dir, const BackupAndRestoreOptions& options = {},
                            Where where = Where::current());
  void on_train_begin() override;
  void on_train_batch_end(std::int64_t batch, const Logs& logs) override;
  void on_epoch_end(int epoch, Logs& logs) override;
  void on_train_end(const Logs& logs) override;
  /// The file in backup_dir.
  std::string path() const;

 protected:
  bool comes_last() const override { return true; }

 private:
  std::string folder_;
  BackupAndRestoreOptions options_;
};

}  // namespace tapir::nn::callbacks
