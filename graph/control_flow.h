// Control flow that depends on tensors: cond, switch_case, while_loop, for_loop, scan. Eager calls just run; in
// function() they become nodes whose bodies are graphs. Gradients flow through all of them.
#pragma once
#include <tapir/graph/structure.h>
#include <tapir/ops/operand.h>
#include <tapir/tensor/callable.h>

#include <memory>

namespace tapir {

namespace detail {

bool tracing();
/// The value of a scalar condition. Throws ShapeError or DTypeError unless it is one bool.
bool truth_of(const char* what, const Tensor& t, const Where& where);
std::int64_t index_of(const Tensor& t, std::int64_t branches, const Where& where);

using Bodies = std::vector<Callable<std::vector<Tensor>()>>;
std::vector<Tensor> traced_switch(const char* what, const Tensor& index, const Bodies& bodies, const Where& where);

/// One loop: `trip` rounds, or while `condition` holds if it is set. The body takes the states and a slice of each of
/// `scanned`, and gives new states and then values to be stacked.
struct Loop {
  Callable<Tensor(std::span<const Tensor> states)> condition = {};
  Callable<std::vector<Tensor>(std::span<const Tensor> states, std::span<const Tensor> slices)> body;
  std::int64_t trip = -1, most = -1;
  bool backwards = false;
};
/// The final states, then what was stacked.
std::vector<Tensor> traced_loop(const char* what, const Loop& loop, const std::vector<Tensor>& states,
                                const std::vector<Tensor>& scanned, const Where& where);
// `where` is the line of the control flow; what bodies do keeps its own.
void check_state(const char* what, const std::vector<Tensor>& before, const std::vector<Tensor>& after,
                 const Where& where);
[[noreturn]] void too_many_rounds(std::int64_t most, const Where& where);
std::vector<Tensor> stack_up(const std::vector<std::vector<Tensor>>& rows, const Where& where);
Tensor slice_of(const Tensor& t, std::int64_t i, const Where& where);
std::int64_t common_length(const std::vector<Tensor>& xs, const Where& where);
[[noreturn]] void nothing_to_scan(const Where& where);
Tensor counter(std::int64_t i);
Tensor plus_one(const Tensor& i, const Where& where);
std::vector<Tensor> with_first(const Tensor& first, std::vector<Tensor> rest);

template <class T>
std::vector<Tensor> leaves_of(T& value) {
  std::vector<Tensor> out;
  each_tensor(value, [&](Tensor& t) { out.push_back(t); });
  return out;
}
template <class T>
T with_leaves(T value, std::span<const Tensor> leaves) {
  std::size_t next = 0;
  each_tensor(value, [&](Tensor& t) { t = leaves[next++]; });
  return value;
}

/// f(state), or f(a, b, ...) for a tuple of them.
template <class F, class State, class... First>
decltype(auto) call_with(F& f, const State& state, const First&... first) {
  if constexpr (is_tuple<State>)
    return std::apply([&](const auto&... s) -> decltype(auto) { return f(first..., s...); }, state);
  else return f(first..., state);
}

}  // namespace detail

/// `then()` if `condition` (one bool) holds, else `otherwise()`; both give the same structure, dtypes and shapes. Only
/// one is run. Gradients flow into what the branches use.
template <class Then, class Else>
auto cond(const Operand& condition, Then then, Else otherwise) {
  using R = std::decay_t<std::invoke_result_t<Then&>>;
  if (!detail::tracing()) return detail::truth_of("cond", condition, condition.where()) ? R(then()) : R(otherwise());
  R first{};
  detail::Bodies bodies{[&] { return detail::leaves_of(first = then()); },
                        [&] {
                          R second = otherwise();
                          return detail::leaves_of(second);
                        }};
  auto out = detail::traced_switch("cond", condition, bodies, condition.where());
  return detail::with_leaves(first, out);
}

/// The branch number `index` (a scalar integer, 0 the first); the last one for every other index, as in tf.switch_case.
template <class Branch, class... Branches>
auto switch_case(const Operand& index, Branch branch, Branches... branches) {
  using R = std::decay_t<std::invoke_result_t<Branch&>>;
  std::vector<Callable<R()>> all{branch, branches...};
  if (!detail::tracing()) return all[std::size_t(detail::index_of(index, std::int64_t(all.size()), index.where()))]();
  std::vector<R> results(all.size());
  detail::Bodies bodies;
  for (std::size_t i = 0; i < all.size(); ++i)
    bodies.push_back([&, i] { return detail::leaves_of(results[i] = all[i]()); });
  auto out = detail::traced_switch("switch_case", index, bodies, index.where());
  return detail::with_leaves(results[0], out);
}

struct WhileOptions {
  std::int64_t max_iterations = -1;  ///< more rounds are a UsageError; no limit if negative
};

/// Repeats state = body(state) while condition(state), one bool, holds. A std::tuple is handed over as several
/// arguments. Dtypes and shapes of the state stay the same. Traced, first derivatives keep each round's state; for
/// derivatives of higher order use for_loop or scan.
template <class Condition, class Body, class State>
State while_loop(Condition condition, Body body, State state, WhileOptions options = {},
                 Where where = Where::current()) {
  if (!detail::tracing()) {
    for (std::int64_t i = 0; detail::truth_of("while_loop", detail::call_with(condition, state), where); ++i) {
      if (options.max_iterations >= 0 && i >= options.max_iterations)
        detail::too_many_rounds(options.max_iterations, where);
      State next = detail::call_with(body, state);
      detail::check_state("while_loop", detail::leaves_of(state), detail::leaves_of(next), where);
      state = std::move(next);
    }
    return state;
  }
  detail::Loop loop;
  loop.most = options.max_iterations;
  loop.condition = [&](std::span<const Tensor> s) {
    return Tensor(detail::call_with(condition, detail::with_leaves(state, s)));
  };
  loop.body = [&](std::span<const Tensor> s, std::span<const Tensor>) {
    State next = detail::call_with(body, detail::with_leaves(state, s));
    return detail::leaves_of(next);
  };
  return detail::with_leaves(state, detail::traced_loop("while_loop", loop, detail::leaves_of(state), {}, where));
}

/// state = body(i, state) for i = begin ... end - 1, a scalar i64 Tensor; a std::tuple is handed over as several
/// arguments.
template <class Body, class State>
State for_loop(std::int64_t begin, std::int64_t end, Body body, State state, Where where = Where::current()) {
  constexpr std::int64_t unrolled = 8;  // in a trace
  if (!detail::tracing() || end - begin <= unrolled) {
    for (std::int64_t i = begin; i < end; ++i) {
      State next = detail::call_with(body, state, detail::counter(i));
      detail::check_state("for_loop", detail::leaves_of(state), detail::leaves_of(next), where);
      state = std::move(next);
    }
    return state;
  }
  detail::Loop loop;
  loop.trip = end - begin;
  loop.body = [&](std::span<const Tensor> s, std::span<const Tensor>) {
    State next = detail::call_with(body, detail::with_leaves(state, s.subspan(1)), s[0]);
    return detail::with_first(detail::plus_one(s[0], where), detail::leaves_of(next));
  };
  const std::vector<Tensor> states = detail::with_first(detail::counter(begin), detail::leaves_of(state));
  auto out = detail::traced_loop("for_loop", loop, states, {}, where);
  return detail::with_leaves(state, std::span<const Tensor>(out).subspan(1));
}

/// (state, y) = body(state, x) for each x along the first axis of `xs`; gives the last state and the ys stacked, as
/// jax.lax.scan. `xs` is a Tensor or a structure of them.
template <class Body, class State, class Xs>
auto scan(Body body, State state, const Xs& xs, Where where = Where::current()) {
  using Y = std::decay_t<decltype(std::get<1>(body(state, xs)))>;
  Xs copy = xs;
  const std::vector<Tensor> scanned = detail::leaves_of(copy);
  const std::int64_t n = detail::common_length(scanned, where);
  if (!detail::tracing()) {
    if (n == 0) detail::nothing_to_scan(where);
    std::vector<std::vector<Tensor>> rows;
    Y last{};
    for (std::int64_t i = 0; i < n; ++i) {
      std::vector<Tensor> slices;
      for (auto& t : scanned) slices.push_back(detail::slice_of(t, i, where));
      auto [next, y] = body(std::as_const(state), detail::with_leaves(copy, slices));
      detail::check_state("scan", detail::leaves_of(state), detail::leaves_of(next), where);
      rows.push_back(detail::leaves_of(y));
      state = std::move(next);
      last = std::move(y);
    }
    return std::pair<State, Y>(state, detail::with_leaves(last, detail::stack_up(rows, where)));
  }
  detail::Loop loop;
  loop.trip = n;
  Y last{};
  loop.body = [&](std::span<const Tensor> s, std::span<const Tensor> slices) {
    auto [next, y] = body(std::as_const(state = detail::with_leaves(state, s)), detail::with_leaves(copy, slices));
    std::vector<Tensor> out = detail::leaves_of(next);
    for (auto& t : detail::leaves_of(y)) out.push_back(t);
    last = y;
    return out;
  };
  const std::vector<Tensor> states = detail::leaves_of(state);
  auto out = detail::traced_loop("scan", loop, states, scanned, where);
  return std::pair<State, Y>(detail::with_leaves(state, std::span<const Tensor>(out).first(states.size())),
                             detail::with_leaves(last, std::span<const Tensor>(out).subspan(states.size())));
}

}  // namespace tapir
