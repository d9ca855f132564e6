// The batches that fit, evaluate and predict draw from a Dataset. Internal to nn/.
#pragma once
#include <tapir/data/dataset.h>
#include <tapir/nn/model.h>

namespace tapir::nn::detail {

/// A stand in one pass over a Dataset. Each batch is looked at before it is given.
class DatasetBatches {
 public:
  /// Batches of so many inputs and answers; of none: for predict, which looks at the inputs alone.
  DatasetBatches(const char* what, const data::Dataset& dataset, std::size_t inputs, std::size_t answers)
      : what_(what), dataset_(dataset), inputs_(inputs), answers_(answers) {}
  /// A batch may have no examples: a part of one that others have.
  void allow_empty() { allow_empty_ = true; }
  /// Goes to this place of this pass; costs nothing where it stands there already.
  void open(std::int64_t pass, std::int64_t position);
  std::int64_t pass() const { return pass_; }
  std::int64_t position() const { return position_; }
  /// Was the end seen, or is it known to be here?
  bool at_end() const { return ended_ || position_ == dataset_.cardinality(); }
  std::size_t inputs() const { return inputs_; }
  /// The inputs of the next batch, which stays the next. Throws UsageError if there is none at the start of a pass.
  Tensors peek_inputs();
  /// The inputs, the answers, and the weight, which may be undefined; nothing at the end.
  std::vector<Tensor> next();

 private:
  std::vector<Tensor> checked(std::vector<Tensor> batch) const;
  const char* what_;
  data::Dataset dataset_;
  std::size_t inputs_, answers_;
  std::optional<data::Iteration> iteration_;
  std::vector<Tensor> peeked_;
  std::int64_t pass_ = 0, position_ = 0;
  bool ended_ = false, allow_empty_ = false;
};

}  // namespace tapir::nn::detail
