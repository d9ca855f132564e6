// One step of fit, evaluate or predict: as a graph where it can be traced, else op by op. Internal to nn/.
#pragma once
#include <tapir/graph/function.h>

#include <atomic>

namespace tapir::nn::detail {

class Step {
 public:
  Step(const char* name, std::atomic<bool>& told);
  using Body = FunctionRef<Tensor(std::span<const Tensor>)>;
  using ListBody = FunctionRef<std::vector<Tensor>(std::span<const Tensor>)>;
  /// Runs `body` over `arguments`, some of which may be undefined: by a graph if it was traced for their shapes and for
  /// `key`, what it depends on besides them. A body that reads values runs as it is from then on, and a note says so.
  Tensor run(bool eagerly, const std::string& key, std::span<const Tensor> arguments, Body body);
  /// The same for a body of any number of results.
  std::vector<Tensor> run_all(bool eagerly, const std::string& key, std::span<const Tensor> arguments, ListBody body);

 private:
  const char* name_;
  std::atomic<bool> eagerly_ = false;
  std::atomic<bool>& told_;
  tapir::detail::FunctionCore core_;
};

struct Steps {
  std::atomic<bool> told = false;  // one note a model
  Step train{"fit", told}, test{"evaluate", told}, predict{"predict", told};
};

}  // namespace tapir::nn::detail
