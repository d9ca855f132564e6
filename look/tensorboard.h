// The callback that writes a training for TensorBoard: `.callbacks = {callbacks::TensorBoard("logs")}`.
#pragma once
#include <tapir/look/summary.h>
#include <tapir/nn/callback.h>

namespace tapir::nn::callbacks {

struct TensorBoardOptions {
  int histogram_freq = 0;        ///< every so many epochs how each weight is spread; 0: never
  std::int64_t update_freq = 0;  ///< every so many batches loss and metrics as "batch_loss", ...; 0: epochs alone
  summary::WriterOptions writer = {};
};
/// Writes loss and metrics of each epoch to event files in log_dir/train and log_dir/validation, by the names that
/// Keras gives them: "epoch_loss", "epoch_accuracy", "epoch_learning_rate", weights as "dense/kernel/histogram". Throws
/// FileError, UsageError if an option is negative.
class TensorBoard : public Callback {
 public:
  explicit TensorBoard(std::string log_dir = "logs", const TensorBoardOptions& options = {},
                       Where where = Where::current());
  void on_train_begin() override;
  void on_train_batch_end(std::int64_t batch, const Logs& logs) override;
  void on_epoch_end(int epoch, Logs& logs) override;
  void on_train_end(const Logs& logs) override;
  std::vector<std::pair<std::string, Tensor>> state() const override;
  void set_state(const NamedValues<Tensor>& state) override;

 private:
  summary::FileWriter& writer(bool validation);
  std::string folder_;
  TensorBoardOptions options_;
  std::shared_ptr<summary::FileWriter> train_, validation_;
  std::int64_t batches_ = 0;
};

}  // namespace tapir::nn::callbacks
