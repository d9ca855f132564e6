// fit, evaluate and predict of a Dataset.
#include <tapir/nn/compiled.h>
#include <tapir/nn/dataset_batches.h>
#include <tapir/nn/progress.h>
#include <tapir/tensor/error.h>

#include <fmt/format.h>

namespace tapir::nn {
namespace detail {

void DatasetBatches::open(std::int64_t pass, std::int64_t position) {
  if (iteration_ && !ended_ && pass == pass_ && position == position_) return;
  iteration_ = dataset_.iterate({.epoch = pass, .position = position});
  peeked_.clear();
  pass_ = pass, position_ = position;
  ended_ = false;
}

std::vector<Tensor> DatasetBatches::checked(std::vector<Tensor> batch) const {
  if (batch.size() < inputs_ + answers_ || (answers_ > 0 && batch.size() > inputs_ + answers_ + 1))
    throw UsageError(fmt::format("{}: a batch of the dataset has {} tensors; this model takes {} inputs{}.{}", what_,
                                 batch.size(), inputs_,
                                 answers_ > 0 ? fmt::format(", {} answers and perhaps a sample weight", answers_) : "",
                                 inputs_ == 1 ? " A model class of several inputs says so by input_count()." : ""));
  if (answers_ == 0) {
    batch.resize(inputs_);
    for (auto& x : batch)
      if (!x.defined() || x.rank() < 1)
        throw ShapeError(fmt::format("{}: the dataset must give batches: call .batch(size) on it.", what_));
    return batch;
  }
  if (batch.size() == inputs_ + answers_) batch.emplace_back();
  const auto at = batch.begin() + std::ptrdiff_t(inputs_);
  const Tensors xs(std::vector<Tensor>(batch.begin(), at)), ys(std::vector<Tensor>(at, batch.end() - 1));
  for (auto& t : {xs[0], ys[0]})
    if (t.defined() && t.rank() < 1)
      throw ShapeError(fmt::format("{}: the dataset must give batches: call .batch(size) on it.", what_));
  if (!allow_empty_ || xs[0].shape()[0] > 0) check_data(what_, xs, ys, batch.back());
  return batch;
}

Tensors DatasetBatches::peek_inputs() {
  if (peeked_.empty()) {
    peeked_ = next();
    if (peeked_.empty()) throw UsageError(fmt::format("{}: the dataset has no batches.", what_));
    --position_;
  }
  return std::vector<Tensor>(peeked_.begin(), peeked_.begin() + std::ptrdiff_t(inputs_));
}

std::vector<Tensor> DatasetBatches::next() {
  if (!peeked_.empty()) {
    ++position_;
    return std::exchange(peeked_, {});
  }
  auto batch = iteration_->next();
  ended_ = !batch;
  if (ended_) return {};
  ++position_;
  return checked(std::move(*batch));
}

}  // namespace detail

ValidationData::ValidationData(const data::Dataset& dataset)
    : batches(std::make_shared<const data::Dataset>(dataset)) {}

detail::DatasetBatches Model::batches_of(const char* what, const data::Dataset& dataset, std::int64_t steps) const {
  if (steps < 0) throw UsageError(fmt::format("{}: steps must be 0 or more, got {}.", what, steps));
  if (dataset.cardinality() == -2 && steps == 0)
    throw UsageError(fmt::format("{}: the dataset has no end; say how many batches to take, or call take().", what));
  const std::size_t answers = std::string_view(what) == "predict" ? 0 : compiled(what).losses.size();
  return {what, dataset, input_count(), answers};
}

History Model::fit(const data::Dataset& batches, const FitOptions& o, Where where) {
  CallSite site(where);
  compiled("fit");
  return Fit(*this, batches, o).run();
}

Logs Model::evaluate_dataset(const char* what, const data::Dataset& dataset, std::int64_t steps) {
  detail::DatasetBatches batches = batches_of(what, dataset, steps);
  if (compiled(what).parallel()) batches.allow_empty();
  batches.open(0, 0);
  build_for(batches.peek_inputs());
  return evaluate_batches(batches.inputs(), [&] {
    return steps > 0 && batches.position() == steps ? std::vector<Tensor>() : batches.next();
  });
}

Logs Model::evaluate(const data::Dataset& batches, const EvaluateOptions& o, Where where) {
  CallSite site(where);
  compiled("evaluate");
  detail::check_verbose("evaluate", o.verbose);
  if (o.sample_weight.defined())
    throw UsageError("evaluate: a dataset's batches bring their sample weights: {x, y, sample_weight}.");
  Logs logs = evaluate_dataset("evaluate", batches, o.steps);
  if (o.verbose) fmt::print("{}\n", detail::metrics_text(logs).substr(3));
  return logs;
}

std::vector<Tensor> Model::predict_dataset(const data::Dataset& dataset, const PredictOptions& o, std::size_t count) {
  detail::DatasetBatches batches = batches_of("predict", dataset, o.steps);
  batches.open(0, 0);
  build_for(batches.peek_inputs());
  return predict_batches(
      count, [&] { return o.steps > 0 && batches.position() == o.steps ? std::vector<Tensor>() : batches.next(); });
}

Tensor Model::predict(const data::Dataset& batches, const PredictOptions& o, Where where) {
  CallSite site(where);
  return predict_dataset(batches, o, 1)[0];
}
std::vector<Tensor> Model::predict_outputs(const data::Dataset& batches, const PredictOptions& o, Where where) {
  CallSite site(where);
  return predict_dataset(batches, o, std::max<std::size_t>(1, output_names().size()));
}

}  // namespace tapir::nn
