// DataParallel: several processes train one model, each on its part of every batch.
#pragma once
#include <tapir/data/dataset.h>
#include <tapir/distributed/world.h>
#include <tapir/nn/callback.h>
#include <tapir/nn/parallel_training.h>

namespace tapir::distributed {

struct DataParallelOptions {
  std::int64_t bucket_bytes = 4 << 20;  ///< gradients set out when so many bytes of them are final
};

/// Give it to fit among the callbacks: `model.fit(x, y, {.batch_size = 64, .callbacks = {DataParallel(world)}})`. Each
/// process takes its part of a batch, forward and backward; gradients are averaged over all examples while backward
/// goes on, in buckets of about `bucket_bytes`, the last layers' first. So all processes come to what one would with
/// the whole batch, but for the order of sums (source: Li et al., VLDB 2020). batch_size is that of all together.
///
/// When fit begins, all take the first process's weights and optimizer's state. Loss and metrics of an epoch are those
/// of all examples; the order of the examples is the first one's. The others print nothing and write no files. Losses
/// must be means over the batch, as they are by default. BatchNormalization sees its own part of a batch alone.
class DataParallel : public nn::Callback, public nn::ParallelTraining {
 public:
  /// Throws UsageError for buckets of less than a byte.
  explicit DataParallel(const World& world, const DataParallelOptions& options = {}, Where where = Where::current());

  /// This process's part of batches of `batch_size` examples (of all together): what fit takes of a Dataset. The last
  /// batch may be smaller, and a part of it empty. Where the number of examples is known, only its own are made;
  /// else each process makes all. The dataset must be the same in all processes: give `shuffle` a seed. Throws
  /// UsageError unless batch_size is a multiple of the number of processes.
  data::Dataset shard(const data::Dataset& examples, std::int64_t batch_size, Where where = Where::current()) const;

  /// For a loop of your own: the gradients of `loss`, which is a mean over `examples` of this process, averaged over
  /// those of all. Give all processes the same start first: `world.broadcast_variables(model.variables())`.
  std::vector<Tensor> gradient(GradientTape& tape, const Tensor& loss, const std::vector<Variable>& variables,
                               std::int64_t examples, Where where = Where::current());

  // For fit.
  int rank() const override { return world_->rank(); }
  int size() const override { return world_->size(); }
  std::string key() const override;
  void start(std::span<const Variable> variables, std::int64_t examples) override;
  void ready(std::size_t i, const Tensor& gradient) override;
  void finish(std::vector<Tensor>& gradients) override;
  Tensor same(const Tensor& x) override { return world_->broadcast(x); }
  bool any(bool here) override;
  void sum(std::span<const Variable> variables) override;
  nn::ParallelTraining* parallel() override { return this; }
  void on_train_begin() override;

 private:
  struct Bucket {
    std::vector<std::size_t> members;  // of the variables
    std::size_t missing = 0;           // gradients that are not final
    DType dtype = DType::f32;          // halves travel as f32
    Tensor token;                      // once it has departed
  };
  void depart(std::size_t bucket);

  const World* world_;
  DataParallelOptions options_;
  // of the step that runs
  std::vector<Variable> variables_;
  std::vector<Tensor> gradients_;
  std::vector<std::size_t> bucket_of_;
  std::vector<Bucket> buckets_;
  std::size_t departed_ = 0;
  std::int64_t examples_ = 0;
};

}  // namespace tapir::distributed
