#include <tapir/nn/steps.h>

#include <fmt/format.h>

#include <cstdio>

namespace tapir::nn::detail {

// Each shape has its own trace, so that C++ code of a layer may look at the size of a batch.
Step::Step(const char* name, std::atomic<bool>& told)
    : name_(name), told_(told), core_({.generalise = false, .name = name}, Where::current()) {}

Tensor Step::run(bool eagerly, const std::string& key, std::span<const Tensor> arguments, Body body) {
  auto list = [&](std::span<const Tensor> all) {
    Tensor y = body(all);
    return y.defined() ? std::vector<Tensor>{y} : std::vector<Tensor>();
  };
  const auto results = run_all(eagerly, key, arguments, list);
  return results.empty() ? Tensor() : results[0];
}

std::vector<Tensor> Step::run_all(bool eagerly, const std::string& key, std::span<const Tensor> arguments,
                                  ListBody body) {
  if (eagerly || eagerly_ || tapir::detail::FunctionCore::eager()) return body(arguments);
  tapir::detail::CallKey call{{}, key};
  for (auto& t : arguments) {
    call.plain += t.defined() ? '1' : '0';
    if (t.defined()) call.tensors.push_back(t);
  }
  auto traced_body = [&](std::span<const Tensor> traced) {
    std::vector<Tensor> all(arguments.begin(), arguments.end());
    std::size_t next = 0;
    for (auto& t : all)
      if (t.defined()) t = traced[next++];
    return std::pair(body(all), std::shared_ptr<void>());
  };
  tapir::detail::Traced traced;
  try {
    traced = core_.find(call, traced_body, Where::current());
  } catch (const UsageError& e) {
    auto y = body(arguments);  // a mistake of the user's is one here too
    eagerly_ = true;
    if (!told_.exchange(true))
      fmt::print(stderr,
                 "{}: this model runs op by op, since its step cannot be traced ({}) Say .run_eagerly = true in "
                 "compile to silence this note.\n",
                 name_, e.what());
    return y;
  }
  return tapir::detail::FunctionCore::call(traced, call.tensors);
}

}  // namespace tapir::nn::detail
