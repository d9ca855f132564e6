// Buckets are made anew in each step, which takes no time beside it, and only once in a trace. They depart in their
// order, whichever is full first, so that processes that have no examples, and thus no backward, know it too.
#include <tapir/distributed/all_reduce.h>
#include <tapir/distributed/data_parallel.h>
#include <tapir/nn/model.h>
#include <tapir/ops/create.h>
#include <tapir/ops/index.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/shaping.h>
#include <tapir/tensor/variable.h>

#include <fmt/format.h>

namespace tapir::distributed {

DataParallel::DataParallel(const World& world, const DataParallelOptions& options, Where where)
    : world_(&world), options_(options) {
  CallSite site(where);
  if (options.bucket_bytes < 1)
    throw UsageError(fmt::format("DataParallel: bucket_bytes must be at least 1, got {}.", options.bucket_bytes));
}

std::string DataParallel::key() const { return fmt::format("{}/{}", options_.bucket_bytes, size()); }

// The last variables' gradients are final first.
void DataParallel::start(std::span<const Variable> variables, std::int64_t examples) {
  variables_.assign(variables.begin(), variables.end());
  gradients_.assign(variables.size(), Tensor());
  bucket_of_.assign(variables.size(), 0);
  buckets_.clear();
  examples_ = examples;
  departed_ = 0;
  std::int64_t bytes = 0;
  for (std::size_t i = variables.size(); i-- > 0;) {
    const DType dtype = is_half(variables[i].dtype()) ? DType::f32 : variables[i].dtype();
    if (buckets_.empty() || bytes >= options_.bucket_bytes || buckets_.back().dtype != dtype) {
      buckets_.push_back({{}, 0, dtype, {}});
      bytes = 0;
    }
    Bucket& b = buckets_.back();
    b.members.push_back(i);
    ++b.missing;
    bytes += variables[i].shape().size() * std::int64_t(size_of(dtype));
    bucket_of_[i] = buckets_.size() - 1;
  }
}

void DataParallel::ready(std::size_t i, const Tensor& gradient) {
  gradients_[i] = gradient;
  --buckets_[bucket_of_[i]].missing;
  while (departed_ < buckets_.size() && buckets_[departed_].missing == 0) depart(departed_++);
}

void DataParallel::depart(std::size_t bucket) {
  Bucket& b = buckets_[bucket];
  std::vector<Tensor> parts;
  for (auto i : b.members) {
    const Tensor& g = gradients_[i];
    parts.push_back(g.defined() ? g.astype(b.dtype) : zeros(variables_[i].shape(), b.dtype));
  }
  b.token = detail::depart(parts, std::int64_t(bucket), examples_);
}

void DataParallel::finish(std::vector<Tensor>& gradients) {
  while (departed_ < buckets_.size()) depart(departed_++);  // with variables that nothing flows to
  for (std::size_t k = 0; k < buckets_.size(); ++k) {
    const Bucket& b = buckets_[k];
    std::int64_t elements = 0, at = 0;
    for (auto i : b.members) elements += variables_[i].shape().size();
    const Tensor all = detail::arrive(b.token, std::int64_t(k), elements, b.dtype);
    for (auto i : b.members) {
      const Variable& v = variables_[i];
      const std::int64_t n = v.shape().size();
      if (examples_ == 0 || gradients[i].defined())
        gradients[i] = reshape(narrow(all, 0, at, n), v.shape()).astype(v.dtype());
      at += n;
    }
  }
  variables_.clear();
  gradients_.clear();
  buckets_.clear();
}

std::vector<Tensor> DataParallel::gradient(GradientTape& tape, const Tensor& loss,
                                           const std::vector<Variable>& variables, std::int64_t examples, Where where) {
  CallSite site(where);
  if (examples < 1) throw UsageError(fmt::format("gradient: needs at least one example, got {}.", examples));
  start(variables, examples);
  std::vector<Tensor> gradients = tape.gradient(loss, variables, {.hook = this});
  finish(gradients);
  return gradients;
}

bool DataParallel::any(bool here) {
  return world_->all_reduce(constant(here, DType::i32), Reduce::max).item<std::int32_t>() != 0;
}

void DataParallel::sum(std::span<const Variable> variables) {
  const Tensor count = constant(std::int64_t(variables.size()), DType::i64);
  if (world_->all_reduce(count, Reduce::min).item<std::int64_t>() !=
      world_->all_reduce(count, Reduce::max).item<std::int64_t>())
    throw DistributedError("fit: a process had no examples at all, so its metrics do not know their shapes.");
  for (Variable v : variables) v.assign(world_->all_reduce(v.value()));
}

void DataParallel::on_train_begin() {
  std::vector<Variable> all = model().variables(), more = model().optimizer().variables();
  all.insert(all.end(), more.begin(), more.end());
  // Processes with other variables are found before anything is sent.
  std::uint64_t kinds = all.size();
  for (auto& v : all) {
    kinds = kinds * 31 + std::uint64_t(v.dtype());
    for (auto d : v.shape()) kinds = kinds * 31 + std::uint64_t(d);
  }
  const Tensor mine = constant(std::int64_t(kinds >> 1), DType::i64);
  if (world_->all_reduce(mine, Reduce::min).item<std::int64_t>() !=
      world_->all_reduce(mine, Reduce::max).item<std::int64_t>())
    throw DistributedError(
        fmt::format("fit: the processes' models differ; that of process {} has {} variables, with the optimizer's.",
                    rank(), all.size()));
  world_->broadcast_variables(all);
}

data::Dataset DataParallel::shard(const data::Dataset& examples, std::int64_t batch_size, Where where) const {
  CallSite site(where);
  const std::int64_t n = size(), me = rank();
  if (batch_size < n || batch_size % n != 0)
    throw UsageError(fmt::format("shard: batch_size must be a multiple of the {} processes, got {}.", n, batch_size));
  if (n == 1) return examples.batch(batch_size);
  const std::int64_t all = examples.cardinality();
  if (all < 0)
    return examples.batch(batch_size).map([n, me](const data::Element& e) {
      data::Element own;
      for (auto& t : e) own.push_back(t(Slice(me, none, n)));
      return own;
    });
  const data::Dataset own = examples.shard(n, me).batch(batch_size / n);
  const std::int64_t batches = (all + batch_size - 1) / batch_size;
  if (own.cardinality() == batches) return own;
  return own.concatenate(examples.take(1).map([](const data::Element& e) {
    data::Element none_of_it;
    for (auto& t : e) none_of_it.push_back(zeros(Shape{0}.concat(t.shape()), t.dtype()));
    return none_of_it;
  }));
}

}  // namespace tapir::distributed
