#include <tapir/look/tensorboard.h>
#include <tapir/nn/model.h>
#include <tapir/ops/create.h>

#include <fmt/format.h>

namespace tapir::nn::callbacks {

TensorBoard::TensorBoard(std::string log_dir, const TensorBoardOptions& o, Where where)
    : folder_(std::move(log_dir)), options_(o) {
  CallSite site(where);
  if (o.histogram_freq < 0 || o.update_freq < 0)
    throw UsageError(fmt::format("TensorBoard: histogram_freq and update_freq must be 0 or more, got {} and {}.",
                                 o.histogram_freq, o.update_freq));
}

summary::FileWriter& TensorBoard::writer(bool validation) {
  auto& own = validation ? validation_ : train_;
  if (!own)
    own = std::make_shared<summary::FileWriter>(
        summary::create_file_writer(folder_ + (validation ? "/validation" : "/train"), options_.writer));
  return *own;
}

void TensorBoard::on_train_begin() {
  train_ = validation_ = nullptr;
  batches_ = 0;
}

void TensorBoard::on_train_batch_end(std::int64_t batch, const Logs& logs) {
  if (options_.update_freq == 0) return Callback::on_train_batch_end(batch, logs);
  if (++batches_ % options_.update_freq != 0 || !params().writes) return;
  for (auto& [name, value] : logs) writer(false).scalar("batch_" + name, value, batches_);
}

void TensorBoard::on_epoch_end(int epoch, Logs& logs) {
  if (!params().writes) return;
  for (auto& [name, value] : logs) {
    const bool validation = name.starts_with("val_");
    writer(validation).scalar("epoch_" + name.substr(validation ? 4 : 0), value, epoch);
  }
  if (!logs.contains("learning_rate"))
    writer(false).scalar("epoch_learning_rate", model().optimizer().learning_rate(), epoch);
  if (options_.histogram_freq > 0 && epoch % options_.histogram_freq == 0)
    for (auto& v : model().variables()) writer(false).histogram(v.name() + "/histogram", v.value(), epoch);
  for (auto* own : {train_.get(), validation_.get()})
    if (own) own->flush();
}

void TensorBoard::on_train_end(const Logs&) {
  for (auto* own : {train_.get(), validation_.get()})
    if (own) own->close();
}

std::vector<std::pair<std::string, Tensor>> TensorBoard::state() const {
  return {{"batches", full({}, batches_, DType::i64)}};
}
void TensorBoard::set_state(const NamedValues<Tensor>& state) { batches_ = state["batches"].item<std::int64_t>(); }

}  // namespace tapir::nn::callbacks
