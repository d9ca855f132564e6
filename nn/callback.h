// Callback: what fit calls while it trains. Derive from it for one of your own; nn/callbacks.h has Keras's.
#pragma once
#include <tapir/nn/history.h>
#include <tapir/tensor/tensor.h>

#include <concepts>
#include <cstdint>
#include <memory>

namespace tapir::nn {

class Model;
class ParallelTraining;

/// What a call of fit was asked for.
struct FitParams {
  int epochs = 0;          ///< the number of the last one
  std::int64_t steps = 0;  ///< batches an epoch; -1: not known before its end
  int verbose = 0;
  bool writes = true;  ///< false in all processes but the first, if several train: write no files, print nothing
};

/// Override what you need. Epochs and batches count from 0. Logs are the running means of loss and metrics.
class Callback {
 public:
  virtual ~Callback();
  /// The model has its weights by now.
  virtual void on_train_begin() {}
  /// logs: those of the last epoch. Not called if fit throws.
  virtual void on_train_end(const Logs& logs) { (void)logs; }
  virtual void on_epoch_begin(int epoch) { (void)epoch; }
  /// After validation. What is put into `logs` is seen by the callbacks that follow and in the History.
  virtual void on_epoch_end(int epoch, Logs& logs) { (void)epoch, (void)logs; }
  virtual void on_train_batch_begin(std::int64_t batch) { (void)batch; }
  /// If no callback overrides this one, the values of a batch are not read.
  virtual void on_train_batch_end(std::int64_t batch, const Logs& logs);

  /// What BackupAndRestore keeps of this callback, so that a training that was cut off goes on as if it had not been.
  virtual std::vector<std::pair<std::string, Tensor>> state() const { return {}; }
  /// Gets what state() gave, after on_train_begin. Throws UsageError if a tensor is missing.
  virtual void set_state(const NamedValues<Tensor>& state) { (void)state; }
  /// Not null: several processes train, and fit asks this to keep them together. Of one callback at most.
  virtual ParallelTraining* parallel() { return nullptr; }

 protected:
  /// The model that is trained: `model().stop_training()` ends fit after this batch or epoch. Throws UsageError outside
  /// of fit.
  Model& model() const;
  const FitParams& params() const { return params_; }
  /// True: called after all others.
  virtual bool comes_last() const { return false; }

 private:
  friend class Model;
  Model* model_ = nullptr;
  FitParams params_;
  bool ignores_batches_ = false;
};

/// What FitOptions::callbacks is listed from: an object that is made in the list is owned by it, a variable is used as
/// it is (so that its members can be read after fit) and must live as long as the list.
class AnyCallback {
 public:
  template <class C>
  requires std::derived_from<C, Callback> AnyCallback(C&& callback) : AnyCallback(new C(std::move(callback)), true) {}
  template <class C>
  requires(std::derived_from<C, Callback> && !std::is_const_v<C>) AnyCallback(C& callback)
      : AnyCallback(&callback, false) {}
  Callback* operator->() const { return callback_.get(); }
  Callback& operator*() const { return *callback_; }

 private:
  AnyCallback(Callback* callback, bool owned);
  std::shared_ptr<Callback> callback_;
};

}  // namespace tapir::nn
