// function(): traces a callable once for each signature into a graph and runs the graph afterwards.
#pragma once
#include <tapir/graph/structure.h>
#include <tapir/tensor/callable.h>

#include <memory>
#include <span>

namespace tapir {

struct FunctionOptions {
  /// Dtypes and shapes of the tensor arguments in order, `unknown` where any size will do; then one trace serves all sizes
  /// (at most 4 unknown dimensions). Empty: each call's own.
  std::vector<TensorSpec> signature = {};
  /// After two traces that differ in the size of one dimension alone, trace that dimension as unknown.
  bool generalise = true;
  /// Traces kept; the one that was used least recently goes first.
  int max_traces = 64;
  std::string name = "function";  ///< for explain() and errors
};

/// From now on functions run their body op by op, and trace nothing; for finding an error with a debugger. Also: TAPIR_EAGER=1.
void run_functions_eagerly(bool eagerly);

namespace graph {
class Concrete;
}

namespace detail {

/// What the tensors and plain values of a call are, as far as a trace depends on it.
struct CallKey {
  std::vector<Tensor> tensors;  // leaves, in order; undefined ones are left out
  std::string plain;            // sizes, numbers, strings, variables' identities, which tensors are undefined
};

/// One trace and what the typed layer keeps beside it.
struct Traced {
  std::shared_ptr<graph::Concrete> graph;
  std::shared_ptr<void> structure;  // a result of the body, with traced tensors in it
};

/// The untyped part of Function.
class FunctionCore {
 public:
  /// Runs the body on traced tensors in place of the leaves; gives the tensors of the result and the result.
  using Body = FunctionRef<std::pair<std::vector<Tensor>, std::shared_ptr<void>>(std::span<const Tensor>)>;
  explicit FunctionCore(FunctionOptions options);
  ~FunctionCore();
  /// Is the body to be run as it is: in a trace, or eagerly?
  static bool eager();
  /// The trace for this call, made if there is none.
  Traced find(const CallKey& key, const Body& body, const Where& where);
  static std::vector<Tensor> call(const Traced& traced, std::span<const Tensor> arguments);
  std::string explain() const;
  int trace_count() const;
  void save(const std::string& path, const Where& where) const;
  std::vector<std::shared_ptr<graph::Concrete>> concretes() const;
  std::vector<std::string> graphs() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct FunctionReader;
/// Defined in io/function_file.cpp.
void save_cores(const std::string& path, const std::vector<std::pair<std::string, const FunctionCore*>>& functions, const Where& where);
bool fits(const TensorSpec& spec, const Tensor& t);
std::string text_of(std::span<const TensorSpec> specs);

}  // namespace detail

/// A callable over tensors, with the results of the callable it was made from. Copies share their traces.
///
/// The first call with a signature (dtypes, shapes, and the values of other arguments) traces the body: operations become
/// nodes of a graph, Tensors from outside become constants, Variables are read and assigned on every call. Later calls run
/// the graph. C++ code of the body that is no tensor operation runs during the trace only. Reading a value in the body
/// (`item`, `to_vector`, printing) is a UsageError; use cond(), while_loop() and print(). Safe to call from many threads.
template <class F>
class Function {
 public:
  explicit Function(F f, FunctionOptions options = {}, Where where = Where::current())
      : f_(std::make_shared<F>(std::move(f))), core_(std::make_shared<detail::FunctionCore>(std::move(options))), where_(where) {}

  template <class... Args>
    requires std::invocable<F&, std::decay_t<Args>&...>
  auto operator()(Args&&... args) const {
    using Result = std::decay_t<std::invoke_result_t<F&, std::decay_t<Args>&...>>;
    if (detail::FunctionCore::eager()) return Result((*f_)(args...));
    return call<Result>(where_, std::tuple<std::decay_t<Args>...>(args...));
  }

  /// Signatures with the reason for each trace, time to trace, what was fused, memory, time per call.
  std::string explain() const { return core_->explain(); }
  /// How many traces were made.
  int trace_count() const { return core_->trace_count(); }
  /// The optimised graphs as text, latest first: one line an operation.
  std::vector<std::string> graphs() const { return core_->graphs(); }
  /// Writes all traces to one file that load_function() reads. Throws UsageError if there is none yet.
  void save(const std::string& path, Where where = Where::current()) const { core_->save(path, where); }
  const detail::FunctionCore& core() const { return *core_; }

 private:
  template <class Result, class Tuple>
  Result call(const Where& where, Tuple arguments) const {
    detail::CallKey key;
    struct Collect final : detail::StructureVisitor {
      detail::CallKey& key;
      explicit Collect(detail::CallKey& k) : key(k) {}
      void tensor(Tensor& t) override {
        key.plain += t.defined() ? '1' : '0';
        if (t.defined()) key.tensors.push_back(t);
      }
      void variable(const Variable& v) override {
        auto* cell = v.cell();
        plain(&cell, sizeof cell);
      }
      void plain(const void* p, std::size_t n) override { key.plain.append(static_cast<const char*>(p), n); }
    } collect(key);
    detail::walk(arguments, collect);

    auto body = [&](std::span<const Tensor> traced) {
      Tuple mine = arguments;
      std::size_t next = 0;
      detail::each_tensor(mine, [&](Tensor& t) {
        if (t.defined()) t = traced[next++];
      });
      std::vector<Tensor> tensors;
      std::shared_ptr<void> structure;
      if constexpr (std::is_void_v<Result>) {
        std::apply(*f_, mine);
      } else {
        auto result = std::make_shared<Result>(std::apply(*f_, mine));
        detail::each_tensor(*result, [&](Tensor& t) {
          if (t.defined()) tensors.push_back(t);
        });
        structure = result;
      }
      return std::pair(std::move(tensors), std::move(structure));
    };
    detail::Traced traced = core_->find(key, body, where);
    std::vector<Tensor> outputs = detail::FunctionCore::call(traced, key.tensors);
    if constexpr (std::is_same_v<Result, Tensor>) {
      return outputs.empty() ? Tensor() : std::move(outputs[0]);
    } else if constexpr (!std::is_void_v<Result>) {
      Result result = *static_cast<const Result*>(traced.structure.get());
      std::size_t next = 0;
      detail::each_tensor(result, [&](Tensor& t) {
        if (t.defined()) t = std::move(outputs[next++]);
      });
      return result;
    }
  }

  std::shared_ptr<F> f_;
  std::shared_ptr<detail::FunctionCore> core_;
  Where where_;  // errors of a call name the line where the function was made
};

/// `auto step = function([&](const Tensor& x, const Tensor& y) {...});`
template <class F>
Function<F> function(F f, FunctionOptions options = {}, Where where = Where::current()) {
  return Function<F>(std::move(f), std::move(options), where);
}

}  // namespace tapir
