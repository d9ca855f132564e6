// function(): traces a callable once for each signature into a graph and runs the graph afterwards.
#pragma once
#include <tapir/graph/structure.h>
#include <tapir/ops/operand.h>
#include <tapir/ops/precision.h>
#include <tapir/tensor/callable.h>

#include <memory>
#include <span>

namespace tapir {

struct FunctionOptions {
  /// Dtypes and shapes of the tensor arguments in order, `unknown` where any size will do; then one trace serves all
  /// sizes (at most 4 unknown dimensions). Empty: each call's own.
  std::vector<TensorSpec> signature = {};
  /// After two traces that differ in the size of one dimension alone, trace that dimension as unknown.
  bool generalise = true;
  /// Traces kept; the one that was used least recently goes first.
  int max_traces = 64;
  std::string name = "function";  ///< for explain() and errors
};

/// From now on functions run their body op by op, and trace nothing; for finding an error with a debugger. Also:
/// TAPIR_EAGER=1.
void run_functions_eagerly(bool eagerly);

namespace graph {
class Concrete;
}

namespace detail {

/// What the tensors and plain values of a call are, as far as a trace depends on it.
struct CallKey {
  std::vector<Tensor> tensors;  // leaves, in order; undefined ones are left out
  std::string plain;            // sizes, numbers, strings, variables' identities, which tensors are undefined
  Precision precision = matmul_precision();
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
  FunctionCore(FunctionOptions options, const Where& where);
  ~FunctionCore();
  /// Is the body to be run as it is: in a trace, or eagerly?
  static bool eager();
  /// The trace for this call, made if there is none.
  Traced find(const CallKey& key, const Body& body, const Where& where);
  static std::vector<Tensor> call(const Traced& traced, std::span<const Tensor> arguments);
  /// A trace for these specs of the tensors in `key`, made if there is none.
  Traced get_concrete(const CallKey& key, const std::vector<TensorSpec>& specs, const Body& body, const Where& where);
  const std::string& name() const;
  void check_count(std::size_t given, std::size_t wanted, const Where& where) const;
  std::string explain() const;
  int trace_count() const;
  void save(const std::string& path, const Where& where) const;
  std::vector<std::shared_ptr<graph::Concrete>> concretes() const;
  std::vector<std::string> graphs() const;

 private:
  Traced find_here(const CallKey& key, const Body& body, const Where& where);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct FunctionReader;
using NamedTraces = std::vector<std::pair<std::string, std::vector<std::shared_ptr<graph::Concrete>>>>;
/// Defined in io/function_file.cpp.
void save_traces(const std::string& path, const NamedTraces& functions, const Where& where);
bool fits(const TensorSpec& spec, const Tensor& t);
std::string text_of(std::span<const TensorSpec> specs);

/// The result of the body with these tensors in it.
template <class Result>
Result with_tensors(const Traced& traced, std::vector<Tensor> tensors) {
  if constexpr (std::is_same_v<Result, Tensor>) {
    return tensors.empty() ? Tensor() : std::move(tensors[0]);
  } else if constexpr (!std::is_void_v<Result>) {
    Result result = *static_cast<const Result*>(traced.structure.get());
    std::size_t next = 0;
    each_tensor(result, [&](Tensor& t) {
      if (t.defined()) t = std::move(tensors[next++]);
    });
    return result;
  }
}

/// What a TensorSpec (or a list of them) stands for in a call; anything else is itself. Notes which spec is meant.
using Placeholders = std::vector<std::pair<std::uint64_t, TensorSpec>>;
Tensor placeholder(const TensorSpec& spec, Placeholders& all);
template <class T>
auto argument_of(const T& value, Placeholders& all) {
  if constexpr (std::is_convertible_v<const T&, TensorSpec>) {
    return placeholder(value, all);
  } else if constexpr (std::is_same_v<T, std::vector<TensorSpec>>) {
    std::vector<Tensor> list;
    for (auto& s : value) list.push_back(placeholder(s, all));
    return list;
  } else {
    return value;
  }
}

/// How many tensors F takes, up to 8; -1 if it takes none of these numbers.
template <class F, std::size_t n = 0>
constexpr int arity() {
  constexpr bool takes = []<std::size_t... I>(std::index_sequence<I...>) {
    return std::is_invocable_v<F&, std::enable_if_t<I + 1 != 0, Tensor&>...>;
  }
  (std::make_index_sequence<n>{});
  if constexpr (takes) return int(n);
  else if constexpr (n < 8) return arity<F, n + 1>();
  else return -1;
}

/// The untyped part of ConcreteFunction.
class ConcreteCore {
 public:
  ConcreteCore(Traced traced, std::string name) : traced_(std::move(traced)), name_(std::move(name)) {}
  /// The tensors of the arguments in order give those of the result in order.
  std::vector<Tensor> call(const std::vector<Tensor>& arguments, Where where = Where::current()) const;
  /// Dtypes and shapes of the tensors that it takes; `unknown` where any size will do.
  std::vector<TensorSpec> signature() const;
  /// The trace as text, one line an operation, before the passes. `?` is an unknown size.
  std::string graph() const;
  /// Writes this trace to a file that load_function() reads.
  void save(const std::string& path, Where where = Where::current()) const;
  std::shared_ptr<graph::Concrete> concrete() const { return traced_.graph; }

 protected:
  Traced traced_;
  std::string name_;
};

}  // namespace detail

/// One trace of a function, from Function::get_concrete: called with tensors that fit its signature, it never traces.
template <class Result>
class ConcreteFunction : public detail::ConcreteCore {
 public:
  using ConcreteCore::ConcreteCore;
  /// Throws ShapeError unless the tensors fit the signature; UsageError where sizes that were one in the trace differ.
  template <class... Tensors>
  requires(std::convertible_to<const Tensors&, Tensor>&&...) Result operator()(const Operand& first,
                                                                               const Tensors&... rest) const {
    return detail::with_tensors<Result>(traced_, call({first.tensor(), Tensor(rest)...}, first.where()));
  }
  Result operator()(Where where = Where::current()) const {
    return detail::with_tensors<Result>(traced_, call({}, where));
  }
};

/// A callable over tensors, with the results of the callable it was made from. Copies share their traces.
///
/// The first call with a signature (dtypes, shapes, and the values of other arguments) traces the body: operations
/// become nodes of a graph, Tensors from outside become constants, Variables are read and assigned on every call. Later
/// calls run the graph. C++ code of the body that is no tensor operation runs during the trace only. Reading a value in
/// the body
/// (`item`, `to_vector`, printing) is a UsageError; use cond(), while_loop() and print(). Safe to call from many
/// threads.
template <class F>
class Function {
 public:
  explicit Function(F f, FunctionOptions options = {}, Where where = Where::current())
      : f_(std::make_shared<F>(std::move(f))),
        core_(std::make_shared<detail::FunctionCore>(std::move(options), where)),
        where_(where) {}

  template <class... Args>
  requires std::invocable < F&, std::decay_t<Args>
  &... > auto operator()(Args&&... args) const {
    using Result = std::decay_t<std::invoke_result_t<F&, std::decay_t<Args>&...>>;
    if (detail::FunctionCore::eager()) return Result((*f_)(args...));
    return call<Result>(where_, std::tuple<std::decay_t<Args>...>(args...));
  }

  /// Traces for these dtypes and shapes without a call: `f.get_concrete({TensorSpec({unknown, 5})})`, or with arguments
  /// of other kinds in their places, `f.get_concrete(TensorSpec({unknown, 5}), 0.5)`. Unknown sizes of the same axis
  /// are one size (the batch of all arguments); all are, where the body does not take that. Later calls that fit use
  /// the trace.
  auto get_concrete(const std::vector<TensorSpec>& specs, Where where = Where::current()) const {
    constexpr int n = detail::arity<F>();
    detail::Placeholders all;
    if constexpr (n < 0) {
      return concrete(where, std::tuple(detail::argument_of(specs, all)), all);
    } else {
      core_->check_count(specs.size(), std::size_t(n), where);
      return [&]<std::size_t... I>(std::index_sequence<I...>) {
        return concrete(where, std::tuple(detail::argument_of(specs[I], all)...), all);
      }
      (std::make_index_sequence<std::size_t(n)>{});
    }
  }
  template <class... Args>
  requires(sizeof...(Args) > 0 && !(std::same_as<std::decay_t<Args>, std::vector<TensorSpec>> ||
                                    ...)) auto get_concrete(const Args&... args) const {
    detail::Placeholders all;
    return concrete(where_, std::tuple<decltype(detail::argument_of(args, all))...>(detail::argument_of(args, all)...),
                    all);
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
  template <class Tuple>
  static detail::CallKey key_of(Tuple& arguments) {
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
    return key;
  }

  // The body as FunctionCore wants it, with these arguments.
  template <class Result, class Tuple>
  auto body_for(const Tuple& arguments) const {
    return [this, &arguments](std::span<const Tensor> traced) {
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
  }

  template <class Result, class Tuple>
  Result call(const Where& where, Tuple arguments) const {
    detail::CallKey key = key_of(arguments);
    auto body = body_for<Result>(arguments);
    detail::Traced traced = core_->find(key, body, where);
    return detail::with_tensors<Result>(traced, detail::FunctionCore::call(traced, key.tensors));
  }

  template <class Tuple>
  auto concrete(const Where& where, Tuple arguments, const detail::Placeholders& placeholders) const {
    using Result = std::decay_t<decltype(std::apply(std::declval<F&>(), arguments))>;
    detail::CallKey key = key_of(arguments);
    std::vector<TensorSpec> specs;
    for (auto& t : key.tensors) {
      specs.push_back(t.spec());
      for (auto& [id, spec] : placeholders)
        if (id == t.id()) specs.back() = spec;
    }
    auto body = body_for<Result>(arguments);
    return ConcreteFunction<Result>(core_->get_concrete(key, specs, body, where), core_->name());
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
